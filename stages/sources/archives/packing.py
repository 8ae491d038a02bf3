"""Opens an archive by what it is, not by what it is called."""

from pathlib import Path

from stages.engine.errors import InputError
from stages.sources.archives.folder_archive import FolderPacking
from stages.sources.archives.members import Packing
from stages.sources.archives.tar_archive import TarPacking
from stages.sources.archives.zip_archive import ZipPacking

_START = 512
_OTHERS = {
    b"Rar!": "a RAR archive; unpack it and give the folder",
    b"7z\xbc\xaf": "a 7z archive; unpack it and give the folder",
    b"BZh": "a bzip2 file; unpack it, or give the folder",
    b"\xfd7zXZ": "an xz file; unpack it, or give the folder",
    b"\x28\xb5\x2f\xfd": "a zstd file; unpack it, or give the folder",
    b"<": "a web page: perhaps what a login or an error gave in place of the file; get it again",
    b"": "an empty file",
}


def open_packing(path: Path) -> Packing:
    """The zip, tar, tar.gz or folder at `path`. Raises InputError where it is none of these."""
    if path.is_dir():
        return FolderPacking(path)
    if not path.is_file():
        raise InputError(
            f"fetch.path: expected a zip, tar or tar.gz archive, or a folder, found none at "
            f"{path}; give its path, absolute or relative to the repository's root"
        )
    try:
        with path.open("rb") as handle:
            start = handle.read(_START)
    except OSError as error:
        raise InputError(f"{path}: expected a file that can be read: {error}") from None
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return ZipPacking(path)
    if start.startswith(b"\x1f\x8b"):
        return TarPacking(path, packed=True)
    if start[257:262] == b"ustar":
        return TarPacking(path, packed=False)
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    found = next(
        (
            what
            for magic, what in _OTHERS.items()
            if (text.startswith(magic) if magic else not text)
        ),
        "another file",
    )
    raise InputError(
        f"{path}: expected a zip, tar or tar.gz archive, or a folder, received {found}"
    )
