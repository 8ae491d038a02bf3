"""The commands of `pneumonia`: each answers, and a user's mistake is one clear message.

`promote` and `predict` by the champion are in test_pipeline.
"""

import inspect
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import yaml
from typer.models import OptionInfo

from stages.commands import main as program
from stages.commands.main import COMMANDS, FORMER, GROUPS, main
from stages.commands.registration import with_params
from stages.metrics.pages.results import BEGIN, END
from stages.settings.params import Params
from tests.workspace import BIN, ROOT, Workspace

NAMES = [*COMMANDS, *(f"{group} {name}" for group in GROUPS for name in GROUPS[group].COMMANDS)]
HEAVY = "tensorflow", "keras", "mlflow"
LIGHT = f"""
import sys
from stages.commands.main import main
status = main(sys.argv[1:])
print({{name.partition(".")[0] for name in sys.modules}} & {set(HEAVY)})
sys.exit(status)
"""


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Help of 200 columns, so that no line is broken."""
    monkeypatch.setenv("TERMINAL_WIDTH", "200")
    monkeypatch.setenv("COLUMNS", "200")


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str], wide: None) -> None:
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert re.findall(r"^│ (\w+) +[A-Z]", printed, flags=re.MULTILINE) == [*COMMANDS, *GROUPS]
    assert "Not a diagnosis" in printed
    for group, module in GROUPS.items():
        assert main([group, "--help"]) == 0
        printed = capsys.readouterr().out
        assert re.findall(r"^│ (\w+) +[A-Z]", printed, flags=re.MULTILINE) == list(module.COMMANDS)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_help_and_needs_no_params_for_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for option in ("-h", "--help"):
        assert main([*name.split(), option]) == 0
        assert f"Usage: pneumonia {name} " in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["data"], ["model"], ["study"]], ids=" ".join)
def test_without_a_command_the_help_is_printed(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    printed = capsys.readouterr()
    assert "Commands" in printed.out
    assert printed.err == ""


def arguments_of(name: str) -> list[str]:
    """The command's words with something for each required argument."""
    group, _, command = name.rpartition(" ")
    function = GROUPS[group].COMMANDS[command] if group else COMMANDS[command]
    checked_first = name not in program.COMPLETING
    required = [
        parameter
        for parameter in list(inspect.signature(function).parameters.values())[checked_first:]
        if parameter.default is inspect.Parameter.empty
    ]
    words = [
        [f"--{parameter.name}", "1"] if is_option(parameter) else ["1"] for parameter in required
    ]
    return [*name.split(), *itertools.chain(*words)]


def is_option(parameter: inspect.Parameter) -> bool:
    return any(isinstance(each, OptionInfo) for each in get_args(parameter.annotation))


