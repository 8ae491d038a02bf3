"""Experiments against the commit that they start from, on the same validation images."""

import logging
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from stages.engine import devices
from stages.engine.errors import InputError
from stages.history import dvc
from stages.history.lock_file import LockFile
from stages.images.shards import Shards, open_shards
from stages.metrics.differences import Judged, paired
from stages.metrics.intervals import Figure
from stages.network import operating_point, predict
from stages.settings import paths
from stages.settings.params import Params


def differences(
    baseline: str, revs: Iterable[str], settings: Params
) -> dict[str, dict[str, Figure]]:
    """Paired differences of each of `revs` from `baseline`, by rev (`metrics.differences`).

    Models, and shards where they are not those at hand, are brought by `dvc get` into a folder
    that goes afterwards. A rev whose validation images are others, or whose files DVC's cache does
    not hold, is left out, with a line.
    """
    devices.configure(settings.train.threads)
    # TensorFlow warns of a graph per model, which is what several models need.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        stored = _Stored(Path(folder))
        records, theirs = stored.judged(baseline)
        ids = {role: list(rows["id"]) for role, rows in records.items()}
        for rev in revs:
            try:
                here, ours = stored.judged(rev)
            except InputError as error:  # trained elsewhere, or gone from the cache
                print(f"{rev[:7]}: nothing to pair: {str(error).strip()}", file=sys.stderr)
                continue
            if {role: list(rows["id"]) for role, rows in here.items()} != ids:
                print(f"{rev[:7]}: other validation images, so nothing to pair", file=sys.stderr)
            else:
                found[rev] = paired(records, ours, theirs, settings.evaluate)
    return found


class _Stored:
    """What DVC keeps of trainings, brought into `folder` once each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shards: dict[str, Shards] = {}
        at_hand = paths.SHARDS / "manifest.json"
        if at_hand.exists():
            self._shards[_md5_of_shards(LockFile.read())] = open_shards(paths.SHARDS)

    def judged(self, rev: str) -> tuple[dict[str, pd.DataFrame], Judged]:
        """Records of every validation role at `rev`, and what its model says of them."""
        shards = self._shards_of(rev)
        model = self._folder / rev / "model"
        _get(paths.MODEL, rev, model)
        network = predict.predictor(predict.load_model(model / "model.keras"))
        point = operating_point.load(model / "operating_point.json")
        roles = [shards.role(name) for name in shards.roles if name.startswith("val")]
        probability = {role.name: point.probability(network(role.pixels)) for role in roles}
        records = {role.name: role.records for role in roles}
        return records, Judged(probability, point.thresholds["screening"])

    def _shards_of(self, rev: str) -> Shards:
        name = _md5_of_shards(LockFile.at(rev))
        if name not in self._shards:
            _get(paths.SHARDS, rev, self._folder / name)
            self._shards[name] = open_shards(self._folder / name)
        return self._shards[name]


def _get(path: Path, rev: str, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    dvc.output("get", ".", path.as_posix(), "--rev", rev, "--out", str(to))


def _md5_of_shards(lock: LockFile) -> str:
    return lock.outs[paths.SHARDS.as_posix()]
