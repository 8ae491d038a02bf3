"""What the images are of and what the classes mean: the words of every text about data and model.

Nothing here is part of an identity: data, models and runs are the same under other words. A source
states what it knows of its own images in source.json; the section `task` of params goes before it.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from stages.engine.classes import CLASS_KEYS
from stages.engine.options import FieldError, Options
from stages.engine.printable import is_printable

_TEXT = {"allowed": "text that is not empty"}
Text = Annotated[str, Field(pattern=r"\S", json_schema_extra=_TEXT)]
"""Prose in Markdown, of one or more lines; in `title` plain text, shown as it is."""

ClassName = Annotated[
    str, Field(pattern=r"^\S(.{0,38}\S)?$", json_schema_extra={"allowed": "1 to 40 characters"})
]
ClassNames = Annotated[tuple[ClassName, ClassName], Field(strict=False)]
"""Names of the labels 0 and 1, in this order."""

BodyPart = Literal[
    "CHEST",
    "THORAX",
    "LUNG",
    "ABDOMEN",
    "ARM",
    "FOOT",
    "HAND",
    "HEAD",
    "HEART",
    "HIP",
    "KNEE",
    "LEG",
    "NECK",
    "PELVIS",
    "RIB",
    "SHOULDER",
    "SKULL",
    "SPINE",
    "TSPINE",
    "CSPINE",
    "LSPINE",
    "BREAST",
    "CLAVICLE",
    "ELBOW",
    "WRIST",
    "ANKLE",
]
"""Codes of the DICOM tag BodyPartExamined that are distinguished from others."""

EARLIER_BODY_PART: BodyPart = "CHEST"
EARLIER_CLASSES = ("normal", "pneumonia")
"""What holds where a record of an earlier version states none."""


class TaskOptions(Options):
    """Section `task`: words for the data at hand. What is null is not stated."""

    PROSE: ClassVar[frozenset[str]] = frozenset(
        ("population", "reference", "use", "limits", "not_covered", "known", "citation")
    )

    classes: ClassNames | None
    """Names of the negative and the positive class, such as [intact, fracture]."""

    title: Text | None
    """What is detected in what, as after "Detects", such as "fractures in wrist X-rays"."""

    population: Text | None
    """Whose images these are: ages, places, how they were taken and chosen."""

    reference: Text | None
    """The reference standard: who or what decided on each label."""

    body_part: BodyPart | None
    """What each DICOM image should show. Another body part gives a warning, and of the chest a view
    other than AP or PA; null: any part and view."""

    use: Text | None
    """What the model is meant for."""

    limits: Text | None
    """Known limits of these data."""

    not_covered: Text | None
    """Patients, images and findings that the data do not cover."""

    known: Text | None
    """What was known of the test images before the model was made."""

    citation: Text | None
    """How to cite the images."""

    @model_validator(mode="after")
    def _check_prose(self) -> Self:
        for key in self.PROSE:
            text = getattr(self, key) or ""
            if any(unicodedata.category(char) == "Cc" for char in text.replace("\n", "")):
                raise FieldError(key, "expected text, received control characters")
        return self

    @model_validator(mode="after")
    def _check_classes(self) -> Self:
        if self.classes is None:
            return self
        negative, positive = map(same_name, self.classes)
        wrong = ""
        if negative == positive:
            wrong = "two names that differ"
        elif {negative, positive} & {"0", "1"}:
            wrong = "names other than 0 and 1, which stand for the classes in tables"
        elif not all(name.isprintable() and is_printable(name) for name in self.classes):
            wrong = "names of printable characters"
        if wrong:
            raise FieldError("classes", f"expected {wrong}, received {list(self.classes)!r}")
        return self


def same_name(name: str) -> str:
    """Return the form in which names of classes are equal that nobody tells apart by eye."""
    return " ".join(unicodedata.normalize("NFKC", name.casefold()).casefold().split())


NOTHING = TaskOptions(**dict.fromkeys(TaskOptions.model_fields))
"""The section that states nothing."""


@dataclass(frozen=True)
class Task:
    """What is stated of the data at hand, by params or else by their source.

    Attributes:
        classes: Names of the labels 0 and 1; the keys "negative" and "positive" if none are given.
        title: As of `TaskOptions`, like all others; None where it is not stated.
    """

    classes: tuple[str, str] = CLASS_KEYS
    title: str | None = None
    population: str | None = None
    reference: str | None = None
    body_part: str | None = None
    use: str | None = None
    limits: str | None = None
    not_covered: str | None = None
    known: str | None = None
    citation: str | None = None

    @property
    def negative(self) -> str:
        """Name of the label 0."""
        return self.classes[0]

    @property
    def positive(self) -> str:
        """Name of the label 1."""
        return self.classes[1]

    @property
    def detects(self) -> str:
        """What the model does, as the start of a sentence."""
        if self.title is None:
            return f"Tells {self.positive} images from {self.negative} ones"
        return f"Detects {self.title}"


def complete(stated: TaskOptions, source: Mapping[str, Any]) -> Task:
    """Return what params state, and for the rest what the source does.

    Args:
        stated: The section `task` of params.
        source: The content of source.json; one of an earlier version states no task.
    """
    of_source = source.get("task", {"classes": EARLIER_CLASSES, "body_part": EARLIER_BODY_PART})
    words = {**of_source, **stated.model_dump(exclude_none=True)}
    texts = {key: text.strip() for key, text in words.items() if isinstance(text, str)}
    negative, positive = words.get("classes") or CLASS_KEYS
    return Task((negative, positive), **texts)


def drawable(classes: tuple[str, str]) -> tuple[str, str]:
    """Return the names for a picture, whose letters are ASCII; the keys where a name has others."""
    return classes if all(name.isascii() for name in classes) else CLASS_KEYS
