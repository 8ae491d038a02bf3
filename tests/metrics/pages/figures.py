"""Figures of made-up predictions, for the tests of the pages."""

from typing import Any

import numpy as np

from stages.metrics.report import report
from tests.metrics.sample_images import OPTIONS, POINTS, make

SOURCE = {
    "name": "phantom",
    "version": "1",
    "licence": "Apache-2.0",
    "citation": "Someone (2020)",
    "sha256": "",
    "pinned": True,
    "synthetic": True,
    "images": 100,
    "file": "",
}
POINT: dict[str, Any] = {"thresholds": POINTS, "prior": 0.5, "fitted_on": ["val"]}


def figures(seed: int, positives: float = 0.05) -> dict[str, Any]:
    """Figures of a model that refuses this share of the positives, and 5% of the negatives."""
    records, probability = make(seed, 30, 40)
    share = np.where(records["label"] == 1, positives, 0.05)
    baselines = {"frame": np.round(1 - probability, 1), "shape": np.full(len(records), 0.6)}
    return report(
        records.assign(role="x"),
        probability,
        POINTS,
        OPTIONS,
        prior=0.5,
        baselines=baselines,
        refused=np.random.default_rng(seed).random(len(records)) < share,
    )


METRICS, VALIDATION = {"test": figures(1)}, {"val": figures(2)}
