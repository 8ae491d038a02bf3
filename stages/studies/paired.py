"""Paired differences between trained models, on the same validation images."""

import logging
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from stages.engine import devices
from stages.engine.arrays import Floats
from stages.engine.console import print_note
from stages.engine.errors import InputError
from stages.history import dvc
from stages.history.lock_file import LockFile
from stages.images.shards import Shards, open_shards
from stages.metrics.decisions import Counts
from stages.metrics.intervals import Figure, Score, resample
from stages.metrics.options import FigureOptions
from stages.metrics.ranking import auroc
from stages.metrics.shift import SHIFT_AUROC, shift_roles
from stages.network import operating_point, predict
from stages.settings import paths
from stages.settings.params import Params


@dataclass(frozen=True)
class Predicted:
    """What one model predicts.

    Attributes:
        probability: Of pneumonia, float64 (N,), by role.
        screening: The threshold of the operating point "screening".
    """

    probability: Mapping[str, Floats]
    screening: float


def paired_differences(
    records: Mapping[str, pd.DataFrame],
    first: Predicted,
    second: Predicted,
    options: FigureOptions,
) -> dict[str, Figure]:
    """Compute first minus second with intervals.

    A patient is drawn with all images of all roles, and a draw has the same images for both.

    Args:
        records: Of every validation role (N rows each), the same images for both models.
        first: The model of interest.
        second: The baseline.
        options: Of the resampling.

    Returns:
        `<role>.auroc`, `<role>.screening.specificity`, and "shift_auroc", the mean AUROC over the
        shift validations, where there are some.

    Raises:
        InputError: The models were not judged on the same number of images.
    """
    expected = {role: len(rows) for role, rows in records.items()}
    for predicted in (first, second):
        received = {role: len(stated) for role, stated in predicted.probability.items()}
        if received != expected:
            raise InputError(
                f"paired differences: expected the images {expected}, received {received}; compare "
                "models that were judged on the same validation images"
            )
    images = pd.concat(records.values(), ignore_index=True)
    draws = resample(
        images["patient"].to_numpy(),
        images["label"].to_numpy(),
        seed=options.seed,
        draws=options.draws,
        confidence=options.confidence,
    )
    return draws.differences(_score(records, first), _score(records, second))


def _score(records: Mapping[str, pd.DataFrame], predicted: Predicted) -> Score:
    bounds = np.cumsum([0, *(len(rows) for rows in records.values())])

    def score(weight: Floats) -> dict[str, Floats]:
        found: dict[str, Floats] = {}
        for role, first, last in zip(records, bounds, bounds[1:], strict=False):
            label = records[role]["label"].to_numpy()
            probability, part = predicted.probability[role], weight[:, first:last]
            found[f"{role}.auroc"] = auroc(label, probability, part)
            counts = Counts.of(label, probability >= predicted.screening, part)
            found[f"{role}.screening.specificity"] = counts.specificity
        shifts = [found[f"{role}.auroc"] for role in shift_roles(records)]
        return found | ({SHIFT_AUROC: np.mean(shifts, axis=0)} if shifts else {})

    return score


def differences_from(
    baseline: str, revs: Iterable[str], settings: Params
) -> dict[str, dict[str, Figure]]:
    """Compute the paired differences of the models at `revs` from that of `baseline`, by rev.

    Models, and shards where they are not those in the workspace, are fetched by `dvc get` into a
    folder that is removed afterwards. A rev whose validation images are others, or whose files are
    not in DVC's cache, is left out, with a line on stderr.
    """
    devices.configure(settings.train.threads)
    # TensorFlow warns of a graph per model, which is what several models need.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        stored = _StoredModels(Path(folder))
        records, of_baseline = stored.predict(baseline)
        ids = {role: list(rows["id"]) for role, rows in records.items()}
        for rev in revs:
            try:
                here, predicted = stored.predict(rev)
            except InputError as error:  # trained elsewhere, or gone from the cache
                print_note(f"{rev[:7]}: nothing to pair: {str(error).strip()}")
                continue
            if {role: list(rows["id"]) for role, rows in here.items()} != ids:
                print_note(f"{rev[:7]}: other validation images, so nothing to pair")
            else:
                found[rev] = paired_differences(records, predicted, of_baseline, settings.evaluate)
    return found


class _StoredModels:
    """Trained models and their shards, fetched from DVC's cache into `folder`, once each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shards: dict[str, Shards] = {}
        if (paths.SHARDS / "manifest.json").exists():
            self._shards[_shards_hash(LockFile.read())] = open_shards(paths.SHARDS)

    def predict(self, rev: str) -> tuple[dict[str, pd.DataFrame], Predicted]:
        """Return the records of every validation role at `rev`, and its model's predictions."""
        shards = self._shards_of(rev)
        model = self._folder / rev / "model"
        _get(paths.MODEL, rev, model)
        network = predict.predictor(predict.load_model(model / "model.keras"))
        point = operating_point.load(model / "operating_point.json")
        roles = [shards.role(name) for name in shards.roles if name.startswith("val")]
        probability = {role.name: point.probability(network(role.pixels)) for role in roles}
        records = {role.name: role.records for role in roles}
        return records, Predicted(probability, point.thresholds["screening"])

    def _shards_of(self, rev: str) -> Shards:
        name = _shards_hash(LockFile.at(rev))
        if name not in self._shards:
            _get(paths.SHARDS, rev, self._folder / name)
            self._shards[name] = open_shards(self._folder / name)
        return self._shards[name]


def _get(path: Path, rev: str, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    dvc.output("get", ".", path.as_posix(), "--rev", rev, "--out", str(to))


def _shards_hash(lock: LockFile) -> str:
    return lock.outs[paths.SHARDS.as_posix()]
