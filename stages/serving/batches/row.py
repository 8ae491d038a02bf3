"""One row of the result of a batch: what the model answered for an image, or why it did not."""

from dataclasses import dataclass
from typing import Any

from stages.engine.printable import printable

ANSWERED = "answered"
REFUSED = "refused"
UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class Row:
    """One image. Its fields are columns of the table.

    Attributes:
        path: Of the image, relative to the folder, in the archive, or as the table lists it.
        status: ANSWERED; REFUSED by the model, because it is not like its training images; or
            UNUSABLE, because it is broken, shows nothing or is no image.
        probability: Of the positive class, at the prior of the operating point, 0 to 1; None
            unless answered, like `decision`.
        decision: The name of a class.
        domain_score: How unlike the training images it is, refused above 1; None where unusable,
            or where the model has no such score.
        reason: Why it is refused or unusable; None if answered.
        cautions: What makes the image doubtful, such as a lateral view in a DICOM header, with
            "; " between; None if nothing does.
        width: In pixels as displayed; None if unknown.
        height: Like `width`.
        bytes: Size of the file.
    """

    path: str
    status: str
    probability: float | None
    decision: str | None
    domain_score: float | None
    reason: str | None
    cautions: str | None
    width: int | None
    height: int | None
    bytes: int

    def values(self) -> list[Any]:
        """Return the fields in their order."""
        return [getattr(self, name) for name in self.__slots__]


def as_text(text: str) -> str:
    """Return a name or a reason as UTF-8 can hold it: lone surrogates become visible escapes.

    An image whose name has one is never answered, since archives refuse such names.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return printable(text)
    return text
