"""Broken, hostile and unusual archives, and how each is handled.

A kind of archive is a function that makes one in an empty folder. Importing it and cutting the
splits gives the outcome. `python -m tests.sources.archives.broken` prints docs/data.md's table.
"""

import io
import os
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stages.engine.errors import InputError
from stages.images import splits
from stages.sources.archives import archive
from stages.sources.index import open_raw
from stages.sources.received import NamedSource
from stages.sources.writer import write_raw
from tests.sample_images import encoded, options, paths, picture, zipped

IMAGE = encoded(picture("image"))
A, B = "train/NORMAL/IM-0001-0001.jpeg", "train/PNEUMONIA/person1_virus_2.jpeg"
VALID = {name: encoded(picture(name)) for name in paths()}
"""Valid images, enough for every split."""
COLUMNS = "path,label,patient"


@dataclass(frozen=True)
class Given:
    """An archive, and a table of its images if it needs one."""

    path: Path
    table: Path | None = None


Make = Callable[[Path], Given]


def zip_of(members: Mapping[str, bytes]) -> Make:
    return lambda folder: Given(zipped(folder / "images.zip", members))


def zip_with(member: str, data: bytes = IMAGE, attributes: int = 0) -> Make:
    """Valid images and one more member."""

    def make(folder: Path) -> Given:
        path = zipped(folder / "images.zip", VALID)
        entry = zipfile.ZipInfo(member)
        entry.external_attr = attributes << 16
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as opened:
            opened.writestr(entry, data, zipfile.ZIP_DEFLATED)
        return Given(path)

    return make


def zip_patched(offset: int, value: bytes) -> Make:
    """One image, with other bytes at `offset` of its entry in the zip's directory."""

    def make(folder: Path) -> Given:
        path = zipped(folder / "images.zip", {A: IMAGE})
        data = bytearray(path.read_bytes())
        at = data.index(b"PK\x01\x02") + offset
        data[at : at + len(value)] = value
        path.write_bytes(data)
        return Given(path)

    return make


def overlapping_zip(folder: Path) -> Given:
    """Two entries of the zip's directory that share the bytes of one member."""
    path = zipped(folder / "images.zip", {A: IMAGE})
    data = path.read_bytes()
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    entry, tail = data[start:end], bytearray(data[end:])
    tail[8:12] = (2).to_bytes(2, "little") * 2
    tail[12:16] = (2 * len(entry)).to_bytes(4, "little")
    path.write_bytes(data[:start] + entry + entry.replace(b"0001.", b"0002.") + tail)
    return Given(path)


def file_of(data: bytes, name: str = "images.zip") -> Make:
    def make(folder: Path) -> Given:
        (folder / name).write_bytes(data)
        return Given(folder / name)

    return make


def damaged(make: Make, cut: slice, filling: bytes = b"") -> Make:
    """The archive that `make` makes, with some of its bytes replaced."""

    def damage(folder: Path) -> Given:
        given = make(folder)
        data = bytearray(given.path.read_bytes())
        data[cut] = filling
        given.path.write_bytes(data)
        return given

    return damage


def tar_of(members: Mapping[str, bytes], *more: tarfile.TarInfo, mode: str = "w") -> Make:
    def make(folder: Path) -> Given:
        path = folder / f"images.tar{'.gz' if mode == 'w:gz' else ''}"
        with tarfile.open(path, mode) as opened:  # type: ignore[call-overload]
            for name, data in members.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                opened.addfile(entry, io.BytesIO(data))
            for entry in more:
                opened.addfile(entry, io.BytesIO(bytes(entry.size)))
        return Given(path)

    return make


