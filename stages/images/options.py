"""Params of preprocess."""

from dataclasses import asdict, dataclass
from typing import Any

from stages.engine import check

ASPECTS = ("keep", "stretch")
LEVELS = ("stop", "warn", "ignore")


@dataclass(frozen=True)
class PixelOptions:
    """How any image becomes pixels, in training and serving alike.

    `image_px`: side of the square, in pixels. `aspect`: "stretch" fills the square; "keep"
    scales the longer side to it and leaves black bars, whose width then tells the image's shape.
    """

    image_px: int
    aspect: str

    def __post_init__(self) -> None:
        check.between("preprocess.image_px", self.image_px, 32, 1024)
        check.one_of("preprocess.aspect", self.aspect, ASPECTS)


@dataclass(frozen=True)
class AuditOptions:
    """What a finding of the audit does: "stop" the stage, "warn", or nothing ("ignore").

    `leaks`: one image on both sides of a split. `label_conflicts`: one image, or one patient, under
    both labels. `shortcuts`: encoding, shape or frame alone tell the class with an AUROC whose
    interval lies above `shortcut_auroc`. A patient on both sides of a split always stops.
    """

    leaks: str
    label_conflicts: str
    shortcuts: str
    shortcut_auroc: float

    def __post_init__(self) -> None:
        check.one_of("preprocess.audit.leaks", self.leaks, LEVELS)
        check.one_of("preprocess.audit.label_conflicts", self.label_conflicts, LEVELS)
        check.one_of("preprocess.audit.shortcuts", self.shortcuts, LEVELS)
        check.between("preprocess.audit.shortcut_auroc", self.shortcut_auroc, 0.5, 1)


@dataclass(frozen=True)
class PreprocessOptions:
    """Roles, pixels, and how much bad input is tolerated.

    `seed`: moves splits and donors, nothing else does. `val_fraction`: share of the training
    patients held out for validation. `test_fraction`: share of all patients, cut only where
    the source has no test split of its own. Preprocess stops when more images can't be read than
    `max_unreadable_images` and than `max_unreadable_share` of all. `matched_donors`: copies of
    each validation normal in val_matched; 0 makes no such role. `tail_fraction`: share of the
    training normals' groups set aside for val_tail; 0 leaves them in training. `audit`: what its
    findings do.
    """

    seed: int
    image_px: int
    aspect: str
    val_fraction: float
    test_fraction: float
    max_unreadable_images: int
    max_unreadable_share: float
    matched_donors: int
    tail_fraction: float
    audit: AuditOptions

    def __post_init__(self) -> None:
        check.between("preprocess.seed", self.seed, 0, 2**32 - 1)
        _ = self.pixels  # its own checks
        check.between("preprocess.val_fraction", self.val_fraction, 0.01, 0.5)
        check.between("preprocess.test_fraction", self.test_fraction, 0.01, 0.5)
        check.at_least("preprocess.max_unreadable_images", self.max_unreadable_images, 0)
        check.between("preprocess.max_unreadable_share", self.max_unreadable_share, 0, 1)
        check.between("preprocess.matched_donors", self.matched_donors, 0, 100)
        check.between("preprocess.tail_fraction", self.tail_fraction, 0, 0.5)

    @property
    def of_shards(self) -> dict[str, Any]:
        """What decides the shards: what is tolerated, and what is warned of, does not."""
        options = asdict(self)
        for name in ("audit", "max_unreadable_images", "max_unreadable_share"):
            del options[name]
        return options

    @property
    def pixels(self) -> PixelOptions:
        """The part that predicting needs too."""
        return PixelOptions(self.image_px, self.aspect)
