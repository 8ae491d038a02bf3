"""Params of preprocess."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from stages.engine.options import Options, Seed, Share

Level = Literal["stop", "warn", "ignore"]
"""What a finding of the audit does: stop the stage, print a warning, or nothing."""

LEVELS: tuple[Level, ...] = get_args(Level)
"""The levels, the gravest first."""

ImagePx = Annotated[int, Field(ge=32, le=1024)]
Aspect = Literal["keep", "stretch"]


class PixelOptions(Options):
    """How any image becomes pixels, in training and serving alike."""

    image_px: ImagePx
    """Side of the square, in pixels."""

    aspect: Aspect
    """`stretch` fills the square. `keep` scales the longer side to it and leaves black bars,
    whose width gives the image's shape away."""


class AuditOptions(Options):
    """Section `preprocess.audit`: what each finding does.

    A patient on both sides of a split always stops.
    """

    leaks: Level
    """One image on both sides of a split."""

    label_conflicts: Level
    """One image, or one patient, under both labels."""

    shortcuts: Level
    """Encoding, shape or frame alone give the class away, with an AUROC whose whole interval lies
    above `shortcut_auroc`."""

    shortcut_auroc: Annotated[float, Field(ge=0.5, le=1)]
    """AUROC from which a shortcut is a finding, 0.5 (chance) to 1."""


class PreprocessOptions(Options):
    """Section `preprocess`: roles, pixels, and how much bad input is tolerated.

    Preprocess stops when more images can't be read than `max_unreadable_images` and than
    `max_unreadable_share` of all.
    """

    seed: Seed
    """Moves splits and donors, nothing else, and nobody whose role is frozen (`frozen_roles`)."""

    image_px: ImagePx
    """Side of a stored image, in pixels (`PixelOptions`)."""

    aspect: Aspect
    """How an image fills its square (`PixelOptions`)."""

    val_fraction: Annotated[float, Field(ge=0.01, le=0.5)]
    """Share of the training patients held out for validation, met by chance: each patient's name
    decides (`splits.deal`)."""

    test_fraction: Annotated[float, Field(ge=0.01, le=0.5)]
    """Share of all patients held out for test, where the source has no test split of its own; met
    by chance too."""

    max_unreadable_images: Annotated[int, Field(ge=0)]
    """Unreadable images that are tolerated however few images there are."""

    max_unreadable_share: Share
    """Share of unreadable images that is tolerated."""

    matched_donors: Annotated[int, Field(ge=0, le=100)]
    """Re-acquired copies of each validation normal in val_matched; 0 makes no such role."""

    tail_fraction: Annotated[float, Field(ge=0, le=0.5)]
    """Share of the training normals' groups set aside for val_tail; 0 leaves them in training."""

    audit: AuditOptions
    """What the audit's findings do."""

    @property
    def of_shards(self) -> dict[str, Any]:
        """The options that decide the shards: not what is tolerated or warned of."""
        return self.model_dump(exclude={"audit", "max_unreadable_images", "max_unreadable_share"})

    @property
    def pixels(self) -> PixelOptions:
        """The options that predicting needs too."""
        return PixelOptions(image_px=self.image_px, aspect=self.aspect)
