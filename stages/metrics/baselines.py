"""What a detector that looks at no lung would reach: the shadows beside every figure.

Each baseline is a logistic regression (both classes in equal weight) on facts that say nothing
of disease. Where one comes near the model, the data give the label away by other means.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from stages.engine.arrays import Floats, GrayImages
from stages.images.features import FEATURES, THUMBNAIL_PX, thumbnail

ALWAYS = "always_pneumonia"


@dataclass(frozen=True)
class Baselines:
    """The fitted baselines."""

    prevalence: float
    fitted: Mapping[str, Any]

    def probabilities(self, records: pd.DataFrame, pixels: GrayImages) -> dict[str, Floats]:
        """Each baseline's probability of pneumonia for N images, float64 (N,), by name.

        pixels: uint8 (N, H, W). ALWAYS calls every image pneumonia, at the training prevalence
        or 0.5, whichever is more.
        """
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        thumbnails = _thumbnails(pixels)
        always = np.full(len(records), max(self.prevalence, 0.5))
        # One thread: how sums are split between threads would move their last bits.
        with threadpool_limits(1):
            return {
                ALWAYS: always,
                **{
                    name: model.predict_proba(FEATURES[name](records, thumbnails))[:, 1]
                    for name, model in self.fitted.items()
                },
            }


def fit(records: pd.DataFrame, pixels: GrayImages) -> Baselines:
    """Fit every baseline on the training role: its records (N) and pixels, uint8 (N, H, W)."""
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
    """Block means of each image: float64 (N, 24, 24), 0 to 255."""
    images = [thumbnail(np.asarray(image, np.float32)) for image in pixels]
    return np.asarray(images, np.float64).reshape(-1, THUMBNAIL_PX, THUMBNAIL_PX)
