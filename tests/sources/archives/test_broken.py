"""Each kind of broken archive is handled as docs/data.md states, and is not changed."""

import hashlib
from pathlib import Path

import pytest

from tests.sources.archives.broken import KINDS, outcome, row_of_page
from tests.workspace import ROOT

PAGE = (ROOT / "docs/data.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("<!-- broken:begin -->")[2].partition("<!-- broken:end -->")[0]
ROWS = TABLE.strip().splitlines()[2:]


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path): "link" if path.is_symlink() else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_outcome_is_that_of_the_page(kind: str, tmp_path: Path) -> None:
    folder, raw = tmp_path / "source", tmp_path / "raw"
    folder.mkdir()
    raw.mkdir()
    given = KINDS[kind](folder)
    before = contents(folder)
    result = outcome(given, raw)
    assert row_of_page(kind, result) in ROWS, "run `python -m tests.sources.archives.broken`"
    assert contents(folder) == before
    if "can't be unpacked" in result:  # damage inside a member is found while writing
        written = ["index.csv.partial"]  # the archive begins with the first image
    elif result.startswith("refused"):
        written = []
    else:
        written = ["checksums.json", "images.zip", "index.csv", "source.json"]
    assert sorted(path.name for path in raw.iterdir()) == written


def test_page_has_no_other_rows() -> None:
    assert [row.split(" | ")[0].removeprefix("| ") for row in ROWS] == list(KINDS)
