"""A table of ids that are one person: joined whatever their sources, unknown ids refused."""

from pathlib import Path

import pytest

from stages.engine.errors import InputError
from stages.engine.files import read_json
from stages.sources.index import read_index
from stages.sources.received import NamedSource, ReceivedImage
from stages.sources.same_patients import read_same_patients
from stages.sources.writer import write_raw
from tests.sample_images import ORIGIN, encoded, picture

SOURCES = [NamedSource("lyon", "train", ORIGIN), NamedSource("paris", "judge", ORIGIN)]


def image(source: str, patient: str, group: str, number: int = 0) -> ReceivedImage:
    path = f"{patient}-{number}.png"
    data = encoded(picture(f"{source}/{path}"), "PNG")
    return ReceivedImage(path, data, 0, "normal", patient, group, "").named(source)


def images() -> list[ReceivedImage]:
    """`a_bacteria` and `a_virus` may be one person; c of Paris is another than c of Lyon."""
    return [
        image("lyon", "a_bacteria", "a"),
        image("lyon", "a_virus", "a"),
        image("lyon", "b", "b"),
        image("lyon", "c", "c"),
        image("paris", "c", "c"),
        image("paris", "x", "x"),
    ]


def table(folder: Path, *rows: str, columns: str = "patient,same_as") -> Path:
    path = folder / "same.csv"
    path.write_text("\n".join([columns, *rows, ""]), encoding="utf-8")
    return path


def written(folder: Path, *rows: str) -> dict[str, tuple[str, str]]:
    """Patient and split group of each image."""
    raw = folder / "raw"
    raw.mkdir()
    write_raw(raw, images(), SOURCES, same_patients=read_same_patients(table(folder, *rows)))
    return {row.path: (row.patient, row.split_group) for row in read_index(raw)}


def test_equal_ids_of_two_sources_are_two_patients_and_counted(tmp_path: Path) -> None:
    write_raw(tmp_path, images(), SOURCES)
    patients = {row.path: row.patient for row in read_index(tmp_path)}
    assert (patients["lyon/c-0.png"], patients["paris/c-0.png"]) == ("lyon/c", "paris/c")
    facts = read_json(tmp_path / "source.json")
    assert facts["equal_ids"] == 1
    counted = [(each["name"], each["images"], each["patients"]) for each in facts["sources"]]
    assert counted == [("lyon", 4, 4), ("paris", 2, 2)]


def test_the_ids_of_one_person_become_the_smallest_across_any_number_of_rows(
    tmp_path: Path,
) -> None:
    found = written(tmp_path, "paris/x,lyon/b", " paris/x , lyon/c ")
    assert {found[f"{name}-0.png"] for name in ("paris/x", "lyon/b", "lyon/c")} == {
        ("lyon/b", "lyon/b")
    }
    assert found["paris/c-0.png"] == ("paris/c", "paris/c")


def test_groups_of_one_person_are_joined_with_all_their_patients(tmp_path: Path) -> None:
    found = written(tmp_path, "lyon/a_virus,lyon/b")
    assert found["lyon/a_virus-0.png"] == found["lyon/b-0.png"] == ("lyon/a_virus", "lyon/a")
    assert found["lyon/a_bacteria-0.png"] == ("lyon/a_bacteria", "lyon/a")


def test_an_unknown_id_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"(?s)same\.csv: .*line 3: 'lyon/z' is no patient"):
        written(tmp_path, "paris/x,lyon/b", "paris/c,lyon/z")
    assert not (tmp_path / "raw/index.csv").exists()


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        (["a,b"], "patient,same", "expected the columns patient,same_as, received patient,same"),
        (["a,b"], "", "expected the columns patient,same_as, received an empty file"),
        (["a/1"], "patient,same_as", "line 2: expected two different ids"),
        (["a/1,"], "patient,same_as", "line 2: expected two different ids"),
        (["a/1,a/2,a/3"], "patient,same_as", "line 2: expected two different ids"),
        (["a/1,a/1"], "patient,same_as", "line 2: expected two different ids"),
    ],
)
def test_another_table_is_refused(
    rows: list[str], columns: str, message: str, tmp_path: Path
) -> None:
    path = table(tmp_path, *rows, columns=columns)
    if not columns:
        path.write_text("")
    with pytest.raises(InputError, match=message):
        read_same_patients(path)
    path.unlink()
    with pytest.raises(InputError, match=r"^fetch\.same_patients: expected a table, found no file"):
        read_same_patients(path)
