"""The decisions of two versions on the same images, each by its own network and threshold.

If both versions were trained on the data set at hand, the images are the shift validations as they
are stored in the shards: no version was trained on any of them. If one was trained on another data
set, they are the natural images of `val` and `val_tail` (a re-acquired copy has no file), without
the patients that either version was trained on and the others of their groups; that version reads
the raw bytes with its own packaged preprocessing.

Each version decides with its own code, in a process of its own. Only for one of format 1, whose
code takes no pixels, this code reads the network and the operating point.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stages.engine.arrays import GrayImages
from stages.engine.errors import InputError
from stages.engine.tables import read_table
from stages.images.shards import Shards, open_shards
from stages.metrics.comparison import REFUSED, DecisionPairs, Decisions
from stages.registry.opened_version import OpenedVersion
from stages.registry.package_files import package_file
from stages.sources.index import open_raw

if TYPE_CHECKING:
    import pandas as pd

SHIFTS = ("val_matched", "val_tail")
NATURAL = ("val", "val_tail")
_SCRIPT = Path(__file__).with_name("predict_packaged.py")

Selection = Mapping[str, NDArray[np.intp]]
"""Positions of images by role."""


@dataclass(frozen=True)
class ComparedVersion:
    """One of the two versions.

    Attributes:
        version: Its number.
        data: Digest of the data set that it was trained on.
        package: Its files.
        trained_on: Returns the ids of the patients, their groups and images that it was
            trained on, as `trained_ids`; called only if needed.
    """

    version: str
    data: str
    package: OpenedVersion
    trained_on: Callable[[], frozenset[str]]


@dataclass(frozen=True)
class PairedDecisions:
    """Decisions of both versions, a description of the images, and the source of each (N,)."""

    paired: DecisionPairs
    images: str
    source: NDArray[np.str_]

    def by_source(self) -> dict[str, DecisionPairs]:
        """Return the decisions on the images of each source, if there are several."""
        names = np.unique(self.source)
        if len(names) < 2:
            return {}
        columns = vars(self.paired).items()
        return {
            str(name): DecisionPairs(**{key: each[self.source == name] for key, each in columns})
            for name in names
        }


def decide(
    challenger: ComparedVersion, champion: ComparedVersion, *, shards: Path, raw: Path
) -> PairedDecisions:
    """Return the decisions of both versions on the same images.

    Args:
        challenger: The version to promote.
        champion: The version to compare it with.
        shards: The data set at hand.
        raw: Its images as they were received.

    Raises:
        InputError: The shards are missing, no image is left, or a version gives no decisions.
    """
    versions = (challenger, champion)
    data = open_shards(shards)
    selection, description = _select(data, versions)
    count = sum(map(len, selection.values()))
    if not count:
        raise InputError(
            f"{shards}: expected images that versions {challenger.version} and {champion.version} "
            "were not trained on, found none: they can't be compared on this data set"
        )
    decisions = [
        _decide_pixels(data, selection, version)
        if version.data == data.manifest["digest"]
        else _decide_files(data, selection, version, raw)
        for version in versions
    ]
    rows = [data.role(role).records.iloc[chosen] for role, chosen in selection.items()]
    paired = DecisionPairs(
        role=np.repeat(list(selection), [len(part) for part in rows]),
        patient=np.concatenate([part["patient"].to_numpy(str) for part in rows]),
        label=np.concatenate([part["label"].to_numpy(np.int64) for part in rows]),
        challenger=decisions[0],
        champion=decisions[1],
    )
    return PairedDecisions(
        paired,
        f"{count} images of {' and '.join(selection)}, {description}",
        np.concatenate([part["source"].to_numpy(str) for part in rows]),
    )


_IDS = ["patient", "split_group", "id"]
"""Columns of the ids by which an image is known again."""


def trained_ids(records: Path) -> frozenset[str]:
    """Return the ids of patients, split groups and images of the role `train` in a records.csv.

    Of a file of data format 2, whose ids name no source, they start with a slash.
    """
    with records.open(newline="", encoding="utf-8") as handle:
        columns, rows = read_table(handle)
        start = "" if "source" in columns else "/"
        trained = (row for row in rows if row["role"] == "train")
        return frozenset(f"{start}{row[key]}" for row in trained for key in _IDS)


def _seen(records: "pd.DataFrame", known: frozenset[str]) -> frozenset[str]:
    """Return the patients of `records` who, or whose group or images, have a known id.

    A source that is not there any more may have got another name. Of its ids, and of those without
    a source, only what follows the source is compared: rather too few images than one too many.
    """
    sources = set(records["source"])
    unnamed = {
        rest for source, _, rest in (name.partition("/") for name in known) if source not in sources
    }
    return frozenset(
        names[0]
        for names in zip(*(records[key] for key in _IDS), strict=True)
        for name in names
        if name in known or name.partition("/")[2] in unnamed
    )


def _select(data: Shards, versions: tuple[ComparedVersion, ...]) -> tuple[Selection, str]:
    """Return the images to compare on, and a description of them."""
    others = [version for version in versions if version.data != data.manifest["digest"]]
    if not others:
        roles = [role for role in SHIFTS if role in data.roles] or ["val"]
        selection = {role: np.arange(len(data.role(role).records)) for role in roles}
        return selection, "as stored in the shards"
    known = frozenset[str]().union(*(version.trained_on() for version in others))
    seen = _seen(data.records, known)
    selection = {
        role: np.flatnonzero(~data.role(role).records["patient"].isin(seen).to_numpy())
        for role in NATURAL
        if role in data.roles
    }
    return selection, "natural, without the patients that either was trained on"


def _decide_pixels(data: Shards, selection: Selection, version: ComparedVersion) -> Decisions:
    """Return a version's decisions on pixels that its own preprocessing made."""
    pixels = np.concatenate([data.role(role).pixels[chosen] for role, chosen in selection.items()])
    if not version.package.sealed:
        return _decide_by_this_code(pixels, version.package.folder)
    with tempfile.TemporaryDirectory() as scratch:
        array = Path(scratch) / "pixels.npy"
        np.save(array, pixels)
        return np.array(_run_package(version, array, len(pixels)), np.int8)


