"""Images, options and a judge that are small enough for a training of a second."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from stages.network.fine_tune_options import FineTuneOptions
from stages.network.options import AugmentOptions, TrainOptions

Pixels = npt.NDArray[np.uint8]
PX = 32

AUGMENT = AugmentOptions(
    enabled=True,
    area=(0.5, 1.0),
    aspect=0.3,
    rotate_deg=5.0,
    flip=True,
    brightness=0.1,
    contrast=0.2,
    gamma=0.2,
    blur_px=1.0,
    resample=0.5,
    noise=0.03,
)

STILL = AugmentOptions(
    enabled=True,
    area=(0.5, 1.0),
    aspect=0.3,
    rotate_deg=0.0,
    flip=False,
    brightness=0.0,
    contrast=0.0,
    gamma=0.0,
    blur_px=0.0,
    resample=1.0,
    noise=0.0,
)
"""Random crops and no other effect."""

OFF = FineTuneOptions(frozen_stages=0, freeze_norm=False, learning_rate_decay=1.0)

OPTIONS = TrainOptions(
    seed=3,
    network="compact",
    weights=None,
    widths=(4, 8),
    blocks=1,
    crop_px=PX,
    epochs=3,
    batch=8,
    learning_rate=0.01,
    weight_decay=0.05,
    warmup_epochs=1.0,
    label_smoothing=0.05,
    class_balance=True,
    ema=0.9,
    monitor="val_auroc",
    patience=0,
    views=1,
    refused_share=0.01,
    decision_sensitivity=None,
    precision="float32",
    threads=2,
    augment=AUGMENT,
    fine_tune=OFF,
)


def images(count: int, px: int = PX, *, seed: int = 0) -> tuple[Pixels, npt.NDArray[np.int64]]:
    """Return noise, uint8 (count, px, px), and labels; a third have label 1 and a bright patch."""
    rng = np.random.default_rng([seed, count, px])
    labels = (np.arange(count) % 3 == 0).astype(np.int64)
    pixels = rng.integers(40, 160, (count, px, px))
    pixels[labels == 1, px // 4 : px // 2, px // 4 : px // 2] += 60
    return pixels.astype(np.uint8), labels


class Judge:
    """Computes AUROC and log loss on other images than those of `images`; keeps the logits."""

    def __init__(self, px: int = PX) -> None:
        self.pixels, self.labels = images(18, px, seed=1)
        self.seen: list[npt.NDArray[np.float32]] = []

    def __call__(self, logits: Callable[[Pixels], Any]) -> dict[str, float]:
        self.seen.append(logits(self.pixels))
        scores = self.seen[-1].astype(np.float64)
        pairs = scores[self.labels == 1][:, None] > scores[self.labels == 0][None]
        losses = np.logaddexp(0, scores) - self.labels * scores
        return {"val_auroc": float(pairs.mean()), "val_loss": float(losses.mean())}
