"""Rules for the threshold, on the answers of the models of all blocks."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from stages.studies import tail_rules, tail_table
from stages.studies.tail_table import BLOCK, MATCHED, VAL, TailTable
from tests.metrics.sample_images import OPTIONS


def _answers(scale: float = 1.0) -> pd.DataFrame:
    """Two models that hold out normals about 1; positives lie about 3, known normals about -2."""
    rng = np.random.default_rng(0)
    rows = []
    for block in (1, 2):
        sets = {(VAL, 1): (400, 3.0), (VAL, 0): (100, -2.0), (MATCHED, 0): (100, -1.0)}
        sets[BLOCK, 0] = (200, 1.0)
        for (images, label), (count, middle) in sets.items():
            own = block if images == BLOCK else 0
            rows += [
                (block, 0, images, f"{images}{label}{own}-{n}", label, f"{label}-{own}-{n}", logit)
                for n, logit in enumerate(rng.normal(middle, 1, count) * scale**block)
            ]
    return pd.DataFrame(rows, columns=list(tail_table.COLUMNS))


@pytest.fixture(scope="module", autouse=True)
def one_repeat() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tail_rules, "REPEATS", 1)
        yield


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return _answers()


@pytest.fixture(scope="module")
def right(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    return tail_rules.judge(rows)


def _mean(rows: pd.DataFrame, share: np.ndarray, images: str, label: int) -> float:
    chosen = (rows["images"] == images) & (rows["label"] == label)
    return float(share[chosen].mean())


def test_a_sensitivity_holds_on_patients_that_did_not_set_it(
    rows: pd.DataFrame, right: dict[str, np.ndarray]
) -> None:
    for level in tail_rules.LEVELS:
        share = right[f"sensitivity {level:.2f}"]
        assert _mean(rows, share, VAL, 1) == pytest.approx(level, abs=0.02)


def test_what_was_measured_on_other_blocks_balances_both_errors(
    rows: pd.DataFrame, right: dict[str, np.ndarray]
) -> None:
    for name in ("sensitivity measured on the other blocks", "equal error, held-out normals"):
        sensitivity, specificity = (
            _mean(rows, right[name], images, label) for images, label in ((VAL, 1), (BLOCK, 0))
        )
        assert sensitivity == pytest.approx(specificity, abs=0.03), name
    baseline = right[tail_rules.BASELINE]
    assert _mean(rows, baseline, VAL, 1) > _mean(rows, baseline, BLOCK, 0) + 0.1


def test_only_plain_rules_depend_on_the_scale_of_logits(right: dict[str, np.ndarray]) -> None:
    scaled = tail_rules.judge(_answers(scale=3.0))
    for name, share in right.items():
        np.testing.assert_array_equal(share, scaled[name], err_msg=name)


def test_no_image_is_judged_by_a_cut_that_its_patient_helped_to_set(
    rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []

    def rule(fit: tail_rules.Fit) -> float:
        seen.append({name for pool in fit.pools.values() for name in pool.patients})
        return float(np.max(fit.pools[VAL].logits))

    monkeypatch.setattr(tail_rules, "RULES", {"highest": rule})
    found = tail_rules.judge(rows)["highest"]
    assert len(seen) == 2 * 2 * tail_rules.REPEATS
    # Of the half that sets it, the cut calls at most one image positive; of the other it may more.
    assert _mean(rows, found, VAL, 1) > 0
    for first, second in zip(seen[0::4], seen[2::4], strict=True):  # the halves of model 1
        assert not first & second


def test_the_table_has_a_row_for_each_rule_and_what_was_measured(rows: pd.DataFrame) -> None:
    rules, measured = tail_rules.table(TailTable(rows, {}), OPTIONS).split("\n\n")
    names = [line.split(" | ")[0].removeprefix("| ") for line in rules.splitlines()[2:]]
    assert names == list(tail_rules.RULES)
    assert rules.splitlines()[2].endswith("|  |  |  |")  # the first row is the baseline
    assert "Specificity, re-acquired blocks" not in rules  # no copies were judged
    level = float(measured.split(" at ")[1].split(" ")[0])
    assert level == pytest.approx(0.84, abs=0.03)
