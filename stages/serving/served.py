"""A loaded version, and all that an answer says of it."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from stages.engine.arrays import GrayImage, GrayImages
from stages.network.detector import Answer
from stages.network.preparing import Prepared


class Answering(Protocol):
    """What answers: the interface of `network.detector.Detector`, from a version's own code."""

    def prepare(self, image: bytes) -> Prepared:
        """Decode an image file and resize it."""

    def answer(self, pixels: GrayImages) -> list[Answer]:
        """Answer for prepared images, uint8 (N, H, W)."""

    def overlay(self, pixels: GrayImage, /) -> bytes:
        """Draw what speaks for the positive class: a PNG."""


@dataclass(frozen=True)
class Preparer:
    """What a process without TensorFlow needs to prepare images as a version does.

    Attributes:
        package: Name of the package with `network.preparing`.
        code: The bytes of the zip archive that holds the package; empty for this project's own.
        pixels: Preprocessing options.
        body_part: What DICOM images should show; None: anything.
    """

    package: str
    code: bytes = field(repr=False)
    pixels: Mapping[str, Any]
    body_part: str | None

    @property
    def description(self) -> dict[str, Any]:
        """Everything but the code."""
        pixels = dict(self.pixels)
        return {"package": self.package, "pixels": pixels, "body_part": self.body_part}

    @functools.cached_property
    def key(self) -> str:
        """A name, equal for equal ones: 64 digits."""
        return sha256(json.dumps(self.description).encode() + self.code).hexdigest()


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A loaded version, which never changes. A request holds the one that it began with.

    Attributes:
        detector: What answers.
        preparer: How other processes decode for it; None: `detector.prepare` is called in this
            process, as for format 1.
        name: Registered model, or the file's name.
        version: Its number; None for a model file, as `alias`, `package_digest` and `commit`.
        alias: The alias that it was found at.
        format: Of its package.
        model_digest: Its model digest.
        package_digest: Digest of its files.
        commit: Git commit that it was trained at.
        synthetic: Whether it was trained on synthetic images; None if that is not known.
        intended_use: What it is meant for; None if that is not stated.
        cautions: What makes it doubtful.
        classes: Names of the negative and the positive class.
        prior: Probability of the positive class that answers assume; None if not on record.
        threshold: Probability from which the decision is the positive class; None likewise.
        domain_limit: Domain score above which an image is refused; None for format 1.
        figures: Headline figures with intervals, by role, such as
            {"test": {"auroc": {"value": 0.98, "low": 0.97, "high": 0.99}}}.
        domain_scores: Domain scores of reference images at equally spaced quantiles, ascending;
            empty where none are packaged.
        folder: Its files, as they were checked.
        facts: The content of package.json.
        place_matters: Whether an answer's last bits depend on the place in a batch on this
            machine; then each image is answered alone.
    """

    detector: Answering
    preparer: Preparer | None
    name: str
    version: str | None
    alias: str | None
    format: int
    model_digest: str
    package_digest: str | None
    commit: str | None
    synthetic: bool | None
    intended_use: str | None
    cautions: tuple[str, ...]
    classes: tuple[str, str]
    prior: float | None = None
    threshold: float | None = None
    domain_limit: float | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)
    domain_scores: tuple[float, ...] = ()
    folder: Path | None = None
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False)
    place_matters: bool = False

    def __str__(self) -> str:
        version = "" if self.version is None else f" version {self.version}"
        alias = "" if self.alias is None else f" ({self.alias})"
        return f"{self.name}{version}{alias}"

    def percentile(self, score: float) -> float | None:
        """Return the share of reference images with a lower domain score, 0 to 100."""
        scores = self.domain_scores
        if not scores:
            return None
        return 100 * sum(one < score for one in scores) / len(scores)
