import numpy as np
import pytest

from stages.studies import stress
from tests.metrics.sample_images import OPTIONS, answers, make

RECORDS, PROBABILITY = make(0, 30, 30)
LABEL = RECORDS["label"].to_numpy()
ANSWERS = answers(PROBABILITY)


def by_name(found: list[stress.Row]) -> dict[tuple[str, str], stress.Row]:
    return {(row.variant, row.affected): row for row in found}


def test_a_change_of_one_class_leaves_the_figure_of_the_other() -> None:
    worse = answers(np.full_like(PROBABILITY, 0.7))
    found = by_name(stress.measure(RECORDS, ANSWERS, {"grey": worse}, 0.5, OPTIONS))
    as_is = found[stress.UNCHANGED, ""].figures
    normals, sick = found["grey", "negatives only"], found["grey", "positives only"]
    assert normals.figures["sensitivity"] == as_is["sensitivity"]
    assert normals.figures["specificity"].value == 0
    assert sick.figures["specificity"] == as_is["specificity"]
    assert sick.figures["sensitivity"].value == 1
    assert found["grey", "all images"].figures["auroc"].value == 0.5


def test_the_shift_is_paired_and_zero_where_nothing_changes() -> None:
    found = by_name(stress.measure(RECORDS, ANSWERS, {"none": ANSWERS}, 0.5, OPTIONS))
    for affected in stress.AFFECTED:
        shift = found["none", affected].shift["auroc"]
        assert (shift.value, shift.low, shift.high) == (0, 0, 0)


def test_the_shift_is_the_difference_of_the_figures() -> None:
    noise = np.random.default_rng(0).normal(0, 0.3, len(LABEL))
    refused = np.flatnonzero(noise > 0.5).tolist()
    noisy = answers(PROBABILITY + noise, refused)
    found = by_name(stress.measure(RECORDS, ANSWERS, {"noise": noisy}, 0.5, OPTIONS))
    assert found["noise", "all images"].figures["refused"].value == len(refused) / len(LABEL) > 0
    row, as_is = found["noise", "all images"], found[stress.UNCHANGED, ""]
    for name, shift in row.shift.items():
        difference = row.figures[name].value - as_is.figures[name].value
        assert shift.value == pytest.approx(difference)
        assert shift.low <= shift.value <= shift.high


def test_a_perfect_figure_is_not_certain() -> None:
    found = by_name(stress.measure(RECORDS, answers(LABEL), {}, 0.5, OPTIONS))
    figures = dict(found[stress.UNCHANGED, ""].figures)
    assert figures.pop("refused").high == pytest.approx(1 - 0.025 ** (1 / 60))
    for figure in figures.values():
        assert figure.value == figure.high == 1
        assert figure.low == pytest.approx(0.025 ** (1 / 30))


def test_a_refused_image_counts_as_wrong_in_its_own_class() -> None:
    normals = np.flatnonzero(LABEL == 0).tolist()
    refusing = answers(PROBABILITY, normals)
    found = by_name(stress.measure(RECORDS, ANSWERS, {"odd": refusing}, 0.5, OPTIONS))
    as_is = found[stress.UNCHANGED, ""].figures
    odd = found["odd", "negatives only"].figures
    assert odd["specificity"].value == 0
    assert (odd["sensitivity"], odd["auroc"]) == (as_is["sensitivity"], as_is["auroc"])
    assert found["odd", "positives only"].figures == as_is


def test_the_table_has_a_line_for_each_row() -> None:
    found = stress.measure(RECORDS, ANSWERS, {"same": ANSWERS}, 0.5, OPTIONS)
    lines = stress.format_table(found).splitlines()
    assert len(lines) == 2 + 1 + 3
    assert lines[2].startswith("| as they are |")
    assert lines[3].endswith("| +0.000 (+0.000 to +0.000) |")
