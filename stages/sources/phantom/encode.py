"""Encode pixels as the sites' JPEG and masks as PNG, to the same bytes on every machine."""

import io
import struct
import zlib
from typing import Final

import numpy as np
from PIL import Image

from stages.engine.arrays import GrayImage

# The example luminance table of the JPEG standard (ITU-T T.81, table K.1), row by row.
_ANNEX_K: Final = (
    *(16, 11, 10, 16, 24, 40, 51, 61),
    *(12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77),
    *(24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101),
    *(72, 92, 95, 98, 112, 100, 103, 99),
)


def encode_jpeg(pixels: GrayImage, *, scale: int, icc: bool, colour: bool) -> bytes:
    """Encode as baseline JPEG.

    libjpeg's default integer transform is exact, with and without SIMD.

    Args:
        pixels: uint8 (H, W).
        scale: Percent of the standard's quantisation table; more is coarser.
        icc: Whether to embed a grey ICC profile.
        colour: Whether to save three equal channels.
    """
    table = [max(1, (entry * scale + 50) // 100) for entry in _ANNEX_K]
    image = Image.fromarray(pixels)
    stream = io.BytesIO()
    (image.convert("RGB") if colour else image).save(
        stream,
        "JPEG",
        qtables=[table, table] if colour else [table],
        subsampling=0,
        icc_profile=_GREY_PROFILE if icc else None,
    )
    return stream.getvalue()


def _grey_profile() -> bytes:
    """Return a minimal ICC profile (ICC.1:2001-04): grey, gamma 2.2, D50, dated 2018-01-01."""
    text = b"grey gamma 2.2\0"
    tags = {
        b"cprt": b"text\0\0\0\0CC0\0",
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78),
        b"kTRC": b"curv\0\0\0\0" + struct.pack(">IH", 1, 0x0233),
        b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">3i", 0xF6D6, 0x10000, 0xD32D),
    }
    start = 128 + 4 + 12 * len(tags)
    index, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        index += name + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(
        ">I4sI4s4s4s6H4s28x3i48x",
        start + len(body),
        b"\0\0\0\0",
        0x02400000,
        b"mntr",
        b"GRAY",
        b"XYZ ",
        *(2018, 1, 1, 0, 0, 0),
        b"acsp",
        *(0xF6D6, 0x10000, 0xD32D),
    )
    return header + index + body


_GREY_PROFILE: Final = _grey_profile()


def encode_png(mask: GrayImage) -> bytes:
    """Encode uint8 (H, W), 0 or 255, as PNG with one bit per pixel.

    Not compressed, because builds of zlib compress to different bytes.
    """
    height, width = mask.shape
    rows = np.packbits(mask > 0, axis=1)
    lines = np.concatenate([np.zeros((height, 1), dtype=np.uint8), rows], axis=1).tobytes()
    blocks = [lines[i : i + 65535] for i in range(0, len(lines), 65535)]
    deflated = b"\x78\x01"
    for block in blocks:
        final = block is blocks[-1]
        deflated += struct.pack("<BHH", final, len(block), len(block) ^ 0xFFFF) + block
    deflated += struct.pack(">I", zlib.adler32(lines))
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", deflated), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
