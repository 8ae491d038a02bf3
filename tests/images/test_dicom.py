"""DICOM images are decoded to the same pixels as JPEG images, or refused with a reason."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels import apply_modality_lut, apply_windowing

from stages.engine.errors import InputError
from stages.images import decode as module
from stages.images.build import build_shards
from stages.images.decode import decode
from stages.images.dicom import apply_window, gray_levels
from stages.images.options import PixelOptions
from stages.images.prepare import prepare
from stages.sources.anonymise import anonymise, anonymise_dicom
from stages.sources.archives import archive
from stages.sources.dicom import tags as dicom
from stages.sources.dicom import transfer_syntax
from stages.sources.header import read_header
from stages.sources.index import open_raw
from stages.sources.received import ReceivedImage
from stages.sources.writer import write_raw
from tests.dicoms import SECRET, SYNTAXES, as_dicom, compress, dicom_file, table
from tests.sample_images import SOURCES, encoded, options, paths, picture, received

GREY = picture("image", 40, 24)
DATA = Path(__file__).parents[3] / "shared" / "data"


def scaled(bits: int, *, signed: bool = False) -> NDArray[Any]:
    """Scale GREY to the whole range of so many bits."""
    wide = (GREY.astype(np.int64) * (2**bits - 1) + 127) // 255
    if signed:
        return np.asarray(wide - 2 ** (bits - 1), np.int8 if bits == 8 else np.int16)
    return np.asarray(wide, np.uint8 if bits == 8 else np.uint16)


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("photometric", dicom.GREY)
@pytest.mark.parametrize(
    ("bits", "signed"), [(8, False), (10, False), (12, False), (16, False), (12, True), (16, True)]
)
def test_lossless_syntaxes_give_the_original_pixels(
    syntax: str, photometric: str, bits: int, signed: bool
) -> None:
    samples = scaled(bits, signed=signed)
    if photometric == "MONOCHROME1":
        samples = ~samples if signed else (2**bits - 1 - samples).astype(samples.dtype)
    image = dicom_file(
        samples, SYNTAXES[syntax], BitsStored=bits, PhotometricInterpretation=photometric
    )
    pixels = decode(image)
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, GREY)
    assert np.array_equal(decode(anonymise_dicom(image)), GREY)


def test_a_jpeg_in_a_dicom_file_has_the_pixels_of_that_jpeg() -> None:
    jpeg = compress(GREY, transfer_syntax.JPEG[0], 8)
    assert np.array_equal(decode(dicom_file(GREY, transfer_syntax.JPEG[0])), decode(jpeg))


@pytest.mark.parametrize(
    ("syntax", "bits"), [(transfer_syntax.JPEG[1], 12), (transfer_syntax.JPEG_LS[1], 8)]
)
def test_lossy_syntaxes_give_nearly_the_original_pixels(syntax: str, bits: int) -> None:
    pixels = decode(dicom_file(scaled(bits), syntax, BitsStored=bits))
    assert np.abs(pixels.astype(int) - GREY).max() <= 2


@pytest.mark.parametrize("function", dicom.WINDOWS)
@pytest.mark.parametrize(("centre", "width"), [(2048, 4096), (600, 400), (0.5, 1), (-50, 3000)])
def test_windows_equal_those_of_pydicom(function: str, centre: float, width: float) -> None:
    values = np.arange(-1024, 4096, dtype=np.int32)
    other = Dataset()
    other.PhotometricInterpretation = "MONOCHROME2"
    other.PixelRepresentation, other.BitsStored = 1, 16
    other.WindowCenter, other.WindowWidth, other.VOILUTFunction = centre, width, function
    other.RescaleSlope, other.RescaleIntercept = 1, 32768  # its answer is then 0 to 65535
    with np.errstate(over="ignore"):
        theirs = apply_windowing(apply_modality_lut(values - 32768, other), other) / 65535
    assert (
        np.abs(apply_window(values.astype(np.float64), centre, width, function) - theirs).max()
        < 1e-4
    )


def test_rescale_comes_before_the_window_and_the_first_window_counts() -> None:
    image = dicom_file(
        scaled(12),
        BitsStored=12,
        RescaleSlope=2,
        RescaleIntercept=-1000,
        WindowCenter=[3096, 40],
        WindowWidth=[8192, 80],
    )
    stored = np.arange(4096.0)
    expected = np.clip((stored * 2 - 1000 - 3095.5) / 8191 + 0.5, 0, 1) * 255
    assert np.array_equal(decode(image), np.floor(expected + 0.5).astype(np.uint8)[scaled(12)])


def test_tables_replace_rescale_and_window() -> None:
    entries = [round(65535 * (n / 255) ** 2) for n in range(256)]
    wanted = np.floor(np.array(entries) / 65535 * 255 + 0.5).astype(np.uint8)[GREY]
    for name in dicom.TABLES:
        tags: dict[str, Any] = {name: table(0, 16, entries)}
        image = dicom_file(GREY, **tags)
        assert np.array_equal(decode(image), wanted)
        assert np.array_equal(decode(anonymise_dicom(image)), wanted)
    image = dicom_file(GREY, VOILUTSequence=table(0, 16, entries), WindowCenter=10, WindowWidth=5)
    assert np.array_equal(decode(image), wanted)


def test_a_table_has_the_byte_order_of_its_file() -> None:
    whole = list(range(256))
    image = dicom_file(GREY, transfer_syntax.BIG_ENDIAN, VOILUTSequence=table(0, 8, whole, ">"))
    assert np.array_equal(decode(image), GREY)
    assert np.array_equal(decode(anonymise_dicom(image)), GREY)


def test_values_beyond_a_table_get_its_first_or_last_entry() -> None:
    tags = {"BitsStored": 8, "PhotometricInterpretation": "MONOCHROME2"}
    levels = gray_levels({**tags, "VOILUTSequence": (2, 100, 8, 10, 20)})
    assert list(levels[[0, 100, 101, 255]]) == [10, 10, 20, 20]


@pytest.mark.parametrize(
    ("name", "signed", "intercept"),
    [("ModalityLUTSequence", 1, 0), ("VOILUTSequence", 1, 0), ("VOILUTSequence", 0, -2048)],
)
def test_a_negative_first_value_may_be_stated_as_unsigned(
    name: str, signed: int, intercept: int
) -> None:
    samples = (scaled(12).astype(np.int64) - 2048 * signed).astype(np.int16)
    tags: dict[str, Any] = {name: table(2**16 - 2048, 12, list(range(4096)))}
    tags |= {"PixelRepresentation": signed, "RescaleIntercept": intercept}
    image = dicom_file(samples, BitsStored=12, **tags)
    assert np.array_equal(decode(image), decode(dicom_file(scaled(12), BitsStored=12)))
    assert np.array_equal(decode(anonymise_dicom(image)), decode(image))


@pytest.mark.parametrize("name", dicom.TABLES)
def test_a_table_that_states_more_bits_than_it_holds_reaches_white(name: str) -> None:
    tags = {"BitsStored": 12, "PhotometricInterpretation": "MONOCHROME2"}
    whole = gray_levels(tags)
    assert np.array_equal(gray_levels({**tags, name: (4096, 0, 16, *range(4096))}), whole)
    assert gray_levels({**tags, name: (4096, 0, 16, *range(30000, 34096))}).max() < 140


@pytest.mark.parametrize("photometric", dicom.GREY)
@pytest.mark.parametrize("window", [{}, {"WindowCenter": 2048, "WindowWidth": 4096}])
def test_the_presentation_lut_shape_inverse_inverts_once(
    photometric: str, window: dict[str, int]
) -> None:
    tags: dict[str, Any] = {
        **window,
        "BitsStored": 12,
        "PhotometricInterpretation": photometric,
    }
    identity = dicom_file(4095 - scaled(12), PresentationLUTShape="IDENTITY", **tags)
    image = dicom_file(4095 - scaled(12), PresentationLUTShape="INVERSE", **tags)
    assert np.array_equal(decode(image), GREY)
    assert np.array_equal(decode(anonymise_dicom(image)), GREY)
    assert np.array_equal(decode(identity), GREY if photometric == "MONOCHROME1" else 255 - GREY)


def without_file_meta(file: bytes) -> bytes:
    """The preamble and "DICM" stay, group 2 goes: it ends at the first tag of group 8."""
    return file[:132] + file[file.index(b"\x08\0\x16\0") :]


@pytest.mark.parametrize("start", [0, 132])
@pytest.mark.parametrize("after", [b"", bytes(100)])
@pytest.mark.parametrize("syntax", ["implicit little endian", "explicit little endian"])
def test_a_file_without_its_meta_tags_is_read(syntax: str, after: bytes, start: int) -> None:
    file = dicom_file(GREY, SYNTAXES[syntax])
    image = (without_file_meta(file) + after)[start:]
    assert np.array_equal(decode(image), GREY)
    assert np.array_equal(decode(anonymise_dicom(image)), GREY)


@pytest.mark.parametrize("padding", [b"\xff", b"\0", b"\xff\0", b"\xff\xff\xff"])
@pytest.mark.parametrize("syntax", ["JPEG 2000", "JPEG lossless, first order", "JPEG-LS"])
def test_bytes_that_pad_a_codestream_are_ignored(syntax: str, padding: bytes) -> None:
    image = padded_codestream(SYNTAXES[syntax], padding)
    assert np.array_equal(decode(image), GREY)
    assert np.array_equal(decode(anonymise_dicom(image)), GREY)


@pytest.mark.parametrize("syntax", ["JPEG 2000", "JPEG lossless, first order", "JPEG-LS"])
def test_a_codestream_without_its_end_is_refused(syntax: str) -> None:
    with pytest.raises(InputError, match="its compressed picture has no end"):
        decode(padded_codestream(SYNTAXES[syntax], b"\xff", keep=-2))


def padded_codestream(syntax: str, padding: bytes, keep: int | None = None) -> bytes:
    """GREY as one fragment, which ends with `padding`; `keep` cuts its own end."""
    code = compress(GREY, syntax, 8)[:keep] + padding
    code += padding[:1] * (len(code) % 2)  # an item has an even length
    image = pydicom.dcmread(io.BytesIO(dicom_file(GREY, syntax)))
    item = struct.pack("<HHI", 0xFFFE, 0xE000, len(code)) + code
    image.PixelData = struct.pack("<HHI", 0xFFFE, 0xE000, 0) + item
    image["PixelData"].is_undefined_length = True
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, image)
    return buffer.getvalue()


def test_a_table_of_8_bit_entries_may_have_more_than_256() -> None:
    tags = {"BitsStored": 12, "PhotometricInterpretation": "MONOCHROME2"}
    entries = [code // 16 for code in range(4096)]
    assert gray_levels({**tags, "VOILUTSequence": (4096, 0, 8, *entries)}).tolist() == entries


def test_a_modality_table_may_have_entries_of_12_bits() -> None:
    tags = {"BitsStored": 8, "PhotometricInterpretation": "MONOCHROME2"}
    table_of_12_bits = (256, 0, 12, *(round(4095 * code / 255) for code in range(256)))
    levels = gray_levels({**tags, "ModalityLUTSequence": table_of_12_bits})
    assert levels.tolist() == list(range(256))


def test_an_intercept_without_a_slope_is_applied() -> None:
    tags = {"BitsStored": 8, "PhotometricInterpretation": "MONOCHROME2"}
    tags |= {"WindowCenter": 0.0, "WindowWidth": 255.0, "VOILUTFunction": "LINEAR_EXACT"}
    levels = gray_levels({**tags, "RescaleIntercept": -127.5})
    assert levels.tolist() == list(range(256))


def test_a_negative_slope_inverts_the_image() -> None:
    assert np.array_equal(decode(dicom_file(255 - GREY, RescaleSlope=-1)), GREY)


@pytest.mark.parametrize(
    ("tags", "shape"),
    [
        ({"PixelSpacing": [0.2, 0.1]}, (24, 20)),
        ({"ImagerPixelSpacing": [0.1, 0.15]}, (16, 40)),
        ({"PixelAspectRatio": ["2", "1"]}, (24, 20)),
        ({"PixelSpacing": [0.14, 0.14], "ImagerPixelSpacing": [0.1, 0.2]}, (24, 40)),
        ({"PixelSpacing": [0, 0]}, (24, 40)),
    ],
)
def test_pixels_become_square(tags: dict[str, Any], shape: tuple[int, int]) -> None:
    image = dicom_file(GREY, **tags)
    assert decode(image).shape == shape
    header = read_header(image)
    assert (header.height, header.width) == shape


def cut(image: bytes) -> bytes:
    return image[: len(image) * 2 // 3]


BIG = picture("big", 300, 300)
REFUSED: dict[str, tuple[bytes, str]] = {
    "multi-frame": (dicom_file(GREY, NumberOfFrames=2), "a multi-frame DICOM of 2"),
    "colour": (
        dicom_file(GREY, SamplesPerPixel=3, PhotometricInterpretation="RGB"),
        "expected a grey DICOM .*, received 3 samples of RGB",
    ),
    "palette colour": (
        dicom_file(GREY, PhotometricInterpretation="PALETTE COLOR"),
        "1 samples of PALETTE COLOR",
    ),
    "32 bits": (dicom_file(GREY.astype(np.uint32)), "received 32 in 32"),
    "a shifted high bit": (dicom_file(scaled(16), BitsStored=12, HighBit=15), "the high bit 11"),
    "no picture": (dicom_file(GREY, Rows=None), "received one without Rows"),
    "cut short": (cut(dicom_file(BIG)), "DICOM file is cut short"),
    "cut short, JPEG": (cut(dicom_file(BIG, transfer_syntax.JPEG[3])), "cut short"),
    "cut short, RLE": (cut(dicom_file(BIG, transfer_syntax.RLE)), "cut short"),
    "cut short, deflated": (cut(dicom_file(BIG, transfer_syntax.DEFLATED)), "cut short|without"),
    "less pixels than it says": (dicom_file(GREY, Rows=30), "expected 1,200 bytes of pixels"),
    "a JPEG of another size": (
        dicom_file(GREY, transfer_syntax.JPEG[3], Rows=30),
        "expected a compressed picture of 40 x 30 grey pixels, received 40 x 24 and 1 component",
    ),
    "a JPEG 2000 of another size": (
        dicom_file(GREY, transfer_syntax.JPEG_2000[0], Rows=30),
        "40 x 24",
    ),
    "an RLE of another size": (dicom_file(GREY, transfer_syntax.RLE, Rows=30), "of uint8|damaged"),
    "a window of no width": (
        dicom_file(GREY, WindowCenter=5, WindowWidth=0),
        "of a positive width",
    ),
    "entries beyond their bits": (
        dicom_file(GREY, VOILUTSequence=table(0, 8, [0, 256])),
        "entries of 8 bits in a look-up table",
    ),
    "a compressed picture of a given length": (
        dicom_file(GREY, transfer_syntax.JPEG[3]).replace(
            b"OB\0\0\xff\xff\xff\xff", b"OB\0\0\xff\xff\0\0"
        ),
        r"damaged \(ValueError\)",
    ),
    "slope 0": (dicom_file(GREY, RescaleSlope=0), "slope other than 0"),
    "pixels like needles": (dicom_file(GREY, PixelSpacing=[9, 1]), "its pixel spacing is wrong"),
    "dark, without a window": (
        dicom_file(GREY.astype(np.uint16) // 16),
        r"one even grey \(0\); it has no window, and its samples of 16 bits hardly differ",
    ),
    "dark, by its window": (
        dicom_file(scaled(12), BitsStored=12, WindowCenter=32768, WindowWidth=65535),
        "a nearly black one.* its window .centre 32768, width 65535. does not fit its samples",
    ),
    "bright, by its window": (
        dicom_file(scaled(12), BitsStored=12, WindowCenter=-30000, WindowWidth=65535),
        "a nearly white one.* its window",
    ),
    "even, by its window": (
        dicom_file(scaled(12), BitsStored=12, WindowCenter=2048, WindowWidth=65535),
        "a nearly even one.* its window",
    ),
    "dark, by its table": (
        dicom_file(GREY, VOILUTSequence=table(0, 8, [code // 16 for code in range(256)])),
        "a nearly black one.* its VOI LUT does not fit",
    ),
    "padding only": (
        dicom_file(GREY, PixelPaddingValue=0, PixelPaddingRangeLimit=255),
        "padding only: all samples lie from 0 to 255",
    ),
    "another presentation LUT shape": (
        dicom_file(GREY, PresentationLUTShape="LIN OD"),
        "presentation LUT shape IDENTITY or INVERSE, received another",
    ),
    "20,000 x 20,000": (dicom_file(GREY, Rows=20000, Columns=20000), "20000 x 20000"),
    "too large before it is square": (
        dicom_file(GREY, Rows=20000, Columns=8000, PixelSpacing=[1, 3.9]),
        "8000 x 20000",
    ),
    "a number that is none": (
        dicom_file(GREY, WindowCenter=1, WindowWidth=12345).replace(b"12345", b"DOE^J"),
        r"damaged \(ValueError\)",
    ),
    "unknown compression": (
        dicom_file(GREY).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0"),
        r"received 1\.2\.840\.10008\.1\.2\.9",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_with_a_reason_that_names_no_person(kind: str) -> None:
    image, reason = REFUSED[kind]
    with pytest.raises(InputError, match=reason) as caught:
        decode(image)
    assert "DOE" not in str(caught.value)
    with pytest.raises(InputError):  # as it is kept
        decode(anonymise_dicom(image))


def test_a_deflated_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer_syntax, "MAX_INFLATED_BYTES", 1000)
    with pytest.raises(InputError, match="unpacks to more than 1,000 bytes"):
        decode(dicom_file(BIG, transfer_syntax.DEFLATED))


def test_the_limit_of_pixels_is_that_of_any_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PIXELS", 900)
    with pytest.raises(InputError, match="at most 900 pixels, received 40 x 24"):
        decode(dicom_file(GREY))


def both_shards(folder: Path, images: list[ReceivedImage], image_px: int) -> tuple[bytes, bytes]:
    """Return the shards' bytes of images as they are, and as DICOM files made from them."""
    other = [as_dicom(image, number, decode(image.data)) for number, image in enumerate(images)]
    found = []
    for name, each in (("jpeg", images), ("dicom", other)):
        (folder / name).mkdir()
        write_raw(folder / name, anonymise(each, None), SOURCES)
        assert SECRET.encode() not in (folder / name / "images.zip").read_bytes()
        params = options(image_px=image_px)
        built = build_shards(open_raw(folder / name)[0], params, folder / name / "shards")
        assert not built.unreadable
        roles = sorted((folder / name / "shards").glob("*.npy"))
        found.append(b"".join(path.read_bytes() for path in roles))
    return found[0], found[1]


def test_dicom_images_give_the_shards_of_the_jpeg_images(tmp_path: Path) -> None:
    images = [received(path, encoded(picture(path))) for path in paths()]
    jpeg, other = both_shards(tmp_path, images, 32)
    assert jpeg == other


@pytest.mark.real
def test_real_images_give_the_same_shards_as_dicom_files(tmp_path: Path) -> None:
    name = "chest_xray_originals_150.zip"
    if not (DATA / name).exists():
        pytest.skip(f"no {DATA / name}")
    images, _ = archive.receive(DATA / name, None)
    jpeg, other = both_shards(tmp_path, list(images), 160)
    assert jpeg == other


def test_an_image_without_a_preamble_is_read() -> None:
    whole, how = dicom_file(GREY), PixelOptions(image_px=32, aspect="keep")
    assert np.array_equal(decode(whole[132:]), GREY)
    assert np.array_equal(prepare(whole, how), prepare(encoded(GREY, "PNG"), how))
