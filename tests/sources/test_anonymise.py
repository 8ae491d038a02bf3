"""DICOM tags are always removed, names of files and patients on request."""

from pathlib import Path

from stages.engine.files import read_json
from stages.sources.anonymise import anonymise, anonymise_dicom
from stages.sources.dicom.tags import UNREADABLE_PLACEHOLDER
from stages.sources.index import open_raw
from stages.sources.received import ReceivedImage
from stages.sources.writer import write_raw
from tests.dicoms import dicom_file
from tests.sample_images import SOURCE, encoded, picture


def image(name: str, patient: str = "", data: bytes | None = None, label: int = 0) -> ReceivedImage:
    folder = ("NORMAL", "PNEUMONIA")[label]
    data = dicom_file(picture(name)) if data is None else data
    return ReceivedImage(
        f"train/{folder}/{name}.dcm", data, label, "", patient or name, patient, ""
    )


def test_identifying_tags_are_removed() -> None:
    jpeg = encoded(picture("b"))
    kept = list(
        anonymise(
            [image("a"), image("b", data=jpeg), image("c", data=b"\0DICM DOE^JANE")],
            hash_names=False,
        )
    )
    assert kept[0].data == anonymise_dicom(image("a").data)
    assert kept[1].data == jpeg
    assert kept[2].data == UNREADABLE_PLACEHOLDER
    assert [each.path for each in kept] == [image(name).path for name in "abc"]


def test_hashed_names_keep_patients_together_and_hide_names() -> None:
    images = [image("doe-1", "doe"), image("doe-2", "doe"), image("roe", "roe", label=1)]
    hidden = list(anonymise(images, hash_names=True))
    assert hidden[0].patient == hidden[1].patient != hidden[2].patient
    assert hidden[0].split_group == hidden[1].split_group
    assert len({each.path for each in hidden}) == 3
    assert hidden[2].path.startswith("train/PNEUMONIA/")
    assert hidden[0].path.endswith(".dcm")
    assert "doe" not in repr([(each.path, each.patient, each.split_group) for each in hidden])
    assert hidden == list(anonymise(images, hash_names=True))


def test_patients_with_equal_images_stay_separate() -> None:
    same = dicom_file(picture("same"))
    hidden = list(
        anonymise(
            [image("a", "a", same), image("b", "b", same), image("c", "c", same)], hash_names=True
        )
    )
    assert len({each.path for each in hidden}) == len({each.patient for each in hidden}) == 3


def test_raw_folder_identifies_nobody(tmp_path: Path) -> None:
    images = [
        image("doe", "DOE^JANE"),
        image("hand", "roe", dicom_file(picture("hand"), BodyPartExamined="HAND")),
    ]
    write_raw(tmp_path, anonymise(images, hash_names=True), SOURCE)
    for path in tmp_path.iterdir():
        for trace in (b"doe", b"jane", b"roe"):
            assert trace not in path.read_bytes().lower()
    cautions = read_json(tmp_path / "source.json")["cautions"]
    assert cautions == {"body part HAND instead of CHEST": 1}
    assert len(open_raw(tmp_path)[0]) == 2
