"""Patients of a table, from `python -m stages.fetch` to the roles and the audit."""

import csv
import shutil
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from stages.commands.main import main
from stages.engine.files import read_json
from tests.sample_images import encoded, picture
from tests.test_fetch_preprocess import stage

TABLE = {"source": "archive", "path": "images", "labels": "labels.csv"}


def table_of(folder: Path, spellings: Iterable[str]) -> None:
    """Write one image and one row for each spelling of a patient, both labels in turn."""
    shutil.rmtree(folder / "images", ignore_errors=True)
    (folder / "images").mkdir()
    rows = [["path", "label", "patient"]]
    for number, patient in enumerate(spellings):
        name = f"{number}.png"
        (folder / "images" / name).write_bytes(encoded(picture(name), "PNG"))
        rows.append([name, str(number // 2 % 2), patient])
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows(rows)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def test_thirty_people_in_two_unicode_forms_stay_thirty(tmp_path: Path) -> None:
    people = [f"Jos\u00e9-{number}" for number in range(30)]
    both = [unicodedata.normalize(form, name) for name in people for form in ("NFC", "NFD")]
    table_of(tmp_path, both)
    fetched = stage("fetch", tmp_path, **TABLE)
    assert fetched.returncode == 0, fetched.stderr
    assert "look the same, counted as one each: 30 (60 spellings, such as" in fetched.stderr
    named = {f"archive/{name}" for name in people}
    assert {row["patient"] for row in rows_of(tmp_path / "data/raw/index.csv")} == named
    merged = read_json(tmp_path / "data/raw/source.json")["merged_patients"]
    assert (merged["patients"], merged["spellings"], len(merged["examples"])) == (30, 60, 20)
    assert merged["examples"][0] == ["'Jose\\u0301-0'", "'Jos\\xe9-0'"]
    kept_by_git = read_json(tmp_path / "data/source.json")["merged_patients"]
    assert kept_by_git == {"patients": 30, "spellings": 60, "examples": []}

    done = stage("preprocess", tmp_path)
    assert done.returncode == 0, done.stderr
    roles = defaultdict(set)
    for row in rows_of(tmp_path / "data/shards/records.csv"):
        roles[row["patient"]].add(row["role"].removesuffix("_tail"))
    assert {*roles} == named
    assert all(len(each) == 1 for each in roles.values())
    assert "audit: patients that the source spells in several ways" in done.stdout
    page = (tmp_path / "data/audit/audit.md").read_text(encoding="utf-8")
    assert "counted as one each: 30 (60 spellings):" in page
    assert "`'Jose\\u0301-0'` = `'Jos\\xe9-0'`" in page
    assert "... and 10 more" in page


def test_spaces_and_invisible_characters_make_no_patient(tmp_path: Path) -> None:
    forms = (
        "child 7",
        "child\u00a07",
        "child\u20097",
        "child  7",
        "\ufeffchild 7",
        "chi\u200bld 7 ",
    )
    table_of(tmp_path, [*forms, "child 8", "child 9"])
    fetched = stage("fetch", tmp_path, **TABLE)
    assert "counted as one each: 1 (6 spellings" in fetched.stderr
    patients = [row["patient"] for row in rows_of(tmp_path / "data/raw/index.csv")]
    assert patients == [f"archive/child {n}" for n in (*6 * (7,), 8, 9)]


def test_one_spelling_each_is_nothing_to_report(tmp_path: Path) -> None:
    table_of(tmp_path, ["e\u0301"] * 3 + ["b"])  # not the stored spelling, but always the same
    fetched = stage("fetch", tmp_path, **TABLE)
    assert fetched.returncode == 0
    assert "spellings" not in fetched.stderr
    assert "merged_patients" not in read_json(tmp_path / "data/raw/source.json")


def test_patients_that_may_be_one_person_stop_fetch_and_pin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = ["Stra\u00dfe", "STRASSE", "\u2460", "1", "\uff21", "A"]
    pairs += [case(f"child-{n}") for n in range(30) for case in (str.upper, str.lower)]
    table_of(tmp_path, pairs)
    failed = stage("fetch", tmp_path, **TABLE)
    assert failed.returncode == 1
    assert "these may be one person (33 in all)" in failed.stderr
    assert "'CHILD-0' and 'child-0'" in failed.stderr
    assert "... and 13 more" in failed.stderr
    assert "Give one person one spelling, and different people ids that differ" in failed.stderr
    assert not (tmp_path / "data/raw").exists()
    monkeypatch.chdir(tmp_path)
    before = Path("params.yaml").read_bytes()
    assert main(["data", "pin", "images"]) == 1
    assert "may be one person" in capsys.readouterr().err
    assert Path("params.yaml").read_bytes() == before

    table_of(tmp_path, pairs[:6])
    failed = stage("fetch", tmp_path, **TABLE)
    for pair in ("'STRASSE' and 'Stra\u00dfe'", "'1' and '\u2460'", "'A' and '\uff21'"):
        assert pair in failed.stderr


def test_turkish_letters_follow_unicode(tmp_path: Path) -> None:
    table_of(tmp_path, ["\u0130smail", "I\u0307smail", "\u0131smail", "\u015een"])
    fetched = stage("fetch", tmp_path, **TABLE)
    assert "counted as one each: 1 (2 spellings" in fetched.stderr, fetched.stderr
    table_of(tmp_path, ["\u0130smail", "i\u0307smail", "b", "c"])
    assert "'i\u0307smail' and '\u0130smail'" in stage("fetch", tmp_path, **TABLE).stderr


def test_an_invisible_id_is_a_missing_one(tmp_path: Path) -> None:
    table_of(tmp_path, ["a", "b", "\u200b\u00a0", "d"])
    failed = stage("fetch", tmp_path, **TABLE)
    assert "line 4 ('2.png'): expected a patient, received none" in failed.stderr


def test_pin_tells_what_was_merged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table_of(tmp_path, ["a", "a\u00a0", "b", "c"])
    stage("inputs", tmp_path, **TABLE)
    monkeypatch.chdir(tmp_path)
    assert main(["data", "pin", "images"]) == 0
    assert "warning: patients that the source spells in several ways" in capsys.readouterr().out