@pytest.mark.parametrize(
    "name", [name for name in (*NAMES, *FORMER) if name not in program.WITHOUT_PARAMS]
)
def test_a_broken_params_file_stops_every_command_before_any_work(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    tree = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    tree["register"]["floors"]["auroc"] = 90
    Path("params.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    present = arguments_of(FORMER.get(name, name))
    words = [name, *present[len(FORMER[name].split()) :]] if name in FORMER else present
    assert main(words) == program.REFUSED.get(name, 1)
    printed = capsys.readouterr()
    assert printed.err.startswith("error: params.yaml: register.floors.auroc: expected")
    assert printed.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_params_are_passed_to_a_command_as_its_first_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    received: list[object] = []

    def command(params: "Params", count: int, name: str = "x") -> int:
        """Describe it."""
        received.extend((params, count, name))
        return 3

    wrapped = with_params(command)
    assert wrapped(2) == 3
    assert isinstance(received[0], Params)
    assert received[1:] == [2, "x"]
    assert list(inspect.signature(wrapped).parameters) == ["count", "name"]
    assert wrapped.__doc__ == "Describe it."


@pytest.mark.parametrize("name", FORMER)
def test_former_names_work_and_are_not_listed(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, wide: None
) -> None:
    helps = []
    for words in ([name], FORMER[name].split()):
        assert main([*words, "--help"]) == 0
        usage, _, text = capsys.readouterr().out.strip().partition("\n")
        assert usage.startswith(f"Usage: pneumonia {' '.join(words)} ")
        helps.append(text)
    assert helps[0] == helps[1]
    main(["--help"])
    assert not re.search(rf"^│ {name} ", capsys.readouterr().out, flags=re.MULTILINE)


def test_on_a_terminal_a_former_name_is_answered_with_the_present_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["audit"]) == 1
    assert (
        capsys.readouterr().err.splitlines()[0] == "`pneumonia audit` is now `pneumonia data audit`"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["diagnose"],
            r"pneumonia: No such command 'diagnose'; commands: predict, serve, promote, .*study",
        ),
        (["predcit"], "Did you mean 'predict'"),
        (
            ["model", "pin"],
            "pneumonia model: No such command 'pin'; commands: list, runs, export, upgrade",
        ),
        (["predict"], r"expected IMAGE\.\.\., or --batch IMAGES --out TABLE; usage: pneumonia pre"),
        (["predict", "--modle", "x"], r"No such option: --modle \(Possible options: --model\)"),
        (["ui", "--port", "99999"], "'--port': .*less than or equal to 65535"),
        (["ui", "--port", "x"], "'--port': .*valid integer"),
        (["data", "pin", "a", "b"], r"unexpected extra argument.*usage: pneumonia data pin"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_usage_error_says_what_is_allowed(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: pneumonia")
    assert re.search(message, printed.err), printed.err
    assert re.search(r"\(see `pneumonia.* --help`\)$", printed.err.strip())
    assert len(printed.err.splitlines()) == 1


def test_ctrl_c_is_130_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("stages.settings.params.load", interrupt)
    assert main(["results"]) == 130
    assert capsys.readouterr().err == ""


def test_a_fault_of_the_machine_is_one_line_and_a_bug_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(error: Exception) -> None:
        def load(*_: object) -> None:
            raise error

        monkeypatch.setattr("stages.settings.params.load", load)

    fail(OSError(28, "No space left on device", "data/x"))
    assert main(["results"]) == 1
    assert one_line(capsys).startswith("error: data/x: the disk is full")
    fail(RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        main(["results"])
    fail(OSError(2, "No such file"))
    with pytest.raises(OSError, match="No such file"):
        main(["results"])


def test_completion_knows_commands_and_options(tmp_path: Path) -> None:
    def complete(words: str) -> list[str]:
        finished = subprocess.run(
            [str(BIN / "pneumonia")],
            cwd=tmp_path,  # where there is no params.yaml
            env=os.environ
            | {
                "PYTHONPATH": str(ROOT),
                "_PNEUMONIA_COMPLETE": "complete_bash",
                "COMP_WORDS": words,
                "COMP_CWORD": str(len(words.split(" ")) - 1),
            },
            capture_output=True,
            text=True,
            check=True,
        )
        return finished.stdout.split()

    assert complete("pneumonia pr") == ["predict", "promote", "preset"]
    assert complete("pneumonia study s") == ["seeds", "stress"]
    assert complete("pneumonia predict --mo") == ["--model"]


PAGES = [
    *(ROOT / name for name in ("README.md", "params.yaml", "dvc.yaml", "Makefile")),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "stages").rglob("*.py"),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_pages_and_messages_name_present_commands(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    command = r"pneumonia (?!-)(\w+)(?:\s+(\w+))?"
    blocks = "".join(re.findall(r"^ *```bash\n(.*?)^ *```$", text, flags=re.DOTALL | re.MULTILINE))
    in_blocks = re.findall(rf"^ *{command}", blocks, flags=re.MULTILINE)
    for first, second in [*re.findall(f"`{command}", text), *in_blocks]:
        name = f"{first} {second}" if first in GROUPS else first
        assert name in NAMES, f"pneumonia {first} {second}"


@pytest.mark.parametrize("words", ["results", "data figures .cache/picture.png", "data audit"])
def test_light_commands_import_no_heavy_library(finished: Workspace, words: str) -> None:
    printed = finished.run("python", "-c", LIGHT, *words.split()).stdout
    assert printed.splitlines()[-1] == "set()"


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
        finished.run("pneumonia", "data", "figures", str(tmp_path / name))
    data = (tmp_path / "one.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert len(data) < 300_000
    assert data == (tmp_path / "two.png").read_bytes()


@pytest.mark.slow
def test_stress_has_a_row_for_every_variant_and_class(finished: Workspace) -> None:
    printed = finished.run("pneumonia", "study", "stress").stdout
    assert len(printed.splitlines()) == 2 + 1 + 6 * 3
    assert re.search(r"^\| frame blanked \| negatives only \| \d\.\d{3} \(", printed, re.MULTILINE)
    assert printed == finished.run("pneumonia", "stress").stdout


@pytest.mark.slow
def test_pointing_has_a_column_for_chance(finished: Workspace) -> None:
    printed = finished.run("pneumonia", "study", "pointing").stdout
    assert re.search(
        r"^\| with a lesion \| \d+ (\| \d\.\d{3} \(.*\) ){3}\|$", printed, re.MULTILINE
    )


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert len(printed.err.splitlines()) == 1
    return printed.err


def test_mistakes_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["results"]) == 1
    assert "run from the root of the repository" in one_line(capsys)

    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    Path("params.yaml").write_text(params.replace("  epochs:", "  epoch:"), encoding="utf-8")
    for words in (["results"], ["predict", "image.jpeg"], ["ui"], ["model", "list"], ["sync"]):
        assert main(words) == 1
        assert "train: unknown key `epoch`; did you mean `epochs`?" in capsys.readouterr().err

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
    assert main(["data", "figures", "picture.png"]) == 1
    assert "data/raw/index.csv: expected an index, found none" in one_line(capsys)
    assert main(["study", "stress"]) == 1
    assert "data/shards/manifest.json" in one_line(capsys)
    assert main(["study", "pointing"]) == 1
    assert "data/shards/manifest.json" in one_line(capsys)
    for words in (["results"], ["study", "ablation"]):
        assert main([*words, "--write", "nowhere.md"]) == 1
        assert "nowhere.md: expected a page with marks" in one_line(capsys)
    assert main(["study", "seeds", "0"]) == 1
    assert "expected a number from 1, received 0" in one_line(capsys)
    assert main(["model", "export", "model.keras"]) == 1
    assert "expected a name ending in .h5" in one_line(capsys)


@pytest.mark.slow
def test_a_model_file_answers_and_is_exported(copied: Workspace) -> None:
    copied.run("python", "-m", "zipfile", "-e", "data/raw/images.zip", ".cache/images")
    images = sorted((copied.folder / ".cache/images/phantom/train/NORMAL").iterdir())[:12]
    words = ("--json", "--overlay", "drawn", "--model", "data/model/model.keras")
    broken = copied.folder / "params.yaml"  # so the exit status is 1, whatever is refused
    printed = copied.run("pneumonia", "predict", *words, *map(str, (*images, broken)), expect=1)
    *answers, unusable = json.loads(printed.stdout)
    assert unusable["status"] == "unusable"
    answered = [answer for answer in answers if answer["status"] == "answered"]
    assert len(answered) > 6
    for answer in answered:
        assert answer["decision"] in ("normal", "pneumonia")
        assert 0 <= answer["probability"] <= 1
        assert answer["domain_score"] <= 1
        assert (copied.folder / answer["overlay"]).read_bytes().startswith(b"\x89PNG")
        assert answer["model"] == json.loads(copied.text("data/release.json"))["model_digest"]
    assert len(list((copied.folder / "drawn").iterdir())) == len(answered)
    assert "trained on synthetic images" in printed.stderr
    # The champion has these files, and its own code: the same answers.
    if "champion" not in copied.run("pneumonia", "model", "list").stdout:
        copied.run("pneumonia", "promote")
    by_champion = copied.run(
        "pneumonia", "predict", "--json", *map(str, images), str(broken), expect=1
    )
    assert [{**answer, "overlay": None} for answer in (*answers, unusable)] == json.loads(
        by_champion.stdout
    )
    copied.run("pneumonia", "model", "export", "model.h5")
    assert (copied.folder / "model.h5").read_bytes().startswith(b"\x89HDF")


@pytest.mark.slow
def test_a_version_that_does_not_exist_is_one_line(copied: Workspace) -> None:
    refused = copied.run("pneumonia", "promote", "99", expect=1)
    assert refused.stderr.startswith("error: pneumonia-phantom: expected a version, received '99'")
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.slow
def test_the_pages_are_served_until_interrupted(copied: Workspace) -> None:
    with copied.pages() as (page, _):
        assert b"<title>MLflow</title>" in page
