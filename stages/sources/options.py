"""Params of fetch."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, PlainValidator, model_validator

from stages.engine.options import FieldError, Options
from stages.sources.phantom.options import PhantomOptions

MENDELEY_V2 = "13efc055629733dbab07877f8b3c9f81097840dbcdaa326a8542322c2281ce36"
"""SHA-256 of ChestXRay2017.zip, version 2 of Mendeley's data set rscbjbr9sj."""

_SECRET = re.compile(
    r"//[^/?#\s]*@|[?&#][^=&#]*(token|secret|sig|key|credential|passw|auth)[^=&#]*=", re.IGNORECASE
)
"""A user, password or key inside an address."""

SourceName = Literal["phantom", "kermany", "archive"]

Sha256 = Annotated[
    str, Field(pattern="^[0-9a-f]{64}$", json_schema_extra={"allowed": "64 digits of 0-9a-f"})
]


def _false_or_path(value: object) -> object:
    if not isinstance(value, (bool, str)):
        raise ValueError("expected false, or the path of a key")
    return value


# One validator, because pydantic reports a union's two types as two errors.
HashNames = Annotated[
    bool | str,
    PlainValidator(_false_or_path, json_schema_input_type=bool | str),
    Field(json_schema_extra={"allowed": "false, or the path of a key (`pneumonia data key PATH`)"}),
]


class FetchOptions(Options):
    """Section `fetch`: where the radiographs come from."""

    source: SourceName
    """`phantom`: synthetic images, made here. `kermany`: the real ones, downloaded once per
    machine. `archive`: a zip, tar, tar.gz or folder on disk."""

    path: str | None
    """The archive, absolute or relative to the repository's root. Read by `archive` alone."""

    labels: str | None
    """A CSV with the labels of the archive's images, where their names don't give them
    (`sources.labels`), or null. Absolute or relative to the repository's root."""

    url: str | None
    """Another address to download kermany's zip from, or null."""

    sha256: Sha256 | None
    """Checksum of the archive, or of the file at `url` where that isn't the original. Null: a
    change of the archive goes unnoticed, and what is made from it is marked as not pinned."""

    hash_names: HashNames
    """False, or the path of a key with which the names of images and patients are replaced by
    hashes before anything is written. Absolute or relative to the repository's root. `true` is
    what earlier versions had; it can be read, so that old records can, and is refused where names
    would be hashed (`hash_key.path_of`)."""

    phantom: PhantomOptions
    """The generator of synthetic images."""

    @model_validator(mode="after")
    def _check_paths(self) -> Self:
        if self.source == "archive" and not self.path:
            raise FieldError(
                "path",
                "expected the path of an archive or folder (fetch.source is 'archive'), received "
                f"{self.path!r}",
            )
        if self.labels == "":
            raise FieldError("labels", "expected the path of a CSV, or null, received ''")
        return self

    @model_validator(mode="after")
    def _check_url(self) -> Self:
        if self.url is not None and _SECRET.search(self.url):
            raise FieldError(
                "url",
                "expected an address without user, password or key, since params are recorded, "
                "received one with them (not repeated here); download the file by hand and run "
                "`pneumonia data pin PATH`",
            )
        if self.url is not None and not re.match(r"https?://[^/\s]+/\S+\Z", self.url):
            raise FieldError(
                "url", f"expected an address https://HOST/FILE, or null, received {self.url!r}"
            )
        return self

    @model_validator(mode="after")
    def _check_checksum(self) -> Self:
        known = self.source == "kermany" and self.url is None
        if known and self.sha256 not in (None, MENDELEY_V2):
            raise FieldError(
                "sha256",
                "expected null (fetch.source is 'kermany', whose checksum is known), received "
                f"{self.sha256!r}",
            )
        return self

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        if self.hash_names == "":
            raise FieldError("hash_names", "expected false, or the path of a key, received ''")
        if self.source == "phantom" and self.hash_names:
            raise FieldError(
                "hash_names",
                "expected false (fetch.source is 'phantom', whose patients don't exist), received "
                f"{self.hash_names!r}",
            )
        return self
