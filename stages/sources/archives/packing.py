"""Open an archive by its content, whatever its name."""

from pathlib import Path

from stages.engine.errors import InputError
from stages.sources.archives.folder_archive import FolderPacking
from stages.sources.archives.members import Packing
from stages.sources.archives.tar_archive import TarPacking
from stages.sources.archives.zip_archive import ZipPacking

_HEAD_BYTES = 512
_EXPECTED = "expected a zip, tar or tar.gz archive or a folder"
# First bytes of other formats.
_OTHER_FORMATS = {
    b"Rar!": "a RAR archive; unpack it and give the folder",
    b"7z\xbc\xaf": "a 7z archive; unpack it and give the folder",
    b"BZh": "a bzip2 file; unpack it, or give the folder",
    b"\xfd7zXZ": "an xz file; unpack it, or give the folder",
    b"\x28\xb5\x2f\xfd": "a zstd file; unpack it, or give the folder",
    b"<": "a web page, perhaps a login or an error page; download the archive again",
}


def open_packing(path: Path) -> Packing:
    """Return the zip, tar, tar.gz or folder at `path`.

    Raises:
        InputError: There is nothing, or something else.
    """
    if path.is_dir():
        return FolderPacking(path)
    if not path.is_file():
        raise InputError(
            f"fetch.path: {_EXPECTED}, found nothing at {path}; give its path, absolute or "
            "relative to the repository's root"
        )
    try:
        with path.open("rb") as handle:
            head = handle.read(_HEAD_BYTES)
    except OSError as error:
        raise InputError(f"{path}: the file can't be read: {error}") from None
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return ZipPacking(path)
    if head.startswith(b"\x1f\x8b"):
        return TarPacking(path, compressed=True)
    if head[257:262] == b"ustar":
        return TarPacking(path, compressed=False)
    raise InputError(f"{path}: {_EXPECTED}, received {_describe(head)}")


def _describe(head: bytes) -> str:
    """Return what a file with these first bytes is."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not text:
        return "an empty file"
    for magic, description in _OTHER_FORMATS.items():
        if text.startswith(magic):
            return description
    return "a file of unknown format"
