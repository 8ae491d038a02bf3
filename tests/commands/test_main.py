"""Each sub-command of `pneumonia` answers, and what a user can get wrong is one line.

`promote` and `predict` by the champion are in test_pipeline.
"""

import json
import re
import shutil
from pathlib import Path

import pytest

from stages.commands.main import main
from stages.metrics.pages.results import BEGIN, END
from tests.workspace import ROOT, Workspace

COMMANDS = (
    "predict", "pin", "promote", "rollback", "history", "runs", "models", "sync", "ui", "results",
    "figures", "seeds", "ablation", "stress", "thresholds", "pointing", "audit", "verify",
    "export",
)  # fmt: skip
LIGHT = """
import sys
from stages.commands.main import main
status = main(sys.argv[1:])
print({name.partition(".")[0] for name in sys.modules} & {"tensorflow", "keras", "mlflow"})
sys.exit(status)
"""


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    shown = capsys.readouterr().out
    assert re.findall(r"^    (\w+)(?: |$)", shown, flags=re.MULTILINE) == list(COMMANDS)
    assert "Not a diagnosis" in shown


@pytest.mark.parametrize("command", ["results", "figures"])
def test_light_commands_stay_light(finished: Workspace, command: str) -> None:
    words = ["figures", ".cache/picture.png"] if command == "figures" else [command]
    said = finished.run("python", "-c", LIGHT, *words).stdout
    assert said.splitlines()[-1] == "set()"


def test_results_fill_the_space_between_the_marks(finished: Workspace, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    finished.run("pneumonia", "results", "--write", str(page))
    text = page.read_text(encoding="utf-8")
    table = finished.run("pneumonia", "results").stdout.strip()
    assert text == f"before\n{BEGIN}\n\n{table}\n\n{END}\nafter\n"
    assert "Synthetic data" in table
    assert re.search(r"\| AUROC \| \d\.\d{3} \(", table)


def test_the_picture_is_small_and_the_same_again(finished: Workspace, tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        finished.run("pneumonia", "figures", str(tmp_path / name))
    data = (tmp_path / "one.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert len(data) < 300_000
    assert data == (tmp_path / "two.png").read_bytes()


@pytest.mark.slow
def test_stress_has_a_row_for_every_variant_and_class(finished: Workspace) -> None:
    said = finished.run("pneumonia", "stress").stdout
    assert len(said.splitlines()) == 2 + 1 + 6 * 3
    assert re.search(r"^\| frame blanked \| normals only \| \d\.\d{3} \(", said, re.MULTILINE)
    assert said == finished.run("pneumonia", "stress").stdout


@pytest.mark.slow
def test_pointing_stands_beside_chance(finished: Workspace) -> None:
    said = finished.run("pneumonia", "pointing").stdout
    assert re.search(r"^\| with a lesion \| \d+ (\| \d\.\d{3} \(.*\) ){3}\|$", said, re.MULTILINE)


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: ")
    assert len(shown.err.splitlines()) == 1
    return shown.err


def test_mistakes_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["results"]) == 1
    assert "run from the repository's root" in one_line(capsys)

    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    Path("params.yaml").write_text(params.replace("  draws:", "  drawz:"), encoding="utf-8")
    moving = (["promote"], ["rollback"], ["history"], ["runs"], ["models"], ["sync"])
    for words in (["results"], ["predict", "image.jpeg"], ["ui"], *moving):
        assert main(words) == 1
        assert "evaluate.drawz: expected no such key" in one_line(capsys)

    shutil.copy(ROOT / "params.yaml", tmp_path)
    assert main(["results"]) == 1
    assert "data/report/judged.json" in one_line(capsys)
    for words in (["promote"], ["rollback"], ["history"]):
        assert main(words) == 1
        assert "data/release.json" in one_line(capsys)
    assert main(["sync"]) == 1
    assert ".dvc: expected a DVC repository" in one_line(capsys)
    for words in (["promote", "--override"], ["promote", "--reason", "mine"]):
        assert main(words) == 1
        assert 'expected --override and --reason "..." together' in one_line(capsys)
    assert main(["figures", "picture.png"]) == 1
    assert "data/raw/index.csv: expected an index, found none" in one_line(capsys)
    assert main(["stress"]) == 1
    assert "data/shards/manifest.json" in one_line(capsys)
    assert main(["pointing"]) == 1
    assert "data/shards/manifest.json" in one_line(capsys)
    for command in ("results", "ablation"):
        assert main([command, "--write", "nowhere.md"]) == 1
        assert "nowhere.md: expected a page with marks" in one_line(capsys)
    assert main(["seeds", "0"]) == 1
    assert "expected a number from 1, received 0" in one_line(capsys)
    assert main(["export", "model.keras"]) == 1
    assert "expected a name ending in .h5" in one_line(capsys)


def test_words_that_are_no_command_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["diagnose"])
    assert "invalid choice: 'diagnose'" in capsys.readouterr().err


@pytest.mark.slow
def test_a_model_file_answers_and_is_exported(copied: Workspace) -> None:
    copied.run("python", "-m", "zipfile", "-e", "data/raw/images.zip", ".cache/images")
    image = next((copied.folder / ".cache/images/test/NORMAL").iterdir())
    words = ("pneumonia", "predict", "--json", "--model", "data/model/model.keras", str(image))
    (answer,) = json.loads(copied.run(*words).stdout)
    assert answer["decision"] in ("normal", "pneumonia")
    assert 0 <= answer["probability"] <= 1
    assert answer["model"] == json.loads(copied.text("data/release.json"))["model_digest"]
    copied.run("pneumonia", "export", "model.h5")
    assert (copied.folder / "model.h5").read_bytes().startswith(b"\x89HDF")


@pytest.mark.slow
def test_a_version_that_is_not_there_is_one_line(copied: Workspace) -> None:
    refused = copied.run("pneumonia", "promote", "99", expect=1)
    assert refused.stderr.startswith("error: pneumonia-phantom: expected a version, received '99'")
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.slow
def test_the_pages_are_served_until_interrupted(copied: Workspace) -> None:
    with copied.pages() as page:
        assert b"<title>MLflow</title>" in page
