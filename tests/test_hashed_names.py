"""Hashed names from end to end: they stay as the archive grows, and the key is an input."""

import csv
from pathlib import Path

import pytest

from stages.engine.files import read_json
from stages.sources import hash_key
from stages.sources.hash_key import HashKey
from tests.sample_images import encoded, paths, picture, zipped
from tests.test_fetch_preprocess import stage
from tests.test_patients import TABLE, table_of
from tests.workspace import copy_tree

HASHED = {**TABLE, "hash_names": "names.key"}


def stages(folder: Path, **fetch: object) -> None:
    for name in ("inputs", "fetch"):
        done = stage(name, folder, **fetch)
        assert done.returncode == 0, done.stderr


def names_of(folder: Path) -> dict[str, tuple[str, str]]:
    """Path and patient by the digest of the image."""
    with (folder / "data/raw/index.csv").open(encoding="utf-8", newline="") as handle:
        return {row["sha256"]: (row["path"], row["patient"]) for row in csv.DictReader(handle)}


def test_an_archive_that_grows_renames_nobody(tmp_path: Path) -> None:
    hash_key.make(tmp_path / "names.key")
    people = [f"doe {number}" for number in range(9)]
    table_of(tmp_path, people[4:])
    stages(tmp_path, **HASHED)
    first = names_of(tmp_path)
    assert len(first) == 5
    for path in (tmp_path / "data").rglob("*"):
        assert path.is_dir() or b"doe" not in path.read_bytes()

    # Images come before those that were there, of old patients too.
    table_of(tmp_path, [*people[4:], *people])
    (tmp_path / "images/13.png").rename(tmp_path / "images/0 new.png")
    table = tmp_path / "labels.csv"
    table.write_text(table.read_text().replace("13.png", "0 new.png"))
    stages(tmp_path, **HASHED)
    grown = names_of(tmp_path)
    assert len(grown) == 14
    assert {sha256: grown[sha256] for sha256 in first} == first
    assert {patient for _, patient in first.values()} < {patient for _, patient in grown.values()}
    assert len({patient for _, patient in grown.values()}) == 9


def test_spellings_are_one_before_they_are_hashed_and_are_not_written(tmp_path: Path) -> None:
    hash_key.make(tmp_path / "names.key")
    table_of(tmp_path, ["jos\u00e9", "jose\u0301", "jos\u00e9\u00a0", "ann"])
    done = stage("fetch", tmp_path, **HASHED)
    assert "counted as one each: 1 (3 spellings)" in done.stderr
    assert len({patient for _, patient in names_of(tmp_path).values()}) == 2
    for path in (tmp_path / "data").rglob("*"):
        assert path.is_dir() or b"jos" not in path.read_bytes()
    assert read_json(tmp_path / "data/raw/source.json")["merged_patients"]["examples"] == []


def test_who_has_the_key_makes_the_same_bytes(tmp_path: Path) -> None:
    table_of(tmp_path, "abcd")
    hash_key.make(tmp_path / "names.key")
    stages(tmp_path, **HASHED)
    raw = {path.name: path.read_bytes() for path in (tmp_path / "data/raw").iterdir()}
    inputs = (tmp_path / "data/inputs.json").read_bytes()
    (tmp_path / "names.key").rename(tmp_path / "moved.key")
    stages(tmp_path, **HASHED | {"hash_names": "moved.key"})
    assert raw == {path.name: path.read_bytes() for path in (tmp_path / "data/raw").iterdir()}
    assert inputs == (tmp_path / "data/inputs.json").read_bytes()
    (tmp_path / "moved.key").unlink()
    hash_key.make(tmp_path / "names.key")
    failed = stage("fetch", tmp_path, **HASHED)  # and not `inputs`, which records keys
    assert "fetch.hash_names: expected the content of names.key" in failed.stderr
    stages(tmp_path, **HASHED)
    assert raw["index.csv"] != (tmp_path / "data/raw/index.csv").read_bytes()
    assert inputs != (tmp_path / "data/inputs.json").read_bytes()


@pytest.mark.parametrize("name", ["inputs", "fetch"])
def test_the_keyless_form_of_earlier_versions_says_what_to_do(tmp_path: Path, name: str) -> None:
    table_of(tmp_path, "abcd")
    failed = stage(name, tmp_path, **HASHED | {"hash_names": True})
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: fetch.hash_names: expected false or the path of a key")
    assert "`pneumonia data key PATH`, outside the repository, and give that PATH" in failed.stderr
    assert {path.name for path in (tmp_path / "data").glob("*")} <= {"roles.csv"}


def test_names_of_the_known_scheme_are_hashed_too(tmp_path: Path) -> None:
    hash_key.make(tmp_path / "names.key")
    zipped(tmp_path / "images.zip", {path: encoded(picture(path)) for path in paths()})
    stages(tmp_path, source="archive", path="images.zip", hash_names="names.key")
    key = HashKey((tmp_path / "names.key").read_bytes())
    with (tmp_path / "data/raw/index.csv").open(encoding="utf-8", newline="") as handle:
        hidden = {row["patient"] for row in csv.DictReader(handle)}
    assert f"archive/patient-{key.name('patient', 'IM-0001')}" in hidden


@pytest.mark.slow
def test_dvc_sees_a_changed_key_and_needs_none_for_what_is_cached(tmp_path: Path) -> None:
    workspace = copy_tree(tmp_path / "clone")
    key = tmp_path / "names.key"
    table_of(tmp_path, "abcdefgh")
    workspace.params({f"fetch.{name}": f"../{value}" for name, value in HASHED.items()})
    workspace.params({"fetch.source": "archive"})
    failed = workspace.run("dvc", "repro", "fetch", expect=255)
    assert "expected a key, found no file at" in failed.stderr
    assert "make a key with `pneumonia data key PATH`" in failed.stderr

    workspace.run("pneumonia", "data", "key", "../names.key")
    workspace.run("pneumonia", "data", "pin", "../images")
    workspace.run("dvc", "repro", "fetch")
    first = workspace.text("data/raw/index.csv")
    workspace.commit()

    secret = key.read_bytes()
    key.unlink()
    unchanged = workspace.run("dvc", "repro", "fetch")
    assert "Stage 'fetch' didn't change, skipping" in unchanged.stdout
    failed = workspace.run("dvc", "repro", "--force", "--single-item", "fetch", expect=255)
    assert "expected a key, found no file at" in failed.stderr
    assert workspace.text("data/raw/index.csv") == first

    workspace.run("pneumonia", "data", "key", "../names.key")
    changed = workspace.run("dvc", "repro", "fetch")
    assert "Running stage 'fetch'" in changed.stdout
    assert workspace.text("data/raw/index.csv") != first
    key.write_bytes(secret)
    workspace.run("dvc", "repro", "fetch")
    assert workspace.text("data/raw/index.csv") == first
