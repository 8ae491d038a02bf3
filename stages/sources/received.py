"""What a source yields: images with their labels, and where they come from."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from stages.sources.patient_ids import MergedPatients, cleaned


@dataclass(frozen=True)
class ReceivedImage:
    """One radiograph as its source delivers it.

    Raises:
        ValueError: A source gives an id that `patient_ids.cleaned` has not made.

    Attributes:
        path: Its path in the source, unique there, such as `train/NORMAL/IM-0115-0001.jpeg`.
        data: The bytes of the image file.
        label: 0 negative, 1 positive.
        kind: "normal", "bacterial", "viral", or "" where the kind of a positive is unknown.
        patient: Identifies the patient; a patient is never in two roles.
        split_group: Patients who may be one person share it; kept together where splits are cut.
        source_split: The source's own split, "train" or "test"; "" where it has none.
        source: Its source's name in params; path, patient and split group start with `<source>/`
            once it is set (`named`).
    """

    path: str
    data: bytes
    label: int
    kind: str
    patient: str
    split_group: str
    source_split: str
    source: str = field(default="", kw_only=True)

    def named(self, source: str) -> Self:
        """Return the image as one of `source`: ids of two sources are never the same."""
        return replace(
            self,
            source=source,
            path=f"{source}/{self.path}",
            patient=f"{source}/{self.patient}",
            split_group=f"{source}/{self.split_group}",
        )

    def __post_init__(self) -> None:
        for text in (self.kind, self.patient, self.split_group, self.source_split):
            if text != cleaned(text):
                raise ValueError(f"{self.path}: {text!a} is not cleaned")


def data_sha256(archive: str, table: str | None) -> str:
    """Return the checksum of a data set: the archive's, or that of it and its table of labels.

    With a table it is the SHA-256 of `<archive's> <table's>` and a newline, because other labels
    are other data.
    """
    if table is None:
        return archive
    return hashlib.sha256(f"{archive} {table}\n".encode()).hexdigest()


@dataclass(frozen=True)
class Source:
    """Where images come from.

    Attributes:
        name: Of the data set; experiments and models are named after it. "phantom", "kermany", or
            "archive" for a user's own images, whatever the file is called.
        file: Name of the archive's file or folder, for people; "" where there is none.
        version: "" where unknown.
        licence: Of the images.
        citation: How to cite the images.
        sha256: Checksum of the archive; "" where images are generated.
        pinned: Whether the same images are certain to come again.
        synthetic: Whether images are generated, not of patients.
        merged_patients: Patients that the source spells in several ways; None if there are none.
        task: What the source states of its images, by keys of `engine.task.TaskOptions`.
    """

    name: str
    file: str
    version: str
    licence: str
    citation: str
    sha256: str
    pinned: bool
    synthetic: bool
    merged_patients: MergedPatients | None = None
    task: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NamedSource:
    """A source as params name it.

    Attributes:
        name: In params.
        use: "train", or "judge" for images that no choice is made by.
        origin: Where its images come from.
    """

    name: str
    use: str
    origin: Source
