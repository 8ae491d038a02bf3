"""From the bytes of an image file to the network's input, or to why there is none.

The half of a registered version that needs no network: a process that only decodes imports this
module of the version's packaged code, and never TensorFlow.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from stages.engine.arrays import GrayImage
from stages.engine.errors import InputError
from stages.images.facts import image_facts
from stages.images.options import PixelOptions
from stages.images.prepare import prepare
from stages.sources.header import read_header


@dataclass(frozen=True)
class Prepared:
    """An image file, ready for the network, or why it is not.

    Attributes:
        pixels: uint8 (H, W), 0 to 255; None if the file can't be used.
        reason: Why it can't be used; None if it can.
        cautions: What makes the image doubtful, such as a lateral view in a DICOM header.
        facts: Facts of the file and its pixels, for monitoring; empty if it has no header.
    """

    pixels: GrayImage | None
    reason: str | None = None
    cautions: tuple[str, ...] = ()
    facts: Mapping[str, float | str | None] = field(default_factory=dict)


def prepare_image(image: bytes, pixels: PixelOptions, body_part: str | None) -> Prepared:
    """Decode the bytes of an image file and resize it; a bad image gives a reason.

    Args:
        image: The bytes of a JPEG, PNG or DICOM file.
        pixels: The preprocessing options of the model.
        body_part: What DICOM images should show; None: anything.
    """
    try:
        header = read_header(image, body_part)
    except InputError as error:
        return Prepared(None, reason=str(error))
    prepared, reason = None, None
    try:
        prepared = prepare(image, pixels)
    except InputError as error:
        reason = str(error)
    facts = image_facts(header, len(image), prepared)
    return Prepared(prepared, reason, header.cautions, facts)
