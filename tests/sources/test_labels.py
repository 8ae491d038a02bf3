"""Tables of labels: which words stand for the two classes, and what the classes are then called."""

from pathlib import Path

import pytest

from stages.engine.errors import InputError
from stages.sources.labels import read_labels

FRACTURE = ("intact", "fracture")
REFUSED = "expected the label"


def table(folder: Path, *words: str) -> Path:
    path = folder / "labels.csv"
    rows = [f"{number}.png,{word},patient {number}\n" for number, word in enumerate(words)]
    path.write_text("".join(["path,label,patient\n", *rows]), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("words", "stated", "classes"),
    [
        ("0 1", None, None),
        ("0 1", FRACTURE, None),
        ("normal pneumonia", None, ("normal", "pneumonia")),
        ("Normal 1", None, ("normal", "pneumonia")),
        ("normal pneumonia", FRACTURE, ("normal", "pneumonia")),  # renamed for texts alone
        ("normal pneumonia", ("healthy", "pneumonia"), ("normal", "pneumonia")),
        ("intact FRACTURE", FRACTURE, FRACTURE),
        ("0 fracture", FRACTURE, FRACTURE),
        ("pneumonia tuberculosis", ("pneumonia", "tuberculosis"), ("pneumonia", "tuberculosis")),
    ],
)
def test_words_stand_for_negative_and_positive(
    words: str, stated: tuple[str, str] | None, classes: tuple[str, str] | None, tmp_path: Path
) -> None:
    found = read_labels(table(tmp_path, *words.split()), stated)
    assert [facts.label for facts in found.facts.values()] == [0, 1]
    assert found.classes == classes


@pytest.mark.parametrize(
    ("words", "stated", "message"),
    [
        ("intact fracture", None, f"{REFUSED} normal, pneumonia, 0 or 1, received 'intact'"),
        ("0 break", FRACTURE, f"{REFUSED} intact, fracture, 0 or 1, received 'break'"),
        ("normal fracture", FRACTURE, f"{REFUSED} intact, fracture, 0 or 1, received 'normal'"),
        # Params call the other class pneumonia: these words must not swap the classes.
        ("normal pneumonia", ("pneumonia", "tuberculosis"), "received 'normal'"),
    ],
)
def test_words_of_no_class_are_refused(
    words: str, stated: tuple[str, str] | None, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        read_labels(table(tmp_path, *words.split()), stated)


@pytest.mark.parametrize("rest", ['b.png,1,"p 2\nc.png,0,p3\n', 'b.png,1,"p 2"x\nc.png,0,p3\n'])
def test_a_broken_quotation_is_found_where_it_starts(rest: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(f"path,label,patient\na.png,0,p1\n{rest}", encoding="utf-8")
    with pytest.raises(InputError, match="from line 3 on: expected a CSV file"):
        read_labels(path)
