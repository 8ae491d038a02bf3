"""Made-up predictions for tests of metrics: patients with several images, ties included."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from stages.engine.answers import Answers
from stages.metrics.options import EvaluateOptions

OPTIONS = EvaluateOptions(seed=1, draws=200, confidence=0.95, ece_bins=10, saliency_images=4)
POINTS = {"decision": 0.5, "screening": 0.2, "rule_in": 0.8}


def make(
    seed: int, normal_patients: int, sick_patients: int, skill: float = 2.0
) -> tuple[pd.DataFrame, np.ndarray]:
    """Records with 1 to 4 images a patient, and a calibrated-looking probability for each image.

    A patient's images share an offset, so that images of one patient are alike.
    """
    generator = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    logits: list[float] = []
    for number in range(normal_patients + sick_patients):
        sick = number >= normal_patients
        kind = ("bacterial" if number % 2 else "viral") if sick else "normal"
        series = "IM" if number % 2 else "NORMAL2-IM"
        patient = f"person{number}_{kind}" if sick else f"{series}-{number:04d}"
        offset = generator.normal(0, 1)
        for image in range(generator.integers(1, 5)):
            logits.append((skill if sick else -skill) / 2 + offset + generator.normal(0, 0.5))
            row: dict[str, object] = {
                "id": f"{patient}_{image}.jpeg",
                "source": "test",
                "label": int(sick),
                "kind": kind,
                "patient": patient,
                "width": 150 if sick else 123,
                "height": 100,
                "bytes": 1500 + 10 * image,
                "jpeg_table_mean": 30.5 if sick else np.nan,
                "icc": 0 if sick else 1,
            }
            rows.append(row)
    probability = 1 / (1 + np.exp(-np.array(logits)))
    return pd.DataFrame(rows), np.round(probability, 2)


def answers(probability: Sequence[float] | np.ndarray, refused: Collection[int] = ()) -> Answers:
    """Answers with these probabilities; the images in the rows `refused` are refused."""
    out = np.isin(np.arange(len(probability)), list(refused))
    score = np.where(out, 1.5 + np.arange(len(probability)), 0.5)
    logit = np.zeros(len(probability), np.float32)
    return Answers(logit, np.asarray(probability, np.float64), score, out)
