"""Every figure against its independent reference implementation, which none may be without."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.engine.arrays import Floats
from stages.metrics import calibration, decisions, probability, ranking
from stages.metrics import sections as section_module
from stages.metrics.decisions import Counts
from stages.metrics.report import report
from stages.metrics.sections import Predictions, sections
from stages.metrics.trees import walk_figures
from tests.changed import changed
from tests.metrics.references import COUNTS, REFERENCES, Sample
from tests.metrics.sample_images import OPTIONS, POINTS, make

PRIOR = 0.3
COARSE = changed(OPTIONS, ece_bins=4)
"""With 10 bins, each of the rounded probabilities would have a bin of its own."""
SETTINGS = {"confidence", "prior", "threshold"}
"""Numbers of a report that are given to it, not computed."""


def predictions(seed: int = 7) -> Predictions:
    """Images of few patients, with ties, certain probabilities and subgroups of one class."""
    records, stated = make(seed, 9, 12)
    records = records.assign(role="test")
    stated = np.round(stated, 1)  # nearly every probability is a tie, some are 0 or 1
    generator = np.random.default_rng(seed)
    site = generator.choice(["a", "b", "c"], len(records))
    return Predictions(
        records,
        stated,
        {**POINTS, "never": 2.0, "always": 0.0},
        PRIOR,
        {
            "constant": np.full(len(records), 0.5),
            "noise": np.round(generator.random(len(records)), 1),
            "reversed": 1 - stated,
        },
        pd.DataFrame({"path": records["id"], "site": site}),
        generator.random(len(records)) < 0.2,
    )


def weightings(label: np.ndarray) -> Floats:
    """Weights (B, N): ones, draws with empty images, fractions, one class alone, nothing."""
    generator = np.random.default_rng(0)
    count = len(label)
    return np.stack(
        [
            np.ones(count),
            *generator.integers(0, 3, (4, count)),
            *generator.random((2, count)) * (generator.random((2, count)) < 0.4),
            label,
            1 - label,
            np.arange(count) == int(np.argmax(label)),
            np.zeros(count),
        ]
    ).astype(np.float64)


def sample_of(keys: tuple[str, ...], given: Predictions, weight: Floats) -> Sample:
    """The images that a section of the report is about, found by loops."""
    records, stated = given.records, given.probability
    label = [int(value) for value in records["label"]]
    member = [True] * len(label)
    threshold = given.thresholds["decision"]
    weights = [float(value) for value in weight]
    refused = [bool(value) for value in given.refused]
    match keys:
        case () | ("calibration", "natural") | ("refusals",):
            pass
        case ("answered",):
            member = [not out for out in refused]
        case ("calibration", "at_prior"):
            weights = at_prior(label, weights)
        case (point,) if point in given.thresholds:
            threshold = given.thresholds[point]
        case ("kind", kind):
            member = [
                y == 1 and name == kind for y, name in zip(label, records["kind"], strict=True)
            ]
        case ("series", series):
            patients = records["patient"]
            member = [
                y == 0 and name.startswith(f"{series}-")
                for y, name in zip(label, patients, strict=True)
            ]
        case ("site", site):
            assert given.truth is not None
            sites = dict(zip(given.truth["path"], given.truth["site"], strict=True))
            member = [sites[name] == site for name in records["id"]]
        case ("baselines", name):
            stated, threshold = given.baselines[name], 0.5
            refused = [False] * len(label)
        case _:
            pytest.fail(
                f"report() writes a new section {keys}: add to sample_of() which images it is about"
            )
    chosen = [row for row, inside in enumerate(member) if inside]
    return Sample(
        [label[row] for row in chosen],
        [float(stated[row]) for row in chosen],
        [bool(stated[row] >= threshold) for row in chosen],
        [refused[row] for row in chosen],
        [weights[row] for row in chosen],
        COARSE.ece_bins,
    )


def at_prior(label: list[int], weight: list[float]) -> list[float]:
    """Weights of which pneumonia has the share PRIOR; nothing where a class has no weight."""
    of_class = [
        sum(w for w, y in zip(weight, label, strict=True) if y == value) for value in (0, 1)
    ]
    if not all(of_class):
        return [0.0] * len(weight)
    shares = (1 - PRIOR, PRIOR)
    return [w * shares[y] / of_class[y] for w, y in zip(weight, label, strict=True)]


def reference(name: str) -> Callable[[Sample], float]:
    """The reference implementation of a figure; the test fails where there is none."""
    found = REFERENCES.get(name)
    if found is None:
        pytest.fail(
            f"the metric {name!r} has no reference implementation: add a naive one (a loop, "
            "scikit-learn or SciPy) to REFERENCES in tests/metrics/references.py"
        )
    return found


def compare_sections(given: Predictions) -> None:
    """Compare every score of every section with its reference, in every weighting."""
    weights = weightings(given.label)
    for section in sections(given, COARSE.ece_bins):
        for name, received in section.score(weights).items():
            assert received.dtype == np.float64
            assert received.shape == (len(weights),)
            expected = [reference(name)(sample_of(section.keys, given, row)) for row in weights]
            np.testing.assert_allclose(
                received, expected, rtol=1e-6, atol=1e-9, err_msg=f"{section.keys} {name}"
            )


@pytest.mark.parametrize("seed", [7, 8])
def test_every_score_is_that_of_its_reference_in_every_weighting(seed: int) -> None:
    compare_sections(predictions(seed))


@pytest.mark.parametrize(
    "name", [name for name, v in vars(Counts).items() if isinstance(v, property)]
)
def test_every_score_of_a_decision_has_a_reference_and_is_in_the_report(name: str) -> None:
    reference(name)
    tree = report_of(predictions())
    assert name in tree


def report_of(given: Predictions) -> dict[str, Any]:
    return report(
        given.records,
        given.probability,
        given.thresholds,
        COARSE,
        prior=given.prior,
        baselines=given.baselines,
        truth=given.truth,
        refused=given.refused,
    )


def leaves(
    tree: dict[str, Any], keys: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], float]]:
    """Keys of each number of a report, of a figure those of its value."""
    for key, inner in tree.items():
        if not isinstance(inner, dict):
            yield (*keys, key), inner
        elif {"value", "low", "high"} == set(inner):
            yield (*keys, key), inner["value"]
        else:
            yield from leaves(inner, (*keys, key))


def test_every_number_of_a_report_is_that_of_its_reference() -> None:
    given = predictions()
    ones = np.ones(len(given.label))
    names = set()
    for keys, received in leaves(report_of(given)):
        *place, name = (key for key in keys if key != "counts")
        if keys[:2] == ("refusals", "counts"):
            name = f"{name} refused"
        names.add(name)
        if name == "patients":
            assert received == len(set(given.records["patient"]))
        elif name not in SETTINGS:
            of = COUNTS.get(name) or reference(name)
            expected = of(sample_of(tuple(place), given, ones))
            assert received == pytest.approx(expected, abs=2e-6), keys
    assert names == {*REFERENCES, *COUNTS, *SETTINGS, "patients"}  # no reference is left over


# -- The tests above can fail.


def compare_report(given: Predictions) -> None:
    """Look up the reference of every figure of a report."""
    for keys, _ in walk_figures(report_of(given)):
        reference(keys[-1])


@pytest.mark.parametrize("compare", [compare_sections, compare_report])
def test_a_metric_without_a_reference_is_named(
    compare: Callable[[Predictions], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    made_up = property(lambda counts: counts.sensitivity + counts.specificity - 1)
    monkeypatch.setattr(Counts, "made_up", made_up, raising=False)
    monkeypatch.setattr(section_module, "ALL_SCORES", (*decisions.ALL_SCORES, "made_up"))
    with pytest.raises(pytest.fail.Exception, match="'made_up' has no reference implementation"):
        compare(predictions())


def test_a_section_that_the_tests_do_not_know_is_named() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"a new section \('age', 'old'\)"):
        sample_of(("age", "old"), predictions(), np.ones(3))


def ties_lost(label: Any, stated: Any, weight: Floats, score: Callable[..., Floats]) -> Floats:
    return score(label, np.asarray(stated) + 1e-9 * np.asarray(label), weight)


def unweighted(label: Any, stated: Any, weight: Floats, score: Callable[..., Floats]) -> Floats:
    return score(label, stated, np.ones_like(weight))


def one_bin_more(
    label: Any, stated: Any, weight: Floats, bins: int, score: Callable[..., Floats]
) -> Floats:
    return score(label, stated, weight, bins + 1)


@pytest.mark.parametrize(
    ("module", "name", "wrong"),
    [
        (ranking, "auroc", ties_lost),
        (ranking, "average_precision", unweighted),
        (probability, "brier", unweighted),
        (probability, "ece", one_bin_more),
        (calibration, "slope", unweighted),
    ],
)
def test_a_wrong_score_is_found(
    module: Any, name: str, wrong: Callable[..., Floats], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, partial(wrong, score=getattr(module, name)))
    with pytest.raises(AssertionError, match=name):
        compare_sections(predictions())


@pytest.mark.parametrize("name", ["mcc", "f1", "npv", "balanced_accuracy"])
def test_a_wrong_score_of_a_decision_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counts, name, property(lambda counts: counts.accuracy))
    with pytest.raises(AssertionError, match=name):
        compare_sections(predictions())
