"""A stage reads a section by its own model, or one value, and looks at nothing else."""

from pathlib import Path

import pytest

from stages.engine.errors import InvalidSettings
from stages.engine.options import Threads
from stages.metrics.options import EvaluateOptions
from stages.settings import section
from stages.sources.options import FetchOptions

EVALUATE = """\
evaluate: {seed: 0, draws: 2000, confidence: 0.95, ece_bins: 10, saliency_images: 8}
train: {threads: 2, unknown: 1}
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(EVALUATE)
    return Path("params.yaml")


def test_other_sections_are_not_looked_at(path: Path) -> None:
    assert section.load(EvaluateOptions, "evaluate", path).draws == 2000


def test_every_problem_is_named_by_its_whole_key(path: Path) -> None:
    path.write_text(EVALUATE.replace("draws: 2000", "draws: 2").replace("ece_bins", "ece_bin"))
    with pytest.raises(InvalidSettings) as caught:
        section.load(EvaluateOptions, "evaluate")
    assert str(caught.value) == (
        "params.yaml: evaluate.draws: Input should be greater than or equal to 100; "
        "evaluate.ece_bins: Field required; evaluate.ece_bin: Extra inputs are not permitted. "
        "`python -m stages.inputs` explains each problem"
    )


@pytest.mark.parametrize("content", ["", "train: {}\n", "evaluate:\n", "evaluate: 3\n"])
def test_a_missing_section_is_named(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(InvalidSettings, match=r"^params\.yaml: evaluate: Input should be"):
        section.load(EvaluateOptions, "evaluate")


def test_a_missing_file_is_named(path: Path) -> None:
    path.unlink()
    with pytest.raises(InvalidSettings, match=r"params\.yaml: no such file; run from the root"):
        section.load(EvaluateOptions, "evaluate")


def test_a_secret_is_not_repeated(path: Path) -> None:
    path.write_text("fetch: {url: 'https://me:s3cr3t@host/images.zip'}\n")
    with pytest.raises(InvalidSettings) as caught:
        section.load(FetchOptions, "fetch")
    assert "s3cr3t" not in str(caught.value)


def test_one_value_is_read_without_its_section(path: Path) -> None:
    assert section.value(Threads, "train.threads") == 2


@pytest.mark.parametrize("text", ["0", "true", "null", "'2'", "2.0"])
def test_one_value_is_checked_too(path: Path, text: str) -> None:
    path.write_text(EVALUATE.replace("threads: 2", f"threads: {text}"))
    with pytest.raises(InvalidSettings, match=r"^params\.yaml: train\.threads: Input should be"):
        section.value(Threads, "train.threads")
