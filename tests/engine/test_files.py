"""Files and folders are written whole or not at all; JSON and digests have one form."""

import hashlib
import re
from pathlib import Path

import pytest

from stages.engine import files
from stages.engine.errors import InputError


def test_digests_are_sha256(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "a").write_bytes(data)
    expected = hashlib.sha256(data).hexdigest()
    assert files.sha256_bytes(data) == files.sha256_file(tmp_path / "a") == expected


def test_canonical_json_has_one_form() -> None:
    one = files.canonical_json({"b": [1, 2.5], "a": "é"})
    assert one == files.canonical_json({"a": "é", "b": [1, 2.5]})
    assert one == '{\n  "a": "é",\n  "b": [\n    1,\n    2.5\n  ]\n}\n'


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_have_are_refused(tmp_path: Path, number: float) -> None:
    for write in (files.canonical_json, files.digest):
        with pytest.raises(ValueError, match="not JSON compliant"):
            write({"auroc": number})
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "metrics.json", number)
    assert list(tmp_path.iterdir()) == []


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    golden = "43258cff783fe7036d8a43033f830adfc60ec037382473548ac742b888292777"
    assert files.digest({"b": 2, "a": 1}) == files.digest({"a": 1, "b": 2}) == golden
    assert files.digest({"a": 1, "b": 3}) != golden


def test_writing_makes_folders_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "one" / "two" / "facts.json"
    files.write_json(path, {"a": 1})
    assert files.read_json(path) == {"a": 1}
    files.write_text(path, "other\n")
    assert path.read_bytes() == b"other\n"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("old", [None, "old"])
def test_an_error_while_writing_leaves_what_was_there(tmp_path: Path, old: str | None) -> None:
    path = tmp_path / "index.csv"
    if old is not None:
        path.write_text(old)

    def write() -> None:
        with files.replacing(path) as temporary:
            temporary.write_text("ne")
            assert (path.read_text() if path.exists() else None) == old
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        write()
    assert (path.read_text() if path.exists() else None) == old
    assert [found.name for found in tmp_path.iterdir()] == (["index.csv"] if old else [])


def test_the_temporary_file_is_in_the_same_folder_and_nobody_can_guess_its_name(
    tmp_path: Path,
) -> None:
    names = set()
    for _ in range(2):
        with files.replacing(tmp_path / "index.csv") as temporary:
            assert temporary.parent == tmp_path
            assert re.fullmatch(r"\.index\.csv\.[0-9a-f]{16}\.tmp", temporary.name)
            names.add(temporary.name)
            temporary.write_text("x")
    assert len(names) == 2


def test_writing_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), files.replacing(tmp_path / "index.csv"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe\x00"])
def test_a_broken_json_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "manifest.json"
    with pytest.raises(InputError, match=r"manifest\.json: expected a file, found none"):
        files.read_json(path)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"manifest\.json: expected JSON, received something else"):
        files.read_json(path)
