"""What an image file says of itself, read without decoding a pixel."""

import io
from dataclasses import dataclass

from PIL import Image

from stages.engine.errors import InputError

# Pillow's own alarm for huge images would come before ours and does not name the file;
# nothing here asks Pillow for pixels, and `images.decode` refuses by `width` and `height`.
Image.MAX_IMAGE_PIXELS = None

_FORMATS = ("JPEG", "PNG")
_ORIENTATION = 0x0112  # EXIF tag; 5 to 8 show the film turned by a quarter


@dataclass(frozen=True)
class Header:
    """Width and height in pixels as the film is shown (EXIF orientation applied), Pillow's
    mode ("L", "RGB", "I;16", ...), whether an ICC profile is embedded, the luminance
    quantisation table (64 integers, None if the file is no JPEG) and the number of frames.
    """

    width: int
    height: int
    mode: str
    icc: bool
    jpeg_table: tuple[int, ...] | None
    frames: int

    @property
    def jpeg_table_mean(self) -> float | None:
        """Mean of the luminance quantisation table, 3 decimals: coarse is high."""
        return None if self.jpeg_table is None else round(sum(self.jpeg_table) / 64, 3)


def read_header(data: bytes) -> Header:
    """The header of a JPEG or PNG file, whatever its name says.

    Raises InputError with the reason where `data` is neither.
    """
    if not data:
        raise InputError("expected a JPEG or PNG image, received an empty file")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            width, height = image.size
            # Asked of a PNG without the tag, Pillow would decode the pixels to look behind them.
            exif = image.getexif() if "exif" in image.info else {}
            if exif.get(_ORIENTATION, 1) in (5, 6, 7, 8):
                width, height = height, width
            tables = getattr(image, "quantization", None)
            return Header(
                width=width,
                height=height,
                mode=image.mode,
                icc="icc_profile" in image.info,
                jpeg_table=tuple(tables[min(tables)]) if tables else None,
                frames=getattr(image, "n_frames", 1),
            )
    except (OSError, SyntaxError, ValueError, KeyError, TypeError) as error:
        # Pillow raises any of these on a header that is cut short or makes no sense.
        raise InputError(
            f"expected a JPEG or PNG image, received something else ({type(error).__name__}: "
            f"{_one_line(error)})"
        ) from None


def _one_line(error: Exception) -> str:
    # Pillow's "cannot identify" message ends in the repr of a buffer, an address included.
    return " ".join(str(error).split()).split(" <_io.")[0]
