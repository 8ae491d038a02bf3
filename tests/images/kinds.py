"""Kinds of image files, and the outcome for each; `python -m tests.images.kinds` prints them."""

import io
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.engine.errors import InputError
from stages.images.decode import decode
from stages.sources.dicom import transfer_syntax
from tests.dicoms import dicom_file, table
from tests.sample_images import encoded, picture

GREY = picture("image", 40, 24)
BIG = picture("big", 300, 300)
LIKE_AN_IMAGE = Image.fromarray(GREY)


@dataclass(frozen=True)
class Kind:
    """A file, and the pixels it decodes to within `tolerance` levels; None if it is refused."""

    data: bytes
    wanted: NDArray[np.uint8] | None = None
    tolerance: int = 0


def turned(kind: str, orientation: int) -> bytes:
    """GREY with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(LIKE_AN_IMAGE, kind, exif=exif)


def resized(png: bytes, width: int, height: int) -> bytes:
    """A PNG whose header claims another size."""
    size = b"IHDR" + struct.pack(">II", width, height) + png[24:29]
    return png[:12] + size + struct.pack(">I", zlib.crc32(size)) + png[33:]


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _sixteen(pixels: NDArray[Any]) -> bytes:
    return bytes(cv2.imencode(".png", pixels.astype(np.uint16))[1])


def _zeroed(data: bytes, at: int, count: int) -> bytes:
    return data[:at] + bytes(count) + data[at + count :]


def _marked(pixels: NDArray[Any], value: int = 65535) -> NDArray[Any]:
    """`pixels` with one value in a corner."""
    marked = pixels.copy()
    marked[:5, :8] = value
    return marked


def _animation() -> bytes:
    buffer = io.BytesIO()
    LIKE_AN_IMAGE.save(buffer, "PNG", save_all=True, append_images=[Image.fromarray(255 - GREY)])
    return buffer.getvalue()


JPEG, PNG = encoded(BIG), encoded(BIG, "PNG")
FINE: dict[str, Any] = {"quality": 100}
BOMB = _chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(20_000_000)))
CMYK = encoded(LIKE_AN_IMAGE.convert("CMYK"), **FINE)
TWELVE = GREY.astype(np.uint16) * 16
# Without a window, half a per cent of the pixels becomes black, and half a per cent white.
_LOW, _HIGH = map(int, np.quantile(GREY, (0.005, 0.995), method="inverted_cdf"))
STRETCHED = np.clip((GREY.astype(int) - _LOW) / (_HIGH - _LOW) * 255 + 0.5, 0, 255).astype(np.uint8)
_RUBBISH = np.random.default_rng(0).integers(0, 16, GREY.shape, dtype=np.uint16) << 12
RGB = LIKE_AN_IMAGE.convert("RGB")
TALL_JPEG = JPEG.replace(struct.pack(">HH", 300, 300), struct.pack(">HH", 20_000, 20_000), 1)

KINDS: dict[str, Kind] = {
    "JPEG, grey": Kind(encoded(GREY, **FINE), GREY, 1),
    "JPEG, progressive": Kind(encoded(GREY, progressive=True, **FINE), GREY, 1),
    "JPEG, colour": Kind(encoded(RGB, **FINE), GREY, 1),
    "JPEG, CMYK": Kind(CMYK, GREY, 2),
    "JPEG, EXIF: turned by a quarter": Kind(turned("JPEG", 6), np.rot90(GREY, -1), 20),
    "JPEG, EXIF: upside down": Kind(turned("JPEG", 3), np.rot90(GREY, 2), 20),
    "JPEG, EXIF: mirrored": Kind(turned("JPEG", 2), GREY[:, ::-1], 20),
    "JPEG with an ICC profile": Kind(encoded(GREY, icc_profile=b"of one class", **FINE), GREY, 1),
    "JPEG with bytes after its end": Kind(encoded(GREY, **FINE) + bytes(99), GREY, 1),
    "JPEG, empty file": Kind(b""),
    "JPEG, its header only": Kind(JPEG[:20]),
    "JPEG, half of it": Kind(JPEG[: len(JPEG) // 2]),
    "JPEG without its last two bytes": Kind(JPEG[:-2]),
    "JPEG, 512 bytes inside zeroed": Kind(_zeroed(JPEG, len(JPEG) // 2, 512)),
    "JPEG, 20,000 x 20,000": Kind(TALL_JPEG),
    "PNG, grey": Kind(encoded(GREY, "PNG"), GREY),
    "PNG called .jpeg (names do not count)": Kind(encoded(GREY, "PNG"), GREY),
    "PNG, black and white": Kind(
        encoded(Image.fromarray(GREY > 127), "PNG"), np.where(GREY > 127, 255, 0).astype(np.uint8)
    ),
    "PNG, palette": Kind(encoded(LIKE_AN_IMAGE.convert("P"), "PNG"), GREY),
    "PNG, grey with alpha": Kind(encoded(LIKE_AN_IMAGE.convert("LA"), "PNG"), GREY),
    "PNG, colour with alpha": Kind(encoded(LIKE_AN_IMAGE.convert("RGBA"), "PNG"), GREY, 1),
    "PNG, interlaced": Kind(encoded(GREY, "PNG", interlace=1), GREY),
    "PNG, EXIF: turned by a quarter": Kind(turned("PNG", 6), np.rot90(GREY, -1)),
    "PNG, 16 bits": Kind(_sixteen(GREY.astype(np.uint16) * 257), GREY),
    "PNG, 16 bits of which 12 are used": Kind(_sixteen(TWELVE), STRETCHED),
    "PNG, 16 bits of which 12 are used, a white marker": Kind(
        _sixteen(_marked(TWELVE)), _marked(STRETCHED, 255), 2
    ),
    "PNG, 16 bits of which 4 are used": Kind(_sixteen(GREY // 16)),
    "PNG, nearly black": Kind(encoded(GREY // 16, "PNG")),
    "PNG, nearly black, a white marker": Kind(encoded(_marked(GREY // 16, 255), "PNG")),
    "PNG, nearly white": Kind(encoded(240 + GREY // 16, "PNG")),
    "JPEG, nearly black": Kind(encoded(GREY // 16, **FINE)),
    "JPEG, nearly even": Kind(encoded(120 + GREY // 16, **FINE)),
    "PNG, animated": Kind(_animation()),
    "PNG, half of it": Kind(PNG[: len(PNG) // 2]),
    "PNG, two bytes inside changed": Kind(PNG[:200] + b"XX" + PNG[202:]),
    "PNG, a note that unpacks to 20 MB": Kind(PNG[:33] + BOMB + PNG[33:]),
    "PNG, 1 x 1": Kind(encoded(GREY[:1, :1], "PNG")),
    "PNG, 20,000 x 20,000": Kind(resized(PNG, 20_000, 20_000)),
    "PNG, one even grey": Kind(encoded(np.full((32, 32), 7, np.uint8), "PNG")),
    "a web page": Kind(b"<html>not found</html>"),
    "GIF": Kind(encoded(GREY, "GIF")),
    "TIFF": Kind(encoded(GREY, "TIFF")),
    "BMP": Kind(encoded(GREY, "BMP")),
    "WebP": Kind(encoded(GREY, "WEBP")),
    "DICOM, 8 bits": Kind(dicom_file(GREY), GREY),
    "DICOM, signed, 16 bits, JPEG-LS": Kind(
        dicom_file(
            (GREY.astype(np.int32) * 257 - 32768).astype(np.int16), transfer_syntax.JPEG_LS[0]
        ),
        GREY,
    ),
    "DICOM, MONOCHROME1, RLE": Kind(
        dicom_file(255 - GREY, transfer_syntax.RLE, PhotometricInterpretation="MONOCHROME1"), GREY
    ),
    "DICOM without its preamble": Kind(dicom_file(GREY)[132:], GREY),
    "DICOM, multi-frame": Kind(dicom_file(GREY, NumberOfFrames=2)),
    "DICOM, colour": Kind(dicom_file(GREY, SamplesPerPixel=3, PhotometricInterpretation="RGB")),
    "DICOM, half of it": Kind(dicom_file(BIG)[:50_000]),
    "DICOM, half of it, JPEG": Kind(dicom_file(BIG, transfer_syntax.JPEG[3])[:15_000]),
    "DICOM, 12 bits in 16, no window": Kind(dicom_file(TWELVE), STRETCHED),
    "DICOM, 12 bits in 16, no window, a white marker": Kind(
        dicom_file(_marked(TWELVE)), _marked(STRETCHED, 255), 2
    ),
    "DICOM, 12 bits in 16, no window, padding at an extreme": Kind(
        dicom_file(_marked(TWELVE), PixelPaddingValue=65535), _marked(STRETCHED, 0), 2
    ),
    "DICOM, a window far wider than its samples": Kind(
        dicom_file(TWELVE, BitsStored=12, WindowCenter=32768, WindowWidth=65535)
    ),
    "DICOM, a VOI LUT of 16 bits that holds 12": Kind(
        dicom_file(GREY, VOILUTSequence=table(0, 16, [code * 4095 // 255 for code in range(256)])),
        GREY,
        1,
    ),
    "DICOM, presentation LUT shape INVERSE": Kind(
        dicom_file(255 - GREY, PresentationLUTShape="INVERSE"), GREY
    ),
    "DICOM, samples of 16 bits under 12 stored": Kind(
        dicom_file(GREY.astype(np.uint16) * 257, BitsStored=12), GREY, 1
    ),
    "DICOM, rubbish beyond the bits stored": Kind(
        dicom_file(GREY.astype(np.uint16) * 16 | _RUBBISH, BitsStored=12), GREY, 1
    ),
    "DICOM, a JPEG of another size in it": Kind(dicom_file(GREY, transfer_syntax.JPEG[3], Rows=30)),
    "DICOM, 20,000 x 20,000": Kind(dicom_file(GREY, Rows=20_000, Columns=20_000)),
    "DICOM, no picture in it": Kind(dicom_file(GREY, Rows=None, Columns=None)),
}


def outcome(data: bytes) -> str:
    """Describe what becomes of a file."""
    try:
        height, width = decode(data).shape
    except InputError as error:
        return f"refused: {error}"
    return f"accepted, {width} x {height}"


def rows() -> list[str]:
    """Return the table in Markdown."""
    lines = [f"| {name} | {outcome(kind.data)} |" for name, kind in KINDS.items()]
    return ["| Image | Outcome |", "|---|---|", *lines]


if __name__ == "__main__":
    print("\n".join(rows()))
