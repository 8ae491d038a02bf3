"""Two versions on the same images: each answers by its own frozen network and threshold.

Where a version learned from the data set at hand, the images are the shift validations as they
lie in the shards: no version has trained on any of them. Where one learned from another data
set, it is asked by its own packaged preprocessing, in a process of its own, for the raw
bytes of the natural images of `val` and `val_tail` (a re-acquired copy has no bytes), less the
patients that either of the two was trained on.
"""

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.engine.arrays import Flags
from stages.engine.errors import InputError
from stages.images.shards import Shards, open_shards
from stages.metrics.comparison import Paired
from stages.registry.packaging import check, member
from stages.sources.index import open_raw

SHIFTS = ("val_matched", "val_tail")
NATURAL = ("val", "val_tail")
_ASK = Path(__file__).with_name("ask_packaged.py")


@dataclass(frozen=True)
class Entrant:
    """A version in the contest.

    model: its model digest, which the files in `package` must have. data: digest of the data set
    that it learned from.
    trained_on: a function to the patients that it was trained on, asked only where needed.
    """

    version: str
    model: str
    data: str
    package: Path
    trained_on: Callable[[], frozenset[str]]


@dataclass(frozen=True)
class Contest:
    """What both decided, on which images, in words."""

    paired: Paired
    images: str


def hold(challenger: Entrant, champion: Entrant, *, shards: Path, raw: Path) -> Contest:
    """Both entrants' decisions on the same images.

    Raises InputError where the shards are not there, where no image is left, or where a package
    holds another model than its version is of.
    """
    for entrant in (challenger, champion):
        check(entrant.package, entrant.model)
    here = open_shards(shards)
    digest = here.manifest["digest"]
    if challenger.data == champion.data == digest:
        roles = [role for role in SHIFTS if role in here.roles] or ["val"]
        images = {role: np.arange(len(here.role(role).records)) for role in roles}
        told = "as they lie in the shards"
    else:
        known: frozenset[str] = frozenset()
        for entrant in (challenger, champion):
            if entrant.data != digest:
                known |= entrant.trained_on()
        roles = [role for role in NATURAL if role in here.roles]
        images = {
            role: np.flatnonzero(~here.role(role).records["patient"].isin(known).to_numpy())
            for role in roles
        }
        told = "natural, less the patients that either was trained on"
    count = sum(map(len, images.values()))
    if not count:
        raise InputError(
            f"{shards}: expected images that versions {challenger.version} and {champion.version} "
            "were not trained on, found none: they can't be compared on this data set"
        )
    answers = [
        _by_shards(here, images, entrant) if entrant.data == digest
        else _by_bytes(here, images, entrant, raw)
        for entrant in (challenger, champion)
    ]  # fmt: skip
    rows = [here.role(role).records.iloc[chosen] for role, chosen in images.items()]
    paired = Paired(
        role=np.repeat(roles, [len(part) for part in rows]),
        patient=np.concatenate([part["patient"].to_numpy(str) for part in rows]),
        label=np.concatenate([part["label"].to_numpy(np.int64) for part in rows]),
        challenger=answers[0],
        champion=answers[1],
    )
    return Contest(paired, f"{count} images of {' and '.join(roles)}, {told}")


def patients_of(records: Path) -> frozenset[str]:
    """The patients of the role `train` in a records.csv."""
    with records.open(newline="", encoding="utf-8") as handle:
        return frozenset(row["patient"] for row in csv.DictReader(handle) if row["role"] == "train")


def _by_shards(here: Shards, images: Mapping[str, NDArray[np.intp]], entrant: Entrant) -> Flags:
    """Decisions on pixels that are already those of this entrant's preprocessing."""
    from stages.network import operating_point, predict

    point = operating_point.load(member(entrant.package, "operating_point.json"))
    logits = predict.predictor(predict.load_model(member(entrant.package, "model.keras")))
    return np.concatenate([
        point.probability(logits(here.role(role).pixels[chosen])) >= point.thresholds["decision"]
        for role, chosen in images.items()
    ])  # fmt: skip


def _by_bytes(
    here: Shards, images: Mapping[str, NDArray[np.intp]], entrant: Entrant, raw: Path
) -> Flags:
    """Decisions on the bytes of the raw images, by the entrant's own package.

    Raises InputError where an image is not in `raw`, or the package does not answer for all.
    """
    wanted = [
        name
        for role, chosen in images.items()
        for name in here.role(role).records["id"].iloc[chosen]
    ]
    stored = {image.row.path: image for image in open_raw(raw)[0]}
    missing = [name for name in wanted if name not in stored]
    if missing:
        raise InputError(f"{raw}: expected the image {missing[0]} of the shards, found none")
    with tempfile.TemporaryDirectory() as scratch:
        unique = sorted(set(wanted))
        for number, name in enumerate(unique):
            (Path(scratch) / f"{number}").write_bytes(stored[name].read())
        decisions = _ask(entrant, Path(scratch), len(unique))
    called = dict(zip(unique, decisions, strict=True))
    return np.array([called[name] for name in wanted])


def _ask(entrant: Entrant, folder: Path, count: int) -> Sequence[bool]:
    # -P: no folder of ours comes first on the path; the package answers by its own code.
    asked = subprocess.run(
        [sys.executable, "-P", str(_ASK), str(entrant.package), str(folder), str(count)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if asked.returncode:
        said = (asked.stderr.strip().splitlines() or ["no word"])[-1]
        raise InputError(
            f"version {entrant.version}: expected its decisions on {count} images, received: {said}"
        )
    answers: list[bool] = json.loads(asked.stdout.splitlines()[-1])
    return answers
