"""Params of fetch."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    Field,
    PlainValidator,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

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


Use = Literal["train", "judge"]
"""`train`: the images are split into training, validation and test. `judge`: no choice is made by
them; each model is only judged on them, apart from all others."""

Name = Annotated[
    str,
    Field(
        pattern="^[a-z0-9][a-z0-9-]{0,39}$",
        json_schema_extra={"allowed": "1 to 40 of a-z, 0-9 and '-', a letter or digit first"},
    ),
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


class SourceOptions(Options):
    """One entry of `fetch.sources`. What its kind doesn't read is left out."""

    name: Name
    """Stands before the path of each image and the id of each patient: `<name>/<id>`."""

    kind: SourceName
    """As `FetchOptions.source`."""

    use: Use = "train"
    """What its images are for."""

    path: str | None = None
    """As `FetchOptions.path`."""

    labels: str | None = None
    """As `FetchOptions.labels`."""

    url: str | None = None
    """As `FetchOptions.url`."""

    sha256: Sha256 | None = None
    """As `FetchOptions.sha256`."""

    hash_names: HashNames = False
    """As `FetchOptions.hash_names`."""

    phantom: PhantomOptions | None = None
    """As `FetchOptions.phantom`; given for phantoms, and for nothing else."""

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        _check(self.kind, "kind", self.path, self.labels, self.url, self.sha256, self.hash_names)
        for key in ("path", "labels", "url", "sha256", "phantom"):
            if getattr(self, key) is not None and key not in _READ[self.kind]:
                raise FieldError(
                    key,
                    f"expected no value (kind is {self.kind!r}, which reads "
                    f"{', '.join(_READ[self.kind])}), received one; remove it",
                )
        if self.kind == "phantom" and self.phantom is None:
            raise FieldError(
                "phantom",
                "the key is missing; add a mapping with the keys "
                f"{', '.join(PhantomOptions.model_fields)}",
            )
        return self


_READ = {
    "phantom": ("phantom",),
    "kermany": ("url", "sha256"),
    "archive": ("path", "labels", "sha256"),
}
"""Keys that each kind of source reads, of those that not every kind does."""


class FetchOptions(Options):
    """Section `fetch` of one source: where the radiographs come from."""

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
    def _check_source(self) -> Self:
        _check(
            self.source,
            "fetch.source",
            self.path,
            self.labels,
            self.url,
            self.sha256,
            self.hash_names,
        )
        return self

    @property
    def listed(self) -> tuple[SourceOptions, ...]:
        """The source as a list of one, named after its kind, without what the kind doesn't read."""
        read = {key: getattr(self, key) for key in _READ[self.source]}
        return (
            SourceOptions(name=self.source, kind=self.source, hash_names=self.hash_names, **read),
        )

    @property
    def same_patients(self) -> None:
        """None: a table of one person's ids is for several sources."""


class SeveralSources(Options):
    """Section `fetch` of several sources."""

    sources: Annotated[tuple[SourceOptions, ...], Field(min_length=1, strict=False)]
    """Where the radiographs come from. The registered model keeps the name of the first one that
    is trained on, so add others below it."""

    same_patients: str | None = None
    """A CSV with the columns patient,same_as: ids `<source>/<id>` that are one person. Absolute or
    relative to the repository's root."""

    @model_validator(mode="before")
    @classmethod
    def _check_form(cls, tree: Any) -> Any:
        both = [key for key in tree if key in FetchOptions.model_fields]
        if both:
            raise FieldError(
                "sources",
                f"expected a list of sources or the keys of one, received both; move "
                f"{', '.join(both)} into the entry of their source, or remove the list",
            )
        return tree

    @model_validator(mode="after")
    def _check_sources(self) -> Self:
        names = [source.name for source in self.sources]
        for name in names:
            if names.count(name) > 1:
                raise FieldError(
                    "sources",
                    f"expected a different name for each source, received {name!r} twice; "
                    "rename one",
                )
        if not any(source.use == "train" for source in self.sources):
            raise FieldError(
                "sources",
                "expected a source with use: train, received none; there would be nothing to "
                "train on",
            )
        if self.same_patients == "":
            raise FieldError("same_patients", "expected the path of a CSV, or null, received ''")
        return self

    @property
    def listed(self) -> tuple[SourceOptions, ...]:
        """All sources in the order of params."""
        return self.sources


def lists_sources(tree: Any) -> bool:
    """Whether the content of the section `fetch` has the form of several sources."""
    return isinstance(tree, Mapping) and "sources" in tree


def _by_form(tree: Any, _: ValidatorFunctionWrapHandler) -> "FetchOptions | SeveralSources":
    model = SeveralSources if lists_sources(tree) else FetchOptions
    return model.model_validate(tree)


FetchSection: TypeAlias = Annotated[FetchOptions | SeveralSources, WrapValidator(_by_form)]
"""The section `fetch` in either form; errors name the keys of the form that was given."""


def _check(
    kind: SourceName,
    kind_key: str,
    path: str | None,
    labels: str | None,
    url: str | None,
    sha256: str | None,
    hash_names: bool | str,
) -> None:
    """Raise FieldError where values contradict each other or the kind of source."""
    if kind == "archive" and not path:
        raise FieldError(
            "path",
            f"expected the path of an archive or folder ({kind_key} is 'archive'), received "
            f"{path!r}",
        )
    if labels == "":
        raise FieldError("labels", "expected the path of a CSV, or null, received ''")
    if url is not None and _SECRET.search(url):
        raise FieldError(
            "url",
            "expected an address without user, password or key, since params are recorded, "
            "received one with them (not repeated here); download the file by hand and run "
            "`pneumonia data pin PATH`",
        )
    if url is not None and not re.match(r"https?://[^/\s]+/\S+\Z", url):
        raise FieldError("url", f"expected an address https://HOST/FILE, or null, received {url!r}")
    if kind == "kermany" and url is None and sha256 not in (None, MENDELEY_V2):
        raise FieldError(
            "sha256",
            f"expected null ({kind_key} is 'kermany', whose checksum is known), received "
            f"{sha256!r}",
        )
    if hash_names == "":
        raise FieldError("hash_names", "expected false, or the path of a key, received ''")
    if kind == "phantom" and hash_names:
        raise FieldError(
            "hash_names",
            f"expected false ({kind_key} is 'phantom', whose patients don't exist), received "
            f"{hash_names!r}",
        )
