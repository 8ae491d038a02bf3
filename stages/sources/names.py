"""What an image's path says: class, kind, patient, and the split that its source claims.

Two grammars of Kermany et al.'s chest X-rays are known; any other name is refused, because
a guessed patient is a leak that no later check can see.

- Mendeley version 2, and Kaggle's copy: `person<N>_(bacteria|virus)_<serial>[_k]` and
  `[NORMAL2-]IM-<N>-<seq>[-<k>]`. Bacterial and viral images are numbered by separate counters,
  so `person7_bacteria` and `person7_virus` are two patients; but they may as well be one,
  so a split that we cut keeps all of `person7` together (`split_group`).
- Mendeley version 3: `(NORMAL|BACTERIA|VIRUS)-<patient>-<seq>`.
"""

import re
from dataclasses import dataclass

from stages.engine.errors import InputError

_EXTENSION = r"\.(?:jpeg|jpg|png|dcm|dicom)"
_PNEUMONIA = re.compile(
    rf"(?P<group>person\d+)_(?P<kind>bacteria|virus)_\d+(?:_\d+)?{_EXTENSION}", re.ASCII
)
_NORMAL = re.compile(rf"(?P<group>(?:NORMAL2-)?IM-\d+)-\d+(?:-\d+)?{_EXTENSION}", re.ASCII)
_VERSION_3 = re.compile(
    rf"(?P<kind>NORMAL|BACTERIA|VIRUS)-(?P<number>\d+)-\d+{_EXTENSION}", re.ASCII
)

_KINDS = {"bacteria": "bacterial", "virus": "viral", "normal": "normal"}
LABELS = {"NORMAL": 0, "PNEUMONIA": 1}
# `val` is Kaggle's 16 images, taken from the official training split: one image is six points.
SPLITS = {"train": "train", "val": "train", "test": "test"}


@dataclass(frozen=True, slots=True)
class ImageName:
    """What a path says of an image; `kind` is normal, bacterial or viral."""

    label: int
    kind: str
    patient: str
    split_group: str
    source_split: str


def parse(path: str) -> ImageName:
    """Read `<split>/<class>/<name>`, such as `train/NORMAL/IM-0115-0001.jpeg`.

    Raises InputError where the path has another form or the name contradicts its folder.
    """
    split, _, rest = path.partition("/")
    folder, _, name = rest.partition("/")
    if split not in SPLITS or folder not in LABELS:
        raise InputError(
            f"{path}: expected {{train,val,test}}/{{NORMAL,PNEUMONIA}}/<name>, "
            "received another folder"
        )
    kind, patient, group = _person(path, name)
    label = 0 if kind == "normal" else 1
    if label != LABELS[folder]:
        raise InputError(
            f"{path}: expected an image of its folder's class ({folder}), received one whose name "
            f"says {kind}; move or rename the file"
        )
    return ImageName(label, kind, patient, group, SPLITS[split])


def _person(path: str, name: str) -> tuple[str, str, str]:
    """Kind, patient and split group of a file name."""
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
        f"BACTERIA-<N>-<seq>.jpeg, received {name!r}: the patient can't be told from it"
    )
