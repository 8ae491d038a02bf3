"""`pneumonia preset`: a list, options for `dvc exp run`, or values in params.yaml."""

import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.commands.main import main
from stages.engine import keys
from stages.settings import params, preset, section
from tests.workspace import BIN, ROOT


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_list_has_a_line_for_each(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preset"]) == 0
    title, *lines = capsys.readouterr().out.splitlines()
    assert title.split("\t") == ["name", "about"]
    assert [line.split("\t")[0] for line in lines] == [*preset.NAMES]
    assert "licence not stated" in lines[1]
    assert "never run" in lines[2]


@pytest.mark.parametrize("name", preset.NAMES)
def test_options_are_the_values_after_a_shell_has_made_words_of_them(
    name: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = section.read()
    assert main(["preset", name]) == 0
    words = capsys.readouterr().out.split()
    assert [*words] == shlex.split(" ".join(words))  # nothing that a shell would change
    assert {*words[::2]} == {"-S"}
    read: dict[str, Any] = {}
    for pair in words[1::2]:
        key, _, value = pair.partition("=")
        read[key] = yaml.safe_load(value)
    assert read == preset.load(name, tree).flat()


def test_a_name_that_is_not_known_stops_what_a_shell_would_run_all_the_same(here: Path) -> None:
    # `dvc` in place of `dvc exp run`: the shell calls it although the inner command failed.
    script = "set -eu; dvc exp run --dry $(pneumonia preset pretraned) train"
    done = subprocess.run(
        ["bash", "-c", script],
        env={"PATH": f"{BIN}:/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "one of scratch, pretrained, gpu, received 'pretraned'" in done.stderr
    assert "unrecognized arguments: --no-such-preset" in done.stderr


def test_values_are_written_with_comments_kept(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Path("params.yaml").read_text(encoding="utf-8").splitlines()
    tree = section.read()
    expected = keys.flatten(tree) | preset.load("pretrained", tree).flat()
    assert main(["preset", "pretrained", "--write"]) == 0
    printed = capsys.readouterr().out
    assert "- train.network: compact becomes EfficientNetLite0" in printed
    assert "now run `dvc repro`" in printed
    assert keys.flatten(section.read()) == expected
    params.load()
    after = Path("params.yaml").read_text(encoding="utf-8").splitlines()
    assert [line.partition("#")[2] for line in after] == [line.partition("#")[2] for line in before]


def test_a_preset_replaces_another(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["preset", "scratch", "--write"])
    written = section.read()
    for name in ("gpu", "pretrained", "scratch"):
        assert main(["preset", name, "--write"]) == 0
    assert section.read() == written
    capsys.readouterr()
    text = Path("params.yaml").read_text(encoding="utf-8")
    assert main(["preset", "scratch", "--write"]) == 0
    assert "the preset scratch, as it was" in capsys.readouterr().out
    assert Path("params.yaml").read_text(encoding="utf-8") == text


def test_what_is_refused_writes_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = Path("params.yaml").read_bytes()
    assert main(["preset", "pretraned", "--write"]) == 1
    assert main(["preset", "--write"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "--write: expected a name too, one of scratch" in printed.err
    assert Path("params.yaml").read_bytes() == text