def _decide_by_this_code(pixels: GrayImages, package: Path) -> Decisions:
    from stages.network import operating_point, predict

    point = operating_point.load(package_file(package, "operating_point.json"))
    network = predict.load_model(package_file(package, "model.keras"))
    chance = point.probability(predict.predictor(network)(pixels))
    return (chance >= point.thresholds["decision"]).astype(np.int8)


def _decide_files(
    data: Shards, selection: Selection, version: ComparedVersion, raw: Path
) -> Decisions:
    """Return a version's decisions on the raw images, by its own package.

    Raises:
        InputError: An image is not in `raw`, or the package fails.
    """
    ids = [
        name
        for role, chosen in selection.items()
        for name in data.role(role).records["id"].iloc[chosen]
    ]
    stored = {image.row.path: image for image in open_raw(raw)[0]}
    missing = [name for name in ids if name not in stored]
    if missing:
        raise InputError(f"{raw}: expected the image {missing[0]} of the shards, found none")
    unique = sorted(set(ids))
    with tempfile.TemporaryDirectory() as scratch:
        for number, name in enumerate(unique):
            (Path(scratch) / f"{number:09}").write_bytes(stored[name].read())
        decisions = _run_package(version, Path(scratch), len(unique))
    by_id = dict(zip(unique, decisions, strict=True))
    return np.array([by_id[name] for name in ids], np.int8)


def _run_package(version: ComparedVersion, images: Path, count: int) -> list[int]:
    """Return a package's decisions, as `Decisions`, on the images that its script reads."""
    package = version.package
    if package.sealed:
        script = ["-m", "stages.registry.decide_sealed", str(package.folder), package.digest]
    else:
        # -P: no folder of this repository precedes the package's own code on the module path.
        script = ["-P", str(_SCRIPT), str(package.folder)]
    command = [sys.executable, *script, str(images)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        reason = (finished.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(
            f"version {version.version}: expected its decisions on {count} images, received: "
            f"{reason}"
        )
    decisions: list[bool | None] = json.loads(finished.stdout.splitlines()[-1])
    return [REFUSED if each is None else int(each) for each in decisions]
