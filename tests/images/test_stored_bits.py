"""Bits beyond those stored are masked where they are foreign, and kept where they are the sample's.

The right grey levels are those of the plain file, whichever way the samples are stored.
"""

from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray

from stages.images.decode import decode
from stages.sources.anonymise import anonymise_dicom
from stages.sources.dicom import transfer_syntax
from tests.dicoms import compress, dicom_file
from tests.sample_images import picture

GREY = picture("image", 60, 48).astype(np.int64)
TWELVE, SIXTEEN = GREY * 4095 // 255, GREY * 257
ROWS = np.arange(48)[:, None]


def stored(samples: NDArray[Any], **tags: Any) -> bytes:
    """Uncompressed, 12 bits in 16."""
    signed = int(samples.min() < 0)
    container = samples.astype(np.int16 if signed else np.uint16)
    return dicom_file(container, **{"BitsStored": 12, "PixelRepresentation": signed, **tags})


def compressed(code: bytes, syntax: str, **tags: Any) -> bytes:
    """A file of 12 bits in 16 whose codestream is another."""
    other = dicom_file(TWELVE.astype(np.uint16), syntax, BitsStored=12, **tags)
    own = compress(TWELVE.astype(np.uint16), syntax, tags.get("BitsStored", 12))
    return replace_codestream(other, own, code)


def replace_codestream(file: bytes, old: bytes, new: bytes) -> bytes:
    at = file.index(old) - 4
    old, new = old + bytes(len(old) % 2), new + bytes(len(new) % 2)
    assert int.from_bytes(file[at : at + 4], "little") == len(old)
    return file[:at] + len(new).to_bytes(4, "little") + new + file[at + 4 + len(old) :]


def jpeg_2000(samples: NDArray[Any], bits: int) -> bytes:
    container = samples.astype(np.uint16 if bits > 8 else np.uint8)
    return bytes(imagecodecs.jpeg2k_encode(container, codecformat="j2k", bitspersample=bits))


def signed_jpeg_2000(samples: NDArray[Any]) -> bytes:
    container = samples.astype(np.int16)
    return bytes(imagecodecs.jpeg2k_encode(container, codecformat="j2k", bitspersample=12))


EXTENDED = np.where(TWELVE < 2048, TWELVE, TWELVE - 4096)
"""Unsigned samples of 12 bits that a program took for signed."""

J2K, JPEG_LS, LOSSLESS = (
    transfer_syntax.JPEG_2000[0],
    transfer_syntax.JPEG_LS[0],
    transfer_syntax.JPEG[3],
)
FILES: dict[str, bytes] = {
    "an overlay in bit 12": stored(TWELVE | np.where(ROWS % 7 == 0, 1 << 12, 0)),
    "an overlay in bit 15": stored(TWELVE | np.where(ROWS // 9 % 2 == 0, 1 << 15, 0)),
    "rubbish beyond": stored(TWELVE | np.random.default_rng(0).integers(0, 16, (48, 60)) << 12),
    "samples of 16 bits": stored(SIXTEEN),
    "samples of 14 bits": stored(SIXTEEN >> 2),
    "samples of 13 bits": stored(SIXTEEN >> 3),
    "signed samples of 16 bits": stored(SIXTEEN - 32768),
    "signed, with bits of the sign": stored(TWELVE - 2048),
    "signed, without bits of the sign": stored((TWELVE - 2048) & 4095, PixelRepresentation=1),
    "signed, with bits of the sign, tagged unsigned": stored(TWELVE - 2048, PixelRepresentation=0),
    "unsigned, with bits of a sign": stored(EXTENDED, PixelRepresentation=0),
    "signed JPEG 2000, tagged unsigned": compressed(signed_jpeg_2000(TWELVE - 2048), J2K),
    "unsigned in signed JPEG 2000": compressed(signed_jpeg_2000(EXTENDED), J2K),
    "JPEG 2000 of 16 bits": compressed(jpeg_2000(SIXTEEN, 16), J2K),
    "JPEG 2000 of 14 bits": compressed(jpeg_2000(SIXTEEN >> 2, 14), J2K),
    "JPEG 2000 of 16 bits that holds 12": compressed(jpeg_2000(TWELVE, 16), J2K),
    "JPEG 2000 of 8 bits": compressed(jpeg_2000(GREY, 8), J2K),
    "JPEG-LS of 16 bits": compressed(
        bytes(imagecodecs.jpegls_encode(SIXTEEN.astype(np.uint16))), JPEG_LS
    ),
    "lossless JPEG of 16 bits": compressed(
        bytes(imagecodecs.jpeg8_encode(SIXTEEN.astype(np.uint16), bitspersample=16, lossless=True)),
        LOSSLESS,
    ),
}


@pytest.mark.parametrize("kind", FILES)
def test_the_grey_levels_are_those_of_the_plain_file(kind: str) -> None:
    pixels = decode(FILES[kind])
    assert np.abs(pixels.astype(int) - decode(stored(TWELVE))).max() <= 1
    assert np.array_equal(decode(anonymise_dicom(FILES[kind])), pixels)


def test_a_marker_beyond_the_bits_stored_does_not_move_the_others() -> None:
    marked = TWELVE.copy()
    marked[:6, :6] = 65535
    pixels = decode(stored(marked))
    assert np.array_equal(pixels[6:], decode(stored(TWELVE))[6:])
    assert (pixels[:6, :6] == 255).all()


def test_a_marker_of_all_bits_makes_no_signed_samples() -> None:
    dark = TWELVE // 2
    dark[:6, :6] = 65535  # -1, if it were signed
    assert np.array_equal(decode(stored(dark))[6:], decode(stored(TWELVE // 2))[6:])


PADDED = TWELVE - 1024
PADDED[:10, :20] = -32768


@pytest.mark.parametrize(
    ("padding", "tags"),
    [
        (-32768, {"PixelPaddingValue": -32768}),
        (-2000, {"PixelPaddingValue": -2000}),
        (-1500, {"PixelPaddingValue": -2000, "PixelPaddingRangeLimit": -1500}),
        (-1500, {"PixelPaddingValue": -1500, "PixelPaddingRangeLimit": -2000}),
    ],
)
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_out_of_the_range(
    padding: int, tags: dict[str, int], photometric: str
) -> None:
    samples = TWELVE - 1024
    samples[:10, :20] = padding
    image = stored(samples, BitsStored=16, PhotometricInterpretation=photometric, **tags)
    pixels = decode(image)
    assert (pixels[:10, :20] == 0).all()
    right = decode(stored(TWELVE))
    right = right if photometric == "MONOCHROME2" else 255 - right
    assert np.abs(pixels[10:].astype(int) - right[10:]).max() <= 8  # a per cent is clipped
    assert np.array_equal(decode(anonymise_dicom(image)), pixels)


def test_padding_may_have_the_other_sign_in_its_tag() -> None:
    image = stored(PADDED, BitsStored=16, PixelPaddingValue=-32768)
    pixels = decode(image)
    assert (pixels[:10, :20] == 0).all()
