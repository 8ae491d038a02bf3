import pytest

from stages.engine.errors import InputError
from stages.sources.names import ImageName, parse


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("train/PNEUMONIA/person7_bacteria_24.jpeg",
         ImageName(1, "bacterial", "person7_bacteria", "person7", "train")),
        ("test/PNEUMONIA/person7_virus_24_2.jpeg",
         ImageName(1, "viral", "person7_virus", "person7", "test")),
        ("train/NORMAL/IM-0115-0001.jpeg",
         ImageName(0, "normal", "IM-0115", "IM-0115", "train")),
        ("val/NORMAL/NORMAL2-IM-1427-0001-0002.jpeg",
         ImageName(0, "normal", "NORMAL2-IM-1427", "NORMAL2-IM-1427", "train")),
        ("train/PNEUMONIA/VIRUS-3000-0002.jpeg",
         ImageName(1, "viral", "VIRUS-3000", "patient-3000", "train")),
    ],
)  # fmt: skip
def test_names_of_the_grammar(path: str, expected: ImageName) -> None:
    assert parse(path) == expected


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("train/NORMAL/scan (1).jpeg", "the patient can't be told"),
        ("train/NORMAL/IM-0115-0001.jpeg.exe", "the patient can't be told"),
        ("train/PNEUMONIA/person7_fungus_1.jpeg", "the patient can't be told"),
        ("train/PNEUMONIA/person7_bacteria_１.jpegx", "the patient can't be told"),
        ("train/PNEUMONIA/IM-0115-0001.jpeg", "an image of its folder's class"),
        ("train/NORMAL/person7_virus_1.jpeg", "an image of its folder's class"),
        ("holdout/NORMAL/IM-0115-0001.jpeg", "received another folder"),
        ("train/normal/IM-0115-0001.jpeg", "received another folder"),
    ],
)
def test_other_names_are_refused(path: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(path)
