"""The real images: version 2 of Kermany et al.'s data set, downloaded once per user."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from stages.engine.addresses import without_secrets
from stages.engine.console import print_note
from stages.engine.errors import InputError
from stages.engine.files import sha256_file
from stages.sources import cache
from stages.sources.archives import archive
from stages.sources.download import PATIENCE, Patience, download
from stages.sources.options import MENDELEY_V2
from stages.sources.received import ReceivedImage, Source

ZIP = "ChestXRay2017.zip"
URL = (
    "https://data.mendeley.com/public-files/datasets/rscbjbr9sj/files/"
    "f12eaf6d-6023-432f-acc9-80c9d7393433/file_downloaded"
)
BYTES = 1_235_512_464

_BY_HAND = """\
Nothing was kept, and data/raw is unchanged. Try again later with `dvc repro`; or set fetch.url
to another address of the same file; or download it by hand, as ChestXRay2017.zip from
  https://data.mendeley.com/datasets/rscbjbr9sj/2
or as Kaggle's copy (zip or folder) from
  https://www.kaggle.com/datasets/paultimothymooney/chest-xray-pneumonia
and then run
  pneumonia data pin PATH/TO/IT
  dvc repro"""


def receive(
    url: str | None, sha256: str | None, *, scratch: Path
) -> tuple[Iterator[ReceivedImage], Source]:
    """Return the images of the data set, in the order of their paths, and where they come from.

    Args:
        url: Where to download the archive; None: from Mendeley Data.
        sha256: Of the archive at `url`; None: that of version 2.
        scratch: Folder for temporary files, on the disk where images will be written.

    Raises:
        InputError: The download failed, or the archive is refused.
    """
    sha256 = sha256 or MENDELEY_V2
    size = BYTES if sha256 == MENDELEY_V2 else None
    scanned = archive.scan(cached_download(url or URL, sha256, size))
    file = Path(urlsplit(url).path).name if url else ZIP
    return scanned.received(scratch), scanned.source(pinned=True, file=file)


def cached_download(url: str, sha256: str, size: int | None, patience: Patience = PATIENCE) -> Path:
    """Return a file in the user's cache; download it if it isn't there.

    Args:
        url: Where to download it.
        sha256: Hexadecimal checksum, under which it is kept.
        size: In bytes, if known.
        patience: When to give up.

    Raises:
        InputError: The download failed; the message also says how to do it by hand.
    """
    with cache.locked_path(f"{sha256}.zip") as path:
        if path.is_file() and sha256_file(path) != sha256:
            print_note(f"{path}: changed since its download; downloading it again")
            path.unlink()
        if not path.is_file():
            print_note(f"downloading {without_secrets(url)} to {path}")
            try:
                download(url, path, sha256=sha256, size=size, patience=patience)
            except InputError as error:
                raise InputError(f"{error}\n{_BY_HAND}") from None
        return path
