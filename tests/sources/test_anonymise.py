"""DICOM tags are always removed, names of files and patients on request."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from stages.engine.errors import InputError
from stages.engine.files import read_json
from stages.sources import hash_key
from stages.sources.anonymise import anonymise, anonymise_dicom, anonymise_source
from stages.sources.dicom.tags import UNREADABLE_PLACEHOLDER
from stages.sources.hash_key import HashKey
from stages.sources.index import open_raw
from stages.sources.patient_ids import MergedPatients
from stages.sources.received import ReceivedImage
from stages.sources.writer import write_raw
from tests.dicoms import dicom_file
from tests.sample_images import ORIGIN, SOURCES, encoded, picture

KEY = HashKey(bytes(range(32)))


def image(name: str, patient: str = "", data: bytes | None = None, label: int = 0) -> ReceivedImage:
    folder = ("NORMAL", "PNEUMONIA")[label]
    data = dicom_file(picture(name)) if data is None else data
    return ReceivedImage(
        f"train/{folder}/{name}.dcm", data, label, "", patient or name, patient, "", source="test"
    )


def test_identifying_tags_are_removed() -> None:
    jpeg = encoded(picture("b"))
    kept = list(
        anonymise(
            [image("a"), image("b", data=jpeg), image("c", data=b"\0DICM DOE^JANE")],
            None,
        )
    )
    assert kept[0].data == anonymise_dicom(image("a").data)
    assert kept[1].data == jpeg
    assert kept[2].data == UNREADABLE_PLACEHOLDER
    assert [each.path for each in kept] == [image(name).path for name in "abc"]


def test_hashed_names_keep_patients_together_and_hide_names() -> None:
    images = [image("doe-1", "doe"), image("doe-2", "doe"), image("roe", "roe", label=1)]
    hidden = list(anonymise(images, KEY))
    assert hidden[0].patient == hidden[1].patient != hidden[2].patient
    assert hidden[0].split_group == hidden[1].split_group
    assert len({each.path for each in hidden}) == 3
    assert hidden[2].path.startswith("train/PNEUMONIA/")
    assert hidden[0].path.endswith(".dcm")
    assert "doe" not in repr([(each.path, each.patient, each.split_group) for each in hidden])
    assert hidden == list(anonymise(images, KEY))


def test_patients_with_equal_images_stay_separate() -> None:
    same = dicom_file(picture("same"))
    hidden = list(
        anonymise([image("a", "a", same), image("b", "b", same), image("c", "c", same)], KEY)
    )
    assert len({each.path for each in hidden}) == len({each.patient for each in hidden}) == 3


def test_an_archive_that_grows_renames_nobody() -> None:
    draw = random.Random(0)
    data = dicom_file(picture("one"))
    cohort = [
        image(
            f"{draw.randrange(10**6)}-{number}", f"patient {draw.randrange(40)}", data, number % 2
        )
        for number in range(120)
    ]
    first: dict[str, ReceivedImage] = {}
    for size in (1, 7, 60, 120):  # each cohort holds the one before, in another order
        images = sorted(draw.sample(cohort[:size], size), key=lambda each: each.path)
        hidden = dict(zip([each.path for each in images], anonymise(images, KEY), strict=True))
        assert all(hidden[path] == image for path, image in first.items())
        assert len({each.path for each in hidden.values()}) == size
        assert len({each.patient for each in hidden.values()}) == len(
            {each.patient for each in images}
        )
        first = hidden


def test_names_depend_on_the_key_and_on_what_they_replace_alone() -> None:
    one, two = (next(anonymise([image("a")], HashKey(bytes([n, *range(31)])))) for n in (1, 2))
    assert one.path != two.path
    assert one.patient != two.patient
    corrected = next(anonymise([image("a", data=dicom_file(picture("b")))], KEY))
    assert corrected.path == next(anonymise([image("a")], KEY)).path
    same = next(anonymise([replace(image("a"), split_group="a")], KEY))
    assert same.patient.partition("-")[2] != same.split_group.partition("-")[2]


def test_names_do_not_change_with_the_code() -> None:
    hidden = next(anonymise([image("a", "child 7")], KEY))
    assert hidden.path == "train/NORMAL/4509f9ef13f0205af64c.dcm"
    assert hidden.patient == "patient-6bd3c9e90d156c58806f"


def test_two_originals_of_one_name_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hash_key, "_DIGITS", 1)
    with pytest.raises(InputError, match=r"fetch\.hash_names: this key makes the name . of two"):
        list(anonymise([image(str(n)) for n in range(40)], KEY))


def test_spellings_of_patients_are_left_out_with_the_names() -> None:
    source = replace(ORIGIN, merged_patients=MergedPatients(1, 2, (("'doe'", "'doe '"),)))
    assert anonymise_source(source, None) == source
    assert anonymise_source(source, KEY).merged_patients == MergedPatients(1, 2, ())


def test_raw_folder_identifies_nobody(tmp_path: Path) -> None:
    images = [
        image("doe", "DOE^JANE"),
        image("hand", "roe", dicom_file(picture("hand"), BodyPartExamined="HAND")),
    ]
    write_raw(tmp_path, anonymise(images, KEY), SOURCES)
    for path in tmp_path.iterdir():
        for trace in (b"doe", b"jane", b"roe"):
            assert trace not in path.read_bytes().lower()
    cautions = read_json(tmp_path / "source.json")["cautions"]
    assert cautions == {"body part HAND instead of CHEST": 1}
    assert len(open_raw(tmp_path)[0]) == 2
