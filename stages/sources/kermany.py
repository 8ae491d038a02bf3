"""The real images: version 2 of Kermany et al.'s data set, downloaded once per user."""

import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from stages.engine.addresses import without_secrets
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
Nothing of it was kept, and data/raw is as it was. Try again later with `dvc repro`; or set
fetch.url to another place that has the same file; or get it by hand, as ChestXRay2017.zip from
  https://data.mendeley.com/datasets/rscbjbr9sj/2
or as Kaggle's copy (zip or folder) from
  https://www.kaggle.com/datasets/paultimothymooney/chest-xray-pneumonia
and then
  pneumonia pin PATH/TO/IT
  dvc repro"""


def receive(
    url: str | None, sha256: str | None, *, scratch: Path
) -> tuple[Iterator[ReceivedImage], Source]:
    """The images of the real data set, in the order of their paths, and what is known of it.

    url: where to download it from, if not from Mendeley. sha256: of the zip there, if it is
    another than version 2. Raises InputError where the download or the archive fails.
    """
    expected = sha256 or MENDELEY_V2
    real = expected == MENDELEY_V2
    zipped = kept(url or URL, expected, BYTES if real else None)
    looked = archive.look(zipped)
    file = Path(urlsplit(url).path).name if url else ZIP
    return looked.received(scratch), looked.source(pinned=True, file=file)


def kept(url: str, sha256: str, size: int | None, patience: Patience = PATIENCE) -> Path:
    """The file with this checksum in the user's cache, downloaded if it is not there whole.

    Raises InputError that says what to do by hand.
    """
    with cache.place(f"{sha256}.zip") as path:
        if path.is_file() and sha256_file(path) != sha256:
            print(f"{path}: its bytes have changed; it is downloaded again", file=sys.stderr)
            path.unlink()
        if not path.is_file():
            print(f"downloading {without_secrets(url)} to {path}", file=sys.stderr)
            try:
                download(url, path, sha256=sha256, size=size, patience=patience)
            except InputError as error:
                raise InputError(f"{error}\n{_BY_HAND}") from None
        return path
