"""What each kind of file gets: the right pixels, or a named reason."""

import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from stages.engine.errors import InputError
from stages.images import decode as module
from stages.images.decode import decode
from tests.films import encoded, picture

GREY = picture("film", 40, 24)
LIKE_A_FILM = Image.fromarray(GREY)


def turned(kind: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(LIKE_A_FILM, kind, exif=exif)


@pytest.mark.parametrize(
    ("data", "tolerance"),
    [
        (encoded(GREY, "PNG"), 0),
        (encoded(GREY, "JPEG", quality=100), 1),
        (encoded(GREY, "JPEG", quality=100, progressive=True), 1),
        (encoded(LIKE_A_FILM.convert("RGB"), "JPEG", quality=100), 1),
        (encoded(LIKE_A_FILM.convert("RGB"), "PNG"), 1),
        (encoded(LIKE_A_FILM.convert("RGBA"), "PNG"), 1),
        (encoded(LIKE_A_FILM.convert("LA"), "PNG"), 0),
        (encoded(LIKE_A_FILM.convert("P"), "PNG"), 0),
        (encoded(LIKE_A_FILM.convert("CMYK"), "JPEG", quality=100), 2),
        (encoded(GREY, "PNG", icc_profile=b"a profile of one class only"), 0),
        (cv2.imencode(".png", GREY.astype(np.uint16) * 257)[1].tobytes(), 0),
    ],
)
def test_right_pixels(data: bytes, tolerance: int) -> None:
    pixels = decode(data)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (24, 40)
    assert np.abs(pixels.astype(int) - GREY).max() <= tolerance


def test_sixteen_bits_are_rounded() -> None:
    samples = np.linspace(0, 65535, 24 * 40).reshape(24, 40).astype(np.uint16)
    pixels = decode(cv2.imencode(".png", samples)[1].tobytes())
    assert np.array_equal(pixels, np.floor(samples / 257 + 0.5).astype(np.uint8))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_exif_orientation_is_applied(kind: str) -> None:
    assert np.abs(decode(turned(kind, 6)).astype(int) - np.rot90(GREY, -1)).max() <= 20
    assert decode(turned(kind, 3)).shape == (24, 40)


def animation() -> bytes:
    buffer = io.BytesIO()
    LIKE_A_FILM.save(buffer, "PNG", save_all=True, append_images=[Image.fromarray(255 - GREY)])
    return buffer.getvalue()


def dark() -> bytes:
    return bytes(cv2.imencode(".png", GREY.astype(np.uint16) * 16)[1])


JPEG = encoded(picture("big", 300, 300))
PNG = encoded(picture("big", 300, 300), "PNG")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "an empty file"),
        (b"<html>not found</html>", "received something else"),
        (b"\xff\xd8\xff\xe0", "received something else"),
        (encoded(GREY, "GIF"), "received something else"),
        (encoded(GREY, "TIFF"), "received something else"),
        (JPEG[: len(JPEG) // 2], "cut short or damaged"),
        (JPEG[:-2], "cut short or damaged"),
        (PNG[: len(PNG) // 2], "cut short or damaged"),
        (PNG[:200] + b"XX" + PNG[202:], "cut short or damaged"),
        (encoded(GREY[:1, :1], "PNG"), "at least 16 x 16 pixels, received 1 x 1"),
        (encoded(np.full((32, 32), 7, np.uint8), "PNG"), r"one even grey \(7\)"),
        (dark(), "none above 3920 of 65535"),
        (animation(), "an animation of 2"),
    ],
)
def test_named_reasons(data: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        decode(data)


def test_a_huge_image_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(module, "_decoded", never)
    small = encoded(GREY, "PNG")
    size = b"IHDR" + struct.pack(">II", 20_000, 20_000) + small[24:29]
    huge = small[:12] + size + struct.pack(">I", zlib.crc32(size)) + small[33:]
    with pytest.raises(InputError, match="20000 x 20000"):
        decode(huge)
