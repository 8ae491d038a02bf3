"""Trivial baselines: how well can the class be predicted without looking at the anatomy?

Each baseline is a logistic regression (both classes in equal weight) on facts that carry no sign
of disease. Where one comes near the model, the data give the label away by other means.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stages.engine.arrays import Floats, GrayImages
from stages.images.features import FEATURES, THUMBNAIL_PX, thumbnail

ALWAYS = "always_positive"
"""The baseline that calls every image positive."""

_DECIMALS = 9
"""Of a probability, so that its last bits, which depend on the solver's kernels, rank no image."""


@dataclass(frozen=True)
class Baselines:
    """The fitted baselines.

    Attributes:
        prevalence: Share of positives in the training role.
        fitted: scikit-learn pipelines by name.
    """

    prevalence: float
    fitted: Mapping[str, Any]

    def probabilities(self, records: pd.DataFrame, pixels: GrayImages) -> dict[str, Floats]:
        """Predict the probability of the positive class by each baseline, float64 (N,), by name.

        ALWAYS states the training prevalence or 0.5, whichever is more.

        Args:
            records: Rows of records.csv (N).
            pixels: uint8 (N, H, W), 0 to 255.
        """
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        thumbnails = _thumbnails(pixels)
        always = np.full(len(records), max(self.prevalence, 0.5))
        # One thread: how sums are split between threads would change their last bits.
        with threadpool_limits(1):
            return {
                ALWAYS: always,
                **{
                    name: np.round(
                        model.predict_proba(FEATURES[name](records, thumbnails))[:, 1], _DECIMALS
                    )
                    for name, model in self.fitted.items()
                },
            }


def fit(records: pd.DataFrame, pixels: GrayImages) -> Baselines:
    """Fit every baseline on the training role.

    Args:
        records: Rows of records.csv (N).
        pixels: uint8 (N, H, W), 0 to 255.
    """
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    label = records["label"].to_numpy().astype(np.int64)
    thumbnails = _thumbnails(pixels)
    with threadpool_limits(1):
        fitted = {
            name: make_pipeline(
                SimpleImputer(keep_empty_features=True),
                StandardScaler(),
                LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000),
            ).fit(features(records, thumbnails), label)
            for name, features in FEATURES.items()
        }
    return Baselines(float(label.mean()), fitted)


def _thumbnails(pixels: GrayImages) -> Floats:
    """Reduce each image to block means: float64 (N, 24, 24), 0 to 255."""
    images = [thumbnail(np.asarray(image, np.float32)) for image in pixels]
    return np.asarray(images, np.float64).reshape(-1, THUMBNAIL_PX, THUMBNAIL_PX)
