"""Films of a zip on disk: `{train,val,test}/{NORMAL,PNEUMONIA}/` at any depth."""

import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from stages.engine.errors import InputError
from stages.engine.files import sha256_file
from stages.sources import names
from stages.sources.index import Film, Source

# A film of 60 megapixels at 16 bits, uncompressed, is 120 MB; what claims more is a bomb.
MAX_MEMBER_BYTES = 256 * 2**20

_IMAGES = {".jpeg", ".jpg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".dcm", ".dicom"}
_CITATION = (
    "Kermany D, Zhang K, Goldbaum M (2018), Labeled Optical Coherence Tomography (OCT) and "
    "Chest X-Ray Images for Classification, Mendeley Data, doi 10.17632/rscbjbr9sj"
)
_MENDELEY_V2 = "13efc055629733dbab07877f8b3c9f81097840dbcdaa326a8542322c2281ce36"


def receive(path: Path, sha256: str | None) -> tuple[Iterator[Film], Source]:
    """The films of a zip, in the order of their paths, and what is known of the zip.

    The whole list of members is checked before this returns, so before anything is written.
    Raises InputError where the file is missing, is no zip, is not the one that is pinned, or
    holds a member that is refused.
    """
    if not path.is_file():
        raise InputError(
            f"fetch.path: expected a zip archive, found no file at {path}; "
            "give its path, absolute or relative to the repository's root"
        )
    received = sha256_file(path)
    if sha256 not in (None, received):
        raise InputError(
            f"{path}: expected the archive pinned by fetch.sha256 ({sha256}), received "
            f"{received}; get the right file, or change the pin if this one is meant"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive, path)
    except zipfile.BadZipFile as error:
        raise InputError(f"{path}: expected a zip archive, received another file ({error})") from (
            None
        )
    return _films(path, members), _source(path, received, pinned=sha256 is not None)


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """The films' canonical paths and their members, sorted; everything odd is refused."""
    films: dict[str, zipfile.ZipInfo] = {}
    problems = []
    for member in archive.infolist():
        if reason := _unsafe(member):
            problems.append(f"{member.filename!r}: {reason}")
        elif not _is_film(member):
            continue
        else:
            try:
                film = _canonical(member.filename)
                names.parse(film)
            except InputError as error:
                problems.append(str(error))
                continue
            twin = films.setdefault(film, member)
            if (twin.CRC, twin.file_size) != (member.CRC, member.file_size):
                problems.append(f"{film}: two different films of one name in the archive")
    if problems:
        shown = "\n  ".join(problems[:20])
        more = f"\n  ... and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise InputError(f"{path}: nothing was taken from it, because of\n  {shown}{more}")
    if not films:
        raise InputError(
            f"{path}: expected films in {{train,val,test}}/{{NORMAL,PNEUMONIA}}/, found none"
        )
    return dict(sorted(films.items()))


def _unsafe(member: zipfile.ZipInfo) -> str | None:
    """Why a member must not be touched; None if it may."""
    parts = PurePosixPath(member.filename.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in member.filename:
        return "its path climbs out of the archive"
    if member.flag_bits & 0x1:
        return "it is encrypted"
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "it is a link or a device, not a file"
    if member.file_size > MAX_MEMBER_BYTES:
        return f"it unpacks to {member.file_size:,} bytes (at most {MAX_MEMBER_BYTES:,})"
    return None


def _is_film(member: zipfile.ZipInfo) -> bool:
    """False for folders, for what operating systems leave behind, and for notes beside films."""
    path = PurePosixPath(member.filename)
    litter = path.name.startswith(".") or "__MACOSX" in path.parts or path.name == "Thumbs.db"
    if member.is_dir() or litter:
        return False
    in_class = len(path.parts) > 1 and path.parts[-2] in names.LABELS
    return in_class or path.suffix.lower() in _IMAGES


def _canonical(filename: str) -> str:
    """`<split>/<class>/<name>`, however deep; so one data set has one index in each packing.

    Kaggle's zip holds every film twice, at two depths, and 16 training films under `val/`.
    """
    split, folder, name = ("", "", *PurePosixPath(filename).parts)[-3:]
    if split not in names.SPLITS or folder not in names.LABELS:
        raise InputError(
            f"{filename!r}: expected an image in {{train,val,test}}/{{NORMAL,PNEUMONIA}}/, "
            "received one elsewhere"
        )
    return f"{names.SPLITS[split]}/{folder}/{name}"


def _films(path: Path, members: dict[str, zipfile.ZipInfo]) -> Iterator[Film]:
    with zipfile.ZipFile(path) as archive:
        for film, member in members.items():
            try:
                data = archive.read(member)
            except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError) as error:
                raise InputError(
                    f"{path}: {member.filename!r} can't be unpacked ({error}); "
                    "the archive is damaged, get it again"
                ) from None
            yield Film.named(film, data)


def _source(path: Path, sha256: str, *, pinned: bool) -> Source:
    if sha256 == _MENDELEY_V2:
        return Source(path.name, "Mendeley Data V2", "CC BY 4.0", _CITATION, sha256, pinned, False)
    return Source(
        name=path.name,
        version="",
        licence="not stated by the archive; its file names are those of a data set under CC BY 4.0",
        citation=f"by its file names: {_CITATION}",
        sha256=sha256,
        pinned=pinned,
        synthetic=False,
    )
