"""What is read and kept of a DICOM file, and its cautions."""

from typing import Any

import numpy as np
import pydicom
import pytest

from stages.engine.errors import InputError
from stages.sources.anonymise import anonymise_dicom
from stages.sources.dicom import tags as dicom
from stages.sources.dicom import transfer_syntax
from stages.sources.dicom.tags import UNREADABLE_PLACEHOLDER, read
from stages.sources.header import read_header
from tests.dicoms import SECRET, SYNTAXES, dicom_file, table
from tests.sample_images import encoded, picture

GREY = picture("image", 40, 24)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_anonymised_file_identifies_nobody_and_has_the_same_image(syntax: str) -> None:
    order = ">" if SYNTAXES[syntax] == transfer_syntax.BIG_ENDIAN else "<"
    tags = {
        "WindowCenter": [100, 50],
        "WindowWidth": [200, 20],
        "VOILUTSequence": table(0, 8, list(range(256)), order),
        "PixelSpacing": [0.143, 0.143],
        "WindowCenterWidthExplanation": SECRET,
        "ViewPosition": SECRET,
        "BodyPartExamined": SECRET,
    }
    image = dicom_file(GREY, SYNTAXES[syntax], **tags)
    kept = anonymise_dicom(image)
    for trace in (b"DOE", b"JANE", b"2019", b"Hospital", b"1.2.3.4"):
        assert trace not in kept.upper()
    assert anonymise_dicom(kept) == kept
    before, after = read(image), read(kept)
    assert after == before
    assert after.tags["ViewPosition"] == after.tags["BodyPartExamined"] == "OTHER"
    names = {element.keyword for element in pydicom.dcmread(pydicom.filebase.BytesIO(kept))}
    assert names <= {*dicom.KEPT, "PixelData"}


def test_anonymised_file_depends_on_the_image_alone() -> None:
    other = dicom_file(GREY, PatientName="ROE^RICHARD", SOPInstanceUID="1.2.99")
    assert anonymise_dicom(other) == anonymise_dicom(dicom_file(GREY))


def test_of_an_unusable_file_no_pixels_are_kept() -> None:
    colour = dicom_file(GREY, SamplesPerPixel=3, PhotometricInterpretation="RGB")
    kept = anonymise_dicom(colour)
    assert len(kept) < 500
    with pytest.raises(InputError, match="3 samples of RGB"):
        read_header(kept)
    broken = dicom_file(GREY).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.x.2.1\0")
    assert anonymise_dicom(broken) == UNREADABLE_PLACEHOLDER
    with pytest.raises(InputError, match="could not be read when it was fetched"):
        read_header(UNREADABLE_PLACEHOLDER)


@pytest.mark.parametrize(
    ("tags", "cautions"),
    [
        ({}, ()),
        ({"ViewPosition": "AP", "BodyPartExamined": "Chest "}, ()),
        ({"ViewPosition": None, "BodyPartExamined": "", "Modality": None}, ()),
        ({"ViewPosition": "LL"}, ("view position LL instead of AP or PA",)),
        ({"ViewPosition": "Frau Doe"}, ("view position OTHER instead of AP or PA",)),
        (
            {"BodyPartExamined": "HAND", "Modality": "CT"},
            ("body part HAND instead of CHEST", "modality CT instead of CR or DX"),
        ),
        ({"BurnedInAnnotation": "YES"}, ("text is burned into the pixels, a name perhaps",)),
    ],
)
def test_cautions(tags: dict[str, Any], cautions: tuple[str, ...]) -> None:
    assert read_header(dicom_file(GREY, **tags), "CHEST").cautions == cautions


@pytest.mark.parametrize(
    ("expected", "cautions"),
    [
        ("WRIST", ()),
        (None, ()),  # nobody has stated what the images show
        ("HAND", ("body part WRIST instead of HAND",)),
        (
            "LUNG",
            ("view position LL instead of AP or PA", "body part WRIST instead of LUNG"),
        ),
    ],
)
def test_a_body_part_is_compared_with_what_the_task_states(
    expected: str | None, cautions: tuple[str, ...]
) -> None:
    wrist = dicom_file(GREY, BodyPartExamined="WRIST", ViewPosition="LL")
    assert read_header(wrist, expected).cautions == cautions


def test_header_facts() -> None:
    header = read_header(dicom_file(GREY.astype(np.uint16), BitsStored=12, PixelSpacing=[0.1, 0.2]))
    assert (header.width, header.height, header.mode) == (40, 12, "MONOCHROME2 12 bits")
    assert (header.icc, header.jpeg_table, header.frames) == (False, None, 1)
    assert read_header(encoded(GREY)).cautions == ()
