"""Params of fetch."""

import re
from dataclasses import dataclass

from stages.engine import check
from stages.engine.errors import InputError
from stages.sources.phantom.options import PhantomOptions

MENDELEY_V2 = "13efc055629733dbab07877f8b3c9f81097840dbcdaa326a8542322c2281ce36"
"""SHA-256 of ChestXRay2017.zip, version 2 of Mendeley's data set rscbjbr9sj."""

_SECRET = re.compile(
    r"//[^/?#\s]*@|[?&#][^=&#]*(token|secret|sig|key|credential|passw|auth)[^=&#]*=", re.IGNORECASE
)
"""What an address holds that is nobody else's business."""

SOURCES = ("phantom", "kermany", "archive")


@dataclass(frozen=True)
class FetchOptions:
    """Where radiographs come from.

    `source`: "phantom" (synthetic, made here), "kermany" (downloaded once per machine) or "archive"
    (a zip, tar, tar.gz or folder on disk). `path`: the archive; `labels`: a table of its images
    where their names don't tell (sources.labels), or null. Both absolute or relative to the
    repository's root, and read by `archive` alone. `url`: another place to download from, or null.
    `sha256`: 64 hexadecimal digits, or null: of the archive (without it, a changed archive goes
    unnoticed, and what is made from it is marked as not pinned), or of the file at `url`, where
    that is not the real one. `hash_names`: names of images and patients are replaced by hashes
    before anything is written. `phantom`: the generator.
    """

    source: str
    path: str | None
    labels: str | None
    url: str | None
    sha256: str | None
    hash_names: bool
    phantom: PhantomOptions

    def __post_init__(self) -> None:
        check.one_of("fetch.source", self.source, SOURCES)
        if self.source == "archive" and not self.path:
            raise check.refuse(
                "fetch.path",
                "the path of an archive or folder (fetch.source is 'archive')",
                self.path,
            )
        if self.labels == "":
            raise check.refuse("fetch.labels", "the path of a CSV, or null", self.labels)
        if self.url is not None and _SECRET.search(self.url):
            raise InputError(
                "params.yaml: fetch.url: expected an address without user, password or key, since "
                "params are recorded, received one with them (not shown); get the file by hand and "
                "run `pneumonia pin PATH`"
            )
        if self.url is not None and not re.match(r"https?://[^/\s]+/\S+\Z", self.url):
            raise check.refuse("fetch.url", "an address https://HOST/FILE, or null", self.url)
        if self.source == "phantom" and self.hash_names:
            raise check.refuse("fetch.hash_names", "false (phantoms are nobody)", True)
        if self.sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise check.refuse("fetch.sha256", "64 digits of 0-9a-f, or null", self.sha256)
        if self.source == "kermany" and self.url is None and self.sha256 not in (None, MENDELEY_V2):
            raise check.refuse(
                "fetch.sha256", "null (fetch.source is 'kermany', whose checksum is known)",
                self.sha256,
            )  # fmt: skip
