"""Why two builds differ: each kind of difference, made on purpose, is named."""

from dataclasses import replace

import pytest

from stages.commands import verify
from stages.history import causes
from stages.history.lock_file import LockFile
from stages.history.moved_figures import MovedFigure, compare_figures
from tests.bench import seeds_apart
from tests.history.corrupted_records import CASES, HERE, with_stage
from tests.workspace import ROOT

RECORD = LockFile.read(ROOT / "dvc.lock")


@pytest.mark.parametrize("name", CASES)
def test_each_kind_of_difference_is_named(name: str) -> None:
    case = CASES[name]
    cause = causes.first_cause(case.corrupt(RECORD), RECORD, case.machine(HERE))
    assert cause is not None
    assert (cause.stage, cause.kind) == (case.stage, case.kind)
    assert case.detail in cause.detail


def test_every_kind_has_a_case() -> None:
    kinds = ["params", "code", "data", "environment", "thread count", "instruction set"]
    assert {case.kind for case in CASES.values()} == {*kinds, "unexplained"}


def test_equal_outs_have_no_cause_whatever_else_changed() -> None:
    assert causes.first_cause(RECORD, RECORD, HERE) is None
    assert all(out.equal for out in causes.compare_outs(RECORD, RECORD))


def test_an_out_that_was_not_made_is_a_difference() -> None:
    less = with_stage(RECORD, "train", replace(RECORD.stages["train"], outs={}))
    found = [out for out in causes.compare_outs(RECORD, less) if not out.equal]
    assert {(out.stage, out.rebuilt) for out in found} == {("train", None)}


def test_figures_that_moved_come_with_their_intervals() -> None:
    auroc = {"value": 0.9, "low": 0.8, "high": 1.0}
    no_figure = {"value": None, "low": None, "high": None}
    then = {"test": {"auroc": auroc, "images": 3, "ece": no_figure}}
    assert compare_figures(then, then) == (1, [])
    now = {"test": {"auroc": {"value": 0.7, "low": 0.6, "high": 0.79}}}
    compared, (figure,) = compare_figures(then, now)
    assert (compared, figure.name, figure.overlap) == (1, "test.auroc", False)
    assert figure.difference == pytest.approx(-0.2)
    assert figure.headline


@pytest.mark.parametrize(
    ("rebuilt", "overlap"),
    [
        ((0.7, 0.6, 0.8), True),
        ((0.7, 0.6, 0.79), False),
        ((1.1, 1.01, 1.2), False),
        ((0.85, 0.84, 0.86), True),
        ((0.9, 0.5, 1.2), True),
    ],
)
def test_intervals_overlap_where_they_share_a_value(
    rebuilt: tuple[float, float, float], overlap: bool
) -> None:
    assert MovedFigure("test.auroc", (0.9, 0.8, 1.0), rebuilt).overlap == overlap


def test_pairs_of_seeds_are_counted_by_either_rule() -> None:
    intervals = {"a": (0.9, 0.85, 0.95), "b": (0.84, 0.78, 0.9), "c": (0.7, 0.6, 0.77)}
    seeds = {
        name: {"test": {"auroc": dict(zip(("value", "low", "high"), figure, strict=True))}}
        for name, figure in intervals.items()
    }
    assert seeds_apart.summary(seeds) == [
        "3 seeds, 6 ordered pairs of record and rebuild",
        "test.auroc: at most 0.2000",
        "pairs with a headline figure outside the interval on record: 5",
        "pairs with a headline figure whose intervals are apart: 4",
    ]


@pytest.mark.parametrize(
    ("name", "headline"),
    [("test.sensitivity", True), ("val.screening.sensitivity", False), ("test.ece", False)],
)
def test_the_headlines_are_what_results_prints(name: str, headline: bool) -> None:
    assert MovedFigure(name, (0.9, 0.8, 1.0), (0.7, 0.6, 0.8)).headline == headline


@pytest.mark.parametrize(
    ("kind", "name", "status"),
    [
        ("instruction set", "test.screening.specificity", verify.EQUAL),
        ("instruction set", "test.auroc", verify.DIFFERENT),
        ("unexplained", "test.screening.specificity", verify.DIFFERENT),
    ],
)
def test_another_machine_is_no_failure_while_the_headlines_intervals_overlap(
    kind: str, name: str, status: int
) -> None:
    far = MovedFigure(name, (0.9, 0.8, 1.0), (0.7, 0.6, 0.75))
    near = MovedFigure("val.accuracy", (0.9, 0.8, 1.0), (0.75, 0.65, 0.85))
    cause = causes.Cause("train", kind, "")
    found = verify.Verified("HEAD", "x86-64 avx2, AMD", [], cause, 192, [far, near])
    assert found.status == status
