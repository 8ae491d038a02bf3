"""Facts that an image's path gives: class, kind, patient, and the split of its source.

Two naming schemes of Kermany et al.'s chest X-rays are known. Any other name is refused, because
a guessed patient is a leak that no later check can find.

- Mendeley version 2, and Kaggle's copy: `person<N>_(bacteria|virus)_<serial>[_k]` and
  `[NORMAL2-]IM-<N>-<seq>[-<k>]`. Bacterial and viral images have separate counters, so
  `person7_bacteria` and `person7_virus` are two patients; but they may be one person, so where
  this pipeline cuts the splits all of `person7` stays together (`split_group`).
- Mendeley version 3: `(NORMAL|BACTERIA|VIRUS)-<patient>-<seq>`.
"""

import re
from dataclasses import dataclass

from stages.engine.errors import InputError
from stages.sources.patient_ids import cleaned

_EXTENSION = r"\.(?i:jpeg|jpg|png|dcm|dicom)"
_PNEUMONIA = re.compile(
    rf"(?P<group>person\d+)_(?P<kind>bacteria|virus)_\d+(?:_\d+)?{_EXTENSION}", re.ASCII
)
_NORMAL = re.compile(rf"(?P<group>(?:NORMAL2-)?IM-\d+)-\d+(?:-\d+)?{_EXTENSION}", re.ASCII)
_VERSION_3 = re.compile(
    rf"(?P<kind>NORMAL|BACTERIA|VIRUS)-(?P<number>\d+)-\d+{_EXTENSION}", re.ASCII
)

_KINDS = {"bacteria": "bacterial", "virus": "viral", "normal": "normal"}
LABELS = {"NORMAL": 0, "PNEUMONIA": 1}
"""Labels by the name of the folder."""
SPLITS = {"train": "train", "val": "train", "test": "test"}
"""Splits by the name of the folder.

Kaggle's `val` is 16 images of the official training split, too few to validate on.
"""


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """Facts of an image that its source gives; see `received.ReceivedImage`."""

    label: int
    kind: str
    patient: str
    split_group: str
    source_split: str


def parse(path: str) -> ImageFacts:
    """Parse `<split>/<class>/<name>`, such as `train/NORMAL/IM-0115-0001.jpeg`.

    Raises:
        InputError: The path has another form, or the name contradicts its folder.
    """
    split, _, rest = path.partition("/")
    folder, _, name = rest.partition("/")
    if split not in SPLITS or folder not in LABELS:
        raise InputError(
            f"{path}: expected {{train,val,test}}/{{NORMAL,PNEUMONIA}}/<name>, "
            "received another folder"
        )
    kind, patient, group = _parse_name(path, cleaned(name))
    label = 0 if kind == "normal" else 1
    if label != LABELS[folder]:
        raise InputError(
            f"{path}: expected an image of its folder's class ({folder}), received one with the "
            f"name of a {kind} image; move or rename the file"
        )
    return ImageFacts(label, kind, patient, group, SPLITS[split])


def _parse_name(path: str, name: str) -> tuple[str, str, str]:
    """Return kind, patient and split group of a file name."""
    if match := _PNEUMONIA.fullmatch(name):
        kind = match["kind"]
        return _KINDS[kind], f"{match['group']}_{kind}", match["group"]
    if match := _NORMAL.fullmatch(name):
        return "normal", match["group"], match["group"]
    if match := _VERSION_3.fullmatch(name):
        kind = match["kind"].lower()
        return _KINDS[kind], f"{match['kind']}-{match['number']}", f"patient-{match['number']}"
    raise InputError(
        f"{path}: expected a name such as person<N>_bacteria_<serial>.jpeg, "
        "person<N>_virus_<serial>.jpeg, IM-<N>-<seq>.jpeg, NORMAL2-IM-<N>-<seq>.jpeg or "
        f"BACTERIA-<N>-<seq>.jpeg, received {name!r}, which identifies no patient"
    )
