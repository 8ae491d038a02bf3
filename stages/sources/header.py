"""What an image file says of itself, read without decoding a pixel."""

import io
from dataclasses import dataclass

from PIL import Image

from stages.engine.errors import InputError
from stages.sources.dicom import tags

# Pillow's own alarm for huge images would come before ours and does not name the file;
# nothing here asks Pillow for pixels, and `images.decode` refuses by `width` and `height`.
Image.MAX_IMAGE_PIXELS = None

_FORMATS = ("JPEG", "PNG")
_EXPECTED = "a JPEG, PNG or DICOM image"
_ORIENTATION = 0x0112  # EXIF tag; 5 to 8 show the image turned by a quarter


@dataclass(frozen=True)
class Header:
    """Width and height in pixels as the image is shown (EXIF orientation applied), Pillow's
    mode ("L", "RGB", "I;16", ...), whether an ICC profile is embedded, the luminance
    quantisation table (64 integers, None if the file is no JPEG), the number of frames and the
    EXIF orientation (1: as stored).

    Of a DICOM file: the size once its pixels are square, `mode` its photometric interpretation and
    bits, and `cautions`, what makes the image doubtful (such as a lateral view).
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
        """Mean of the luminance quantisation table, 3 decimals: coarse is high."""
        return None if self.jpeg_table is None else round(sum(self.jpeg_table) / 64, 3)


def read_header(data: bytes) -> Header:
    """The header of a JPEG, PNG or DICOM file, whatever its name says.

    Raises InputError with the reason where `data` is none of these, or a DICOM file of another
    thing than one grey image.
    """
    if not data:
        raise InputError(f"expected {_EXPECTED}, received an empty file")
    if tags.is_dicom(data):
        dicom = tags.read(data, pixels=False)
        dicom.refuse_unusable()
        width, height = dicom.shown_size
        return Header(width, height, dicom.mode, False, None, 1, cautions=dicom.cautions)
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            width, height = image.size
            # Asked of a PNG without the tag, Pillow would decode the pixels to look behind them.
            exif = image.getexif() if "exif" in image.info else {}
            told = exif.get(_ORIENTATION)
            orientation = told if isinstance(told, int) else 1
            if orientation in (5, 6, 7, 8):
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
        # Pillow raises any of these on a header that is cut short or makes no sense.
        raise InputError(
            f"expected {_EXPECTED}, received something else ({type(error).__name__}: "
            f"{_one_line(error)})"
        ) from None


def _one_line(error: Exception) -> str:
    # Pillow's "cannot identify" message ends in the repr of a buffer, an address included.
    return " ".join(str(error).split()).split(" <_io.")[0]