def tar_entry(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.size = kind, "/etc/hostname" * (kind != b"0"), size
    return entry


def huge_header(folder: Path) -> Given:
    """An extended header that claims 8 GB, which tarfile would read at once."""
    header = bytearray(tarfile.TarInfo("x").tobuf(tarfile.PAX_FORMAT))
    header[156:157] = tarfile.XHDTYPE
    header[124:136] = b"%011o\0" % (8**11 - 1)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    (folder / "images.tar").write_bytes(header + bytes(10240))
    return Given(folder / "images.tar")


def folder_of(members: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> Make:
    def make(folder: Path) -> Given:
        top = folder / "images"
        top.mkdir()
        for name, data in members.items():
            path = top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        for name, target in (links or {}).items():
            (top / name).symlink_to(target)
        return Given(top)

    return make


def table_of(*rows: str, columns: str = COLUMNS, encoding: str = "utf-8", images: int = 2) -> Make:
    """A folder of images `image 1.png`, `image 2.png`, ... and a table."""

    def make(folder: Path) -> Given:
        top = folder / "images"
        top.mkdir()
        for number in range(1, images + 1):
            name = f"image {number}.png"
            (top / name).write_bytes(encoded(picture(name), "PNG"))
        table = folder / "labels.csv"
        table.write_bytes("\n".join([columns, *rows, ""]).encode(encoding))
        return Given(top, table)

    return make


def rows(count: int, patient: str = "child-{n}", label: str = "{odd}") -> list[str]:
    """Rows of `image 1.png`, `image 2.png`, ...; every other one is pneumonia by default."""
    return [
        f"image {n}.png,{label.format(odd=n % 2)},{patient.format(n=n, pair=(n + 1) // 2)}"
        for n in range(1, count + 1)
    ]


def odd_names(folder: Path) -> Given:
    """Names that systems write differently: spaces, commas, accents in two forms, other scripts."""
    top = folder / "images"
    top.mkdir()
    lines = [COLUMNS]
    for number in range(24):
        stem = ("radiographie é {}", "cliché e\u0301 {}", "胸部 {}", "a, b {}")[number % 4]
        name = f"{stem.format(number)}.png"
        (top / name).write_bytes(encoded(picture(name), "PNG"))
        in_table = name.replace("e\u0301", "é")
        lines.append(f'"./{in_table}",{number // 4 % 2},"child {number}"')
    (folder / "labels.csv").write_text("\n".join(lines), encoding="utf-8-sig")
    return Given(top, folder / "labels.csv")


def kaggle(folder: Path) -> Given:
    """Each image twice, at two depths, one in `val`, and the junk files of a Mac."""
    images = dict(VALID)
    first = next(iter(images))
    images[first.replace("train/", "val/")] = images.pop(first)
    members: dict[str, bytes] = {}
    for top in ("chest_xray", "chest_xray/chest_xray"):
        members |= {f"{top}/{name}": data for name, data in images.items()}
    junk = {"chest_xray/.DS_Store": b"x", f"__MACOSX/chest_xray/._{A}": b"x"}
    return Given(zipped(folder / "images.zip", members | junk))


def version_3(folder: Path) -> Given:
    """Mendeley's version 3: other names, and scans of the eye beside the images."""
    members: dict[str, bytes] = {}
    for number in range(1, 9):
        members |= {
            f"CellData/chest_xray/train/NORMAL/NORMAL-{number}-0001.jpeg": IMAGE,
            f"CellData/chest_xray/train/PNEUMONIA/BACTERIA-{100 + number}-0001.jpeg": IMAGE,
            f"CellData/OCT/train/NORMAL/NORMAL-{number}-1.jpeg": IMAGE,
            f"CellData/OCT/train/CNV/CNV-{number}-1.jpeg": IMAGE,
        }
    return Given(zipped(folder / "images.zip", members))


def windows_zip(folder: Path) -> Given:
    return zip_of({name.replace("/", "\\"): data for name, data in VALID.items()})(folder)


def end_of_members(count: int) -> int:
    """Offset of the end of the first members in a tar of the valid images."""
    sizes = [len(data) for data in VALID.values()][:count]
    return sum(512 + -(-size // 512) * 512 for size in sizes)


TWO = end_of_members(2)
LINK = stat.S_IFLNK | 0o777
KINDS: dict[str, Make] = {
    "zip: a path out of the archive": zip_with(f"../{A}"),
    "zip: an absolute path": zip_with(f"/{A}"),
    "zip: a path with a drive": zip_with("C:/images/IM-0001-0001.jpeg"),
    "zip: a path out of the archive, with backslashes": zip_with("..\\..\\IM-0001-0001.jpeg"),
    "zip: control characters in a name": zip_with("train/NORMAL/IM-0001-\x1b[2J.jpeg"),
    "zip: a C1 control in a name": zip_with("train/NORMAL/IM-0001-\x9b2J.jpeg"),
    "zip: a line separator in a name": zip_with("train/NORMAL/IM-0001-\u2028.jpeg"),
    "zip: a symbolic link": zip_with("train/NORMAL/IM-9.jpeg", b"/etc/hostname", LINK),
    "zip: an encrypted member": zip_patched(8, b"\x01"),
    "zip: an unsupported compression method": zip_patched(10, b"\x09"),
    "zip: a decompression bomb": zip_with("train/NORMAL/IM-9-9.jpeg", bytes(2 * 2**20)),
    "zip: overlapping members": overlapping_zip,
    "zip: a damaged member": damaged(zip_of(VALID), slice(300, 320), bytes(20)),
    "zip: truncated": damaged(zip_of(VALID), slice(-100, None)),
    "zip: empty": zip_of({}),
    "zip: two different images of one name": zip_of({**VALID, f"again/{A}": IMAGE[:-9]}),
    "zip: one image in two folders": zip_of({**VALID, f"again/{A}": VALID[A]}),
    "zip: a name of no known scheme": zip_with("train/NORMAL/scan (1).jpeg"),
    "zip: digits of another script": zip_with("train/NORMAL/IM-１-1.jpeg"),
    "zip: another file among the images": zip_with("train/NORMAL/notes.txt"),
    "zip: an image in another folder": zip_with("validation/NORMAL/IM-0001-0001.jpeg"),
    "zip: a name that contradicts its folder": zip_with("train/NORMAL/person9_virus_9.jpeg"),
    "zip: one class only": zip_of({name: VALID[name] for name in VALID if "NORMAL" in name}),
    "zip: one patient of each class": zip_of({A: IMAGE, B: IMAGE}),
    "zip: a patient in train and test": zip_of(
        {**VALID, "test/PNEUMONIA/person1_bacteria_99.jpeg": IMAGE, f"test/{A[6:]}": IMAGE}
    ),
    "zip: Kaggle's, each image twice, junk files": kaggle,
    "zip: version 3, with scans of the eye": version_3,
    "zip: backslashes of old Windows tools": windows_zip,
    "a web page instead of a zip": file_of(b"<!DOCTYPE html><title>Log in</title>"),
    "a RAR archive": file_of(b"Rar!\x1a\x07\x00", "images.rar"),
    "an empty file": file_of(b""),
    "a file of unknown format": file_of(bytes(range(256)) * 3),
    "nothing at that path": lambda folder: Given(folder / "images.zip"),
    "tar: valid": tar_of(VALID),
    "tar.gz: valid": tar_of(VALID, mode="w:gz"),
    "tar: a path out of the archive": tar_of(VALID, tar_entry(f"../{A}")),
    "tar: a symbolic link": tar_of(VALID, tar_entry("train/NORMAL/x.jpeg", tarfile.SYMTYPE)),
    "tar: a hard link": tar_of(VALID, tar_entry("train/NORMAL/x.jpeg", tarfile.LNKTYPE)),
    "tar: a device": tar_of(VALID, tar_entry("train/NORMAL/x.jpeg", tarfile.CHRTYPE)),
    "tar: a header of 8 GB": huge_header,
    "tar: truncated": damaged(tar_of(VALID), slice(30_000, None)),
    "tar: truncated between two members": damaged(tar_of(VALID), slice(TWO, None)),
    "tar: a damaged header": damaged(tar_of(VALID), slice(TWO, TWO + 8), b"\xff" * 8),
    "tar.gz: truncated": damaged(tar_of(VALID, mode="w:gz"), slice(-100, None)),
    "tar.gz: a decompression bomb": tar_of(
        VALID, tar_entry("train/NORMAL/IM-9-9.jpeg", size=40 * 2**20), mode="w:gz"
    ),
    "folder: valid": folder_of(VALID),
    "folder: a link": folder_of(VALID, {"IM-9.jpeg": "/etc/hostname"}),
    "folder: a link to a folder": folder_of(VALID, {"train/NORMAL/more": "/etc"}),
    "folder: a name that is not UTF-8": folder_of({**VALID, "train/NORMAL/\udcff.jpeg": IMAGE}),
    "folder: empty": folder_of({}),
    "table: accents, spaces, commas, other scripts": odd_names,
    "table: patients with both labels": table_of(*rows(24, patient="child-{pair}"), images=24),
    "table: all images of one patient": table_of(*rows(24, patient="child"), images=24),
    "table: an image without a row": table_of(*rows(1)),
    "table: a row without an image": table_of(*rows(3)),
    "table: two rows of one path": table_of(*rows(2), *rows(1)),
    "table: a missing label": table_of(*rows(2, label="")),
    "table: an unknown label": table_of(*rows(2, label="covid")),
    "table: a missing patient": table_of(*rows(2, patient="")),
    "table: a patient of invisible characters": table_of(*rows(2, patient="\u200b\u00a0")),
    "table: patients that differ only in case": table_of(
        "image 1.png,0,Child-A", "image 2.png,1,child-a"
    ),
    "table: columns with spaces and capital letters": table_of(
        *rows(24), columns="Path, LABEL ,patient", images=24
    ),
    "table: tabs": table_of(columns=COLUMNS.replace(",", "\t")),
    "table: UTF-16": table_of(*rows(2), encoding="utf-16"),
    "table: a split for some images only": table_of(
        "image 1.png,0,a,train", "image 2.png,1,b,", columns=f"{COLUMNS},split"
    ),
    "table: an unknown split": table_of("image 1.png,0,a,dev", columns=f"{COLUMNS},split"),
    "table: a kind that contradicts its label": table_of(
        "image 1.png,0,a,viral", columns=f"{COLUMNS},kind"
    ),
    "table: a missing column": table_of("image 1.png,0", columns="path,label"),
    "table: an unknown column": table_of(columns=f"{COLUMNS},splits"),
    "table: semicolons": table_of(columns=COLUMNS.replace(",", ";")),
    "table: a row with too many fields": table_of("image 1.png,0,a,b"),
    "table: not UTF-8": table_of("café.png,0,a", encoding="latin-1"),
}


def outcome(given: Given, raw: Path) -> str:
    """The outcome of fetch, writing to the folder `raw`, and of cutting the splits, in one line."""
    try:
        images, source = archive.receive(given.path, None, table=given.table, scratch=raw)
        count = write_raw(raw, images, [NamedSource("archive", "train", source)])
    except InputError as error:
        return f"refused: {_short(error, given)}"
    try:
        rows = [image.row for image in open_raw(raw)[0]]
        splits.require_usable(rows, splits.assign_roles(rows, options(seed=7)))
    except InputError as error:
        return f"{count} images; preprocess: {_short(error, given)}"
    return f"accepted, {count} images"


def _short(error: InputError, given: Given) -> str:
    """The line with the reason, without the temporary folder's name."""
    message = str(error).replace(f"{given.path.parent}{os.sep}", "")
    _, _, problems = message.partition("because of\n")
    return (problems or message).splitlines()[0].strip()


def rows_of_page() -> Iterator[str]:
    """The rows of the table in docs/data.md."""
    for kind, make in KINDS.items():
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as raw:
            yield row_of_page(kind, outcome(make(Path(folder)), Path(raw)))


def row_of_page(kind: str, result: str) -> str:
    return f"| {kind} | {result.replace('|', '/')} |"


if __name__ == "__main__":
    print("| Input | Outcome |", "|---|---|", *rows_of_page(), sep="\n")
