"""Params of fetch."""

import re
from dataclasses import dataclass

from stages.engine import check
from stages.sources.phantom.options import PhantomOptions

SOURCES = ("phantom", "archive")


@dataclass(frozen=True)
class FetchOptions:
    """Where radiographs come from.

    `source`: "phantom" (synthetic, made here) or "archive" (a zip on disk). `path`: the
    archive, absolute or relative to the repository's root; read by `archive` alone. `sha256`:
    the archive's checksum, 64 hexadecimal digits, or null; without it a changed archive goes
    unnoticed, and what is made from it is marked as not pinned. `hash_names`: names of films and
    patients are replaced by hashes before anything is written. `phantom`: the generator.
    """

    source: str
    path: str | None
    sha256: str | None
    hash_names: bool
    phantom: PhantomOptions

    def __post_init__(self) -> None:
        check.one_of("fetch.source", self.source, SOURCES)
        if self.source == "archive" and not self.path:
            raise check.refuse(
                "fetch.path", "the path of a zip (fetch.source is 'archive')", self.path
            )
        if self.source == "phantom" and self.hash_names:
            raise check.refuse("fetch.hash_names", "false (phantoms are nobody)", True)
        if self.sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise check.refuse("fetch.sha256", "64 digits of 0-9a-f, or null", self.sha256)
