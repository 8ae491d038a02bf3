"""The README: its commands run, its links lead somewhere, its figures are those committed."""

import json
import re
import subprocess

import pytest

from stages.metrics.pages.text import format_figure
from tests.workspace import BIN, ROOT, Workspace

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS: list[str] = re.findall(r"^```bash\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)

ELSEWHERE = {
    "make repro\n": "run by .ci/run, twice, in a clean clone",
    "make test\n": "run by .ci/run; here it would start itself",
}
"""Blocks that are not run here, each with the reason."""

SERVED = "make ui\n"

SMALLER = {
    "PATH/TO/chest_xray.zip": "../images.zip",
    "_px=224": "_px=64",
    "$(pneumonia preset scratch)": "$(pneumonia preset scratch) -S preprocess.image_px=64 "
    "-S train.crop_px=48 -S train.epochs=15 -S train.batch=16 -S train.learning_rate=0.01 "
    "-S train.warmup_epochs=1 -S train.ema=0.5 -S train.augment.area=[0.7,1.0]",
}
"""Replaced parts of a command: placeholders, and sizes that would take minutes."""


def test_every_fenced_block_is_known() -> None:
    fences = re.findall(r"^```(\w*)$", README, flags=re.MULTILINE)
    assert set(fences) == {"bash", "text", "mermaid", ""}
    assert set(ELSEWHERE) | {SERVED} <= set(BLOCKS)
    assert all(any(part in block for block in BLOCKS) for part in SMALLER)


def test_every_link_leads_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            target, _, section = link.partition("#")
            if target.startswith("https:"):
                continue
            found = page if not target else page.parent / target
            assert found.exists(), f"{page.name}: {link}"
            if section:
                headings = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), flags=re.M)
                slugs = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}
                assert section in slugs, f"{page.name}: {link}"


def committed(path: str) -> str | None:
    """Return a file of the last commit; the one in the workspace may be an experiment's."""
    done = subprocess.run(
        ["git", "show", f"HEAD:{path}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout if done.returncode == 0 else None


def test_the_results_are_those_of_the_committed_run() -> None:
    page = committed("README.md")
    files = [committed(f"data/{name}") for name in ("report/metrics.json", "validation.json")]
    if page is None or None in files:
        pytest.skip("no README or run is committed yet")
    for split, figures in ((k, v) for file in files for k, v in json.loads(file or "").items()):
        for name in ("auroc", "accuracy", "sensitivity", "specificity"):
            assert format_figure(figures[name]) in page, (
                f"README.md: {split} {name}; run `pneumonia results --write README.md`"
            )


@pytest.mark.slow
def test_the_blocks_run_in_order(copied: Workspace) -> None:
    images = (copied.folder / "data/raw/images.zip").read_bytes()
    (copied.folder.parent / "images.zip").write_bytes(images)
    (copied.folder / ".venv").symlink_to(BIN.parent)
    with (copied.folder / ".git/info/exclude").open("a") as excluded:
        excluded.write(".venv\n")  # .gitignore names a folder, not a link
    for block in BLOCKS:
        if block == SERVED:
            planned = copied.run("make", "--dry-run", "ui").stdout
            assert planned.splitlines()[-1] == ".venv/bin/pneumonia ui"
            with copied.pages():  # on a port that is free
                pass
        elif block not in ELSEWHERE:
            for written, smaller in SMALLER.items():
                block = block.replace(written, smaller)
            copied.run("bash", "-euo", "pipefail", "-c", block)
