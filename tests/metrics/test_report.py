from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from stages.engine.errors import InputError
from stages.engine.files import canonical_json
from stages.metrics.report import report
from tests.changed import changed
from tests.metrics.sample_images import OPTIONS, POINTS, make


def images(seed: int = 1) -> tuple[pd.DataFrame, np.ndarray]:
    records, probability = make(seed, 40, 60)
    return records.assign(role="test"), probability


def figures(**changes: Any) -> dict[str, Any]:
    records, probability = images()
    given = {"prior": 0.5, **changes}
    tree: dict[str, Any] = report(records, probability, POINTS, OPTIONS, **given)
    return tree


def leaves(tree: Any) -> list[Any]:
    return [leaf for v in tree.values() for leaf in leaves(v)] if isinstance(tree, dict) else [tree]


def test_a_report_holds_only_rounded_numbers() -> None:
    records, probability = images()
    tree = figures(
        baselines={"frame": np.round(1 - probability, 1)},
        truth=pd.DataFrame({"path": records["id"], "site": "one"}),
    )
    assert {type(leaf) for leaf in leaves(tree)} == {int, float}
    assert all(leaf == round(leaf, 6) for leaf in leaves(tree))
    assert canonical_json(tree) == canonical_json(tree)


def test_figures_of_several_sources_stand_below_those_of_all() -> None:
    records, probability = images()
    assert "sources" not in report(records, probability, POINTS, OPTIONS, prior=0.5)
    lyon = (records["patient"].str.extract(r"(\d+)", expand=False).astype(int) % 2 == 0).to_numpy()
    two = records.assign(source=np.where(lyon, "lyon", "paris"))
    baselines = {"frame": np.round(1 - probability, 1)}
    tree = report(two, probability, POINTS, OPTIONS, prior=0.5, baselines=baselines)
    parts = tree.pop("sources")
    assert tree == report(records, probability, POINTS, OPTIONS, prior=0.5, baselines=baselines)
    part = {"frame": baselines["frame"][lyon]}
    assert parts["lyon"] == report(
        two[lyon], probability[lyon], POINTS, OPTIONS, prior=0.5, baselines=part
    )
    assert sum(part["images"] for part in parts.values()) == tree["images"]


def test_a_source_of_one_class_is_counted_and_not_judged() -> None:
    records, probability = images()
    ill = records["label"] == 1
    tree = report(
        records.assign(source=np.where(ill, "lyon", "paris")),
        probability,
        POINTS,
        OPTIONS,
        prior=0.5,
    )
    assert tree["sources"]["paris"] == {
        "images": int((~ill).sum()),
        "patients": int(records["patient"][~ill].nunique()),
        "prevalence": 0.0,
    }


def test_every_interval_holds_its_value() -> None:
    tree = figures()
    for name in ("auroc", "average_precision", "sensitivity", "specificity", "mcc", "brier"):
        figure = tree[name]
        assert figure["low"] < figure["value"] < figure["high"], name


def test_counts_are_those_of_a_plain_loop() -> None:
    records, probability = images()
    for name, threshold in POINTS.items():
        pairs = list(zip(records["label"], probability >= threshold, strict=True))
        assert figures()[name]["counts"] == {
            "tp": pairs.count((1, True)),
            "fp": pairs.count((0, True)),
            "tn": pairs.count((0, False)),
            "fn": pairs.count((1, False)),
        }
        assert figures()[name]["threshold"] == threshold


def test_subgroups_by_kind_series_and_site() -> None:
    records, probability = images()
    site = np.where(np.arange(len(records)) % 2 == 0, "a", "b")
    tree = figures(truth=pd.DataFrame({"path": records["id"], "site": site}))
    assert set(tree["kind"]) == {"bacterial", "viral"}
    assert set(tree["series"]) == {"IM", "NORMAL2"}
    assert set(tree["site"]) == {"a", "b"}
    viral = probability[records["kind"] == "viral"]
    assert tree["kind"]["viral"]["images"] == len(viral)
    assert tree["kind"]["viral"]["sensitivity"]["value"] == round(float((viral >= 0.5).mean()), 6)
    assert "specificity" not in tree["kind"]["viral"]
    normal = probability[(site == "b") & (records["label"] == 0)]
    assert tree["site"]["b"]["specificity"]["value"] == round(float((normal < 0.5).mean()), 6)


def test_groupings_without_names_are_left_out() -> None:
    records, probability = images()
    plain = records.assign(kind="", patient=[f"case-{n}" for n in range(len(records))])
    tree = report(plain, probability, POINTS, OPTIONS, prior=0.5)
    assert not {"kind", "series", "site", "baselines"} & set(tree)


def test_undefined_figures_are_left_out() -> None:
    records, probability = images()
    tree: dict[str, Any] = report(records, probability, {"decision": 2.0}, OPTIONS, prior=0.5)
    assert "ppv" not in tree
    assert tree["sensitivity"]["value"] == 0.0
    assert 0 < tree["sensitivity"]["high"] < 0.1  # 60 patients missed is no proof of never


def test_the_seed_moves_intervals_and_no_value() -> None:
    records, probability = images()
    ours: dict[str, Any] = figures()
    other: dict[str, Any] = report(
        records, probability, POINTS, changed(OPTIONS, seed=2), prior=0.5
    )
    assert ours["auroc"]["value"] == other["auroc"]["value"]
    assert ours["auroc"]["low"] != other["auroc"]["low"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda r, p: (r[r["label"] == 1], p[r["label"] == 1]),
            "both classes, received 0 negative",
        ),
        (lambda r, p: (r, 0 * p + 0.7), "received 0.700000 for all"),
        (lambda r, p: (r, np.where(p > 0.5, np.nan, p)), "are not finite"),
    ],
)
def test_predictions_that_mean_nothing_are_refused(change: Any, message: str) -> None:
    records, probability = change(*images())
    with pytest.raises(InputError, match=f"'test'.*{message}"):
        report(records, probability, POINTS, OPTIONS, prior=0.5)


@pytest.mark.parametrize("key", ["draws", "confidence", "ece_bins", "saliency_images", "seed"])
def test_options_out_of_range_are_refused(key: str) -> None:
    with pytest.raises(ValidationError, match=f"EvaluateOptions\n{key}\n"):
        changed(OPTIONS, **{key: -1})
