"""What someone who edits params.yaml reads of each kind of mistake."""

from pathlib import Path

import pytest

from stages.engine.errors import InvalidSettings
from stages.settings import params

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")


def message(folder: Path, *changes: tuple[str, str]) -> str:
    """The message about a params.yaml with these changes of its text."""
    text = TEXT
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    path = folder / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidSettings) as caught:
        params.load(path)
    return str(caught.value).removeprefix(f"{folder}/")


def test_an_unknown_key_is_answered_with_the_one_that_was_meant(tmp_path: Path) -> None:
    assert message(tmp_path, ("  draws: 2000    ", "  drawz: 2000    ")) == (
        "params.yaml: evaluate: unknown key `drawz`; did you mean `draws`? Known keys: seed, "
        "draws, confidence, ece_bins, saliency_images"
    )


def test_a_key_that_is_there_twice_in_effect_is_only_unknown(tmp_path: Path) -> None:
    assert message(tmp_path, ("  ece_bins: 10", "  ece_bins: 10\n  ece_bin: 9")) == (
        "params.yaml: evaluate: unknown key `ece_bin`; did you mean `ece_bins`? Known keys: seed, "
        "draws, confidence, ece_bins, saliency_images"
    )


def test_an_unknown_section_is_answered_too(tmp_path: Path) -> None:
    assert message(tmp_path, ("register:", "registre:")) == (
        "params.yaml: unknown key `registre`; did you mean `register`? Known keys: fetch, "
        "preprocess, train, evaluate, task, register"
    )


@pytest.mark.parametrize("key", ["1", "true", "null", "2026-01-01"])
def test_a_key_that_is_no_text_is_unknown(key: str, tmp_path: Path) -> None:
    assert "params.yaml: evaluate: unknown key `" in message(
        tmp_path, ("  ece_bins: 10", f"  ece_bins: 10\n  {key}: 9")
    )


@pytest.mark.parametrize(
    ("section", "old", "new"),
    [
        ("preprocess", "max_unreadable_films", "max_unreadable_images"),
        ("evaluate", "saliency_films", "saliency_images"),
    ],
)
def test_a_renamed_key_is_answered_with_its_new_name(
    section: str, old: str, new: str, tmp_path: Path
) -> None:
    assert message(tmp_path, (new, old)) == (
        f"params.yaml: {section}: unknown key `{old}`; it is now `{new}`, rename it"
    )


def test_a_renamed_key_beside_its_new_name_is_to_be_removed(tmp_path: Path) -> None:
    both = ("  saliency_images: 8", "  saliency_images: 8\n  saliency_films: 8")
    assert message(tmp_path, both) == (
        "params.yaml: evaluate: unknown key `saliency_films`; it is now `saliency_images`, which "
        "is given too: remove this one"
    )


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    assert message(
        tmp_path,
        ("learning_rate: 0.002", "learning_rate: 2e-3"),
        ("widths: [16, 32, 64, 128]", "widths: [16, 0, true]"),
        ("area: [0.25, 1.0]", "area: [0.5]"),
        ("monitor: shift_auroc", "monitor: shift_auc"),
        ("  confidence: 0.95\n  ece_bins: 10\n", "  confidence: 0.95\n"),
    ) == (
        "params.yaml: 6 problems\n"
        "  train.widths[1]: expected an integer from 1, received 0\n"
        "  train.widths[2]: expected an integer from 1, received True\n"
        "  train.learning_rate: expected a number from 1e-08 to 10, received '2e-3', which YAML "
        "takes for text: write a number with a point and no quotes, as 1.0e-3\n"
        "  train.monitor: expected one of 'val_auroc', 'val_loss', 'shift_auroc', received "
        "'shift_auc'; did you mean 'shift_auroc'?\n"
        "  train.augment.area: expected a list of 2 values, each a number from 0.05 to 1, received "
        "[0.5]\n"
        "  evaluate.ece_bins: the key is missing; add an integer from 2 to 100"
    )


def test_a_number_where_text_is_wanted_is_explained(tmp_path: Path) -> None:
    assert message(tmp_path, ("sha256: null", "sha256: 12")) == (
        "params.yaml: fetch.sha256: expected 64 digits of 0-9a-f or null, received 12, which YAML "
        "does not take for text: put it in quotes"
    )


def test_several_fields_that_do_not_fit_are_explained(tmp_path: Path) -> None:
    assert message(tmp_path, ("weights: null", "weights: imagenet")) == (
        "params.yaml: train.weights: expected a file .keras or null for the network 'compact', "
        "received 'imagenet'"
    )
    lite = ("network: compact", "network: EfficientNetLite0")
    assert message(tmp_path, lite, ("weights: null", "weights: my.pth")) == (
        "params.yaml: train.weights: expected 'imagenet', a file .keras or null for the network "
        "'EfficientNetLite0', received 'my.pth'"
    )
    assert message(tmp_path, ("area: [0.25, 1.0]", "area: [1, 0.5]")) == (
        "params.yaml: train.augment.area: expected a pair [a, b] with a <= b, received [1.0, 0.5]"
    )
