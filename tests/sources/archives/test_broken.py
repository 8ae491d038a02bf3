"""Every kind of broken archive gets what docs/data.md says, and is left as it was."""

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
def test_each_gets_what_the_page_says(kind: str, tmp_path: Path) -> None:
    folder, raw = tmp_path / "source", tmp_path / "raw"
    folder.mkdir()
    raw.mkdir()
    given = KINDS[kind](folder)
    before = contents(folder)
    said = outcome(given, raw)
    assert row_of_page(kind, said) in ROWS, "run `python -m tests.sources.archives.broken`"
    assert contents(folder) == before
    # A refusal by name comes before the first byte; damage inside is found on the way.
    left = (
        []
        if said.startswith("refused")
        else ["checksums.json", "images.zip", "index.csv", "source.json"]
    )
    on_the_way = ["images.zip", "index.csv.partial"] if "can't be unpacked" in said else []
    assert sorted(path.name for path in raw.iterdir()) == left + on_the_way


def test_the_page_has_no_other_rows() -> None:
    assert [row.split(" | ")[0].removeprefix("| ") for row in ROWS] == list(KINDS)
