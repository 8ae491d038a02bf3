import pytest

from stages.engine.errors import InputError
from stages.sources.names import ImageFacts, parse

VERSION_2_BACTERIA = "train/PNEUMONIA/person7_bacteria_24.jpeg"
VERSION_2_VIRUS = "test/PNEUMONIA/person7_virus_24_2.jpeg"
KAGGLE_VAL = "val/NORMAL/NORMAL2-IM-1427-0001-0002.jpeg"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (VERSION_2_BACTERIA, ("bacterial", "person7_bacteria", "person7", "train")),
        (VERSION_2_VIRUS, ("viral", "person7_virus", "person7", "test")),
        ("train/NORMAL/IM-0115-0001.jpeg", ("normal", "IM-0115", "IM-0115", "train")),
        (KAGGLE_VAL, ("normal", "NORMAL2-IM-1427", "NORMAL2-IM-1427", "train")),
        (
            "train/PNEUMONIA/VIRUS-3000-0002.jpeg",
            ("viral", "VIRUS-3000", "patient-3000", "train"),
        ),
    ],
)
def test_known_names(path: str, expected: tuple[str, str, str, str]) -> None:
    label = 0 if expected[0] == "normal" else 1
    assert parse(path) == ImageFacts(label, *expected)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("train/NORMAL/scan (1).jpeg", "identifies no patient"),
        ("train/NORMAL/IM-0115-0001.jpeg.exe", "identifies no patient"),
        ("train/PNEUMONIA/person7_fungus_1.jpeg", "identifies no patient"),
        ("train/PNEUMONIA/person7_bacteria_１.jpegx", "identifies no patient"),
        ("train/PNEUMONIA/IM-0115-0001.jpeg", "an image of its folder's class"),
        ("train/NORMAL/person7_virus_1.jpeg", "an image of its folder's class"),
        ("holdout/NORMAL/IM-0115-0001.jpeg", "received another folder"),
        ("train/normal/IM-0115-0001.jpeg", "received another folder"),
    ],
)
def test_unknown_names_are_refused(path: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(path)
