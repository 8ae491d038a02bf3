"""Header facts of an image file, read without decoding pixels."""

import io
from dataclasses import dataclass

from PIL import Image

from stages.engine.errors import UnusableImage
from stages.sources.dicom import tags

# Pillow's limit would raise first and its message lacks the file's name. Nothing here decodes
# pixels, and `images.decode` checks width and height before it does.
Image.MAX_IMAGE_PIXELS = None

_FORMATS = ("JPEG", "PNG")
_EXPECTED = "a JPEG, PNG or DICOM image"
JPEG_AND_PNG_MAGIC = (b"\xff\xd8\xff", b"\x89PNG")
_ORIENTATION_TAG = 0x0112  # of EXIF
_QUARTER_TURNS = (5, 6, 7, 8)


@dataclass(frozen=True)
class Header:
    """Header facts of an image file.

    Attributes:
        width: In pixels as displayed: EXIF orientation applied, DICOM pixels made square.
        height: Like `width`.
        mode: Pillow's mode ("L", "RGB", "I;16", ...); for DICOM the photometric interpretation
            and bits stored.
        icc: Whether an ICC profile is embedded.
        jpeg_table: Luminance quantisation table, 64 integers; None if not a JPEG.
        frames: Number of frames; more than 1 in an animated PNG.
        orientation: EXIF orientation, 1 to 8; 1: displayed as stored.
        cautions: What makes a DICOM image doubtful, such as a lateral view of a chest.
    """

    width: int
    height: int
    mode: str
    icc: bool
    jpeg_table: tuple[int, ...] | None
    frames: int
    orientation: int = 1
    cautions: tuple[str, ...] = ()

    @property
    def jpeg_table_mean(self) -> float | None:
        """Mean of the luminance quantisation table, 3 decimals; higher is coarser."""
        return None if self.jpeg_table is None else round(sum(self.jpeg_table) / 64, 3)


def read_header(data: bytes, body_part: str | None = None) -> Header:
    """Read the header of a JPEG, PNG or DICOM file; its content decides which, not its name.

    Args:
        data: The bytes of the file.
        body_part: What a DICOM image should show, for its cautions; None: anything.

    Raises:
        UnusableImage: `data` is another kind of file, or DICOM but not a single grey image.
    """
    if not data:
        raise UnusableImage(f"expected {_EXPECTED}, received an empty file")
    if tags.is_dicom(data):
        dicom = tags.read(data, pixels=False)
        dicom.check_usable()
        width, height = dicom.display_size
        return Header(width, height, dicom.mode, False, None, 1, cautions=dicom.cautions(body_part))
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            orientation = _orientation(image)
            width, height = image.size
            if orientation in _QUARTER_TURNS:
                width, height = height, width
            tables = getattr(image, "quantization", None)
            return Header(
                width=width,
                height=height,
                mode=image.mode,
                icc="icc_profile" in image.info,
                jpeg_table=tuple(tables[min(tables)]) if tables else None,
                frames=getattr(image, "n_frames", 1),
                orientation=orientation,
            )
    except (OSError, SyntaxError, ValueError, KeyError, TypeError) as error:
        # Pillow raises any of these on a truncated or invalid header.
        raise UnusableImage(
            f"expected {_EXPECTED}, received something else ({type(error).__name__}: "
            f"{_one_line(error)})"
        ) from None


def is_image(data: bytes) -> bool:
    """Return whether a file without a known suffix is a JPEG, PNG or DICOM image.

    A DICOM file of a kind without pictures, such as a report, is none. One that is damaged counts,
    so that it is listed and not lost.
    """
    if data.startswith(JPEG_AND_PNG_MAGIC):
        return True
    return tags.is_dicom(data) and tags.may_have_picture(data)


def _orientation(image: Image.Image) -> int:
    # For a PNG without EXIF, getexif would decode the pixels to look for it behind them.
    exif = image.getexif() if "exif" in image.info else {}
    value = exif.get(_ORIENTATION_TAG)
    return value if isinstance(value, int) else 1


def _one_line(error: Exception) -> str:
    # Pillow's "cannot identify" message ends with the repr of a buffer and its address.
    return " ".join(str(error).split()).split(" <_io.")[0]
