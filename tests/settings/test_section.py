"""A section is read by its own model, and a problem is reported as for the whole file."""

from pathlib import Path

import pytest

from stages.engine.errors import InvalidSettings
from stages.engine.options import Threads
from stages.metrics.options import EvaluateOptions
from stages.settings import section

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


def test_a_problem_is_named_by_its_whole_key(path: Path) -> None:
    path.write_text(EVALUATE.replace("draws: 2000", "draws: 2"))
    with pytest.raises(InvalidSettings) as caught:
        section.load(EvaluateOptions, "evaluate")
    assert str(caught.value) == (
        "params.yaml: evaluate.draws: expected an integer from 100 to 100000, received 2"
    )


@pytest.mark.parametrize("content", ["", "train: {}\n", "evaluate:\n", "evaluate: 3\n"])
def test_a_missing_section_is_named(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(InvalidSettings) as caught:
        section.load(EvaluateOptions, "evaluate")
    assert str(caught.value) == (
        "params.yaml: evaluate: expected a mapping with the keys seed, draws, confidence, "
        f"ece_bins, saliency_images, received {3 if '3' in content else 'null'}"
    )


def test_one_value_is_read_without_its_section(path: Path) -> None:
    assert section.value(Threads, "train.threads") == 2


@pytest.mark.parametrize(
    ("text", "received"), [("0", "0"), ("true", "True"), ("null", "null"), ("'2'", "'2'")]
)
def test_one_value_is_checked_too(path: Path, text: str, received: str) -> None:
    path.write_text(EVALUATE.replace("threads: 2", f"threads: {text}"))
    expected = f"params.yaml: train.threads: expected an integer from 1 to 256, received {received}"
    with pytest.raises(InvalidSettings) as caught:
        section.value(Threads, "train.threads")
    assert str(caught.value).startswith(expected)
