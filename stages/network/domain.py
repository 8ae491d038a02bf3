"""The domain of a model: what it must not judge, from the pooled outputs of its layers.

A score is the largest of several parts, each in units of its range on training images:

- the distance to the nearer class of training images (Mahalanobis, with a mean per class: Lee et
  al. 2018, "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial
  Attacks", arXiv:1807.03888): whatever is unknown;
- for each kind of wrong copy (`wrong_copies`), the log odds of a linear discriminant between these
  copies and the nearer class of training images: an image upside down has the same textures in
  other places, and is not far away in the first sense.

Means and ranges per class keep white lungs from being refused: a lung full of fluid is as white as
the belly of the lower half of an image, and is compared with other such lungs.

All are made of sums of whole numbers below 2^53, which float64 adds exactly in any order: a score
is the same on every processor, and whatever images it is computed with. `domain_fit` fits it.
"""

import io
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stages.engine import checksums
from stages.engine.errors import InputError
from stages.engine.files import DECIMALS, write_bytes
from stages.network.predict import QUARTERS, Scores

Floats = npt.NDArray[np.float64]
Steps = npt.NDArray[np.int64]
"""Features in thousandths of their standard deviation from their mean."""
Weights = npt.NDArray[np.int32]

FORMAT = 1
LIMIT = 1.0
"""The score up to which an image is answered; `Domain.score` is scaled so."""
STEPS = 1000
MOST_STEPS = 1 << 17
"""Further away than this, 131 standard deviations, features count the same."""
MOST_WEIGHT = 1 << 23
"""Of weights: of up to 2^12 products with MOST_STEPS, every sum is below 2^53."""
MOST_CHANNELS = 128
"""Of a layer. More are added up in as many places, with fixed random signs, which about keeps the
distances: Charikar, Chen and Farach-Colton 2002, "Finding frequent items in data streams"."""


@dataclass(frozen=True, eq=False)
class Domain:
    """A fitted domain. F features are kept of a quarter, of the C channels of all layers.

    Attributes:
        layers: Names of the layers whose outputs are pooled.
        channels: Of each layer; they add up to C.
        mean: Of training images, float64 (QUARTERS + 1, C): each quarter, then the whole.
        deviation: Of training images, likewise; 1 where it would be 0.
        classes: Means of the classes, int64 (2, F).
        whitening: int32 (F, F), from features of the whole to uncorrelated ones of one variance.
        kinds: Of wrong copies, K.
        discriminants: int32 (QUARTERS * F, K + 2), of the kinds and then of the classes.
        offsets: Added to their products, float64 (K + 2,).
        middle: Of each part on the training images that are nearer to a class, float64 (2, K + 1).
        spread: From there to the upper end of its range, float64 (2, K + 1).
        limit: Where a score is 1, in these units.
    """

    layers: tuple[str, ...]
    channels: tuple[int, ...]
    mean: Floats
    deviation: Floats
    classes: Steps
    whitening: Weights
    kinds: tuple[str, ...]
    discriminants: Weights
    offsets: Floats
    middle: Floats
    spread: Floats
    limit: float

    def score(self, features: npt.NDArray[Any]) -> Scores:
        """How unlike the training images are these?

        Args:
            features: Of images, (N, QUARTERS, C), from `predict.pooler` with `layers`.

        Returns:
            float64 (N,), higher for what is less alike, and above 1 for what must be refused.
        """
        scores: Scores = np.round(self.extremes(self.steps(features)) / self.limit, DECIMALS)
        return scores

    def steps(self, features: npt.NDArray[Any]) -> Steps:
        """Standardise features (N, QUARTERS, C) and those of the whole: (N, QUARTERS + 1, F)."""
        return standardize(features, self.mean, self.deviation, self.channels)

    def extremes(self, steps: Steps) -> Floats:
        """The largest part of each image in units of the parts' ranges, float64 (N,)."""
        parts, nearer = self.parts(steps)
        extremes: Floats = ((parts - self.middle[nearer]) / self.spread[nearer]).max(axis=1)
        return extremes

    def parts(self, steps: Steps) -> tuple[Floats, npt.NDArray[np.intp]]:
        """Compute the parts, float64 (N, K + 1), and the nearer class of each image (N,)."""
        whole, quarters = steps[:, QUARTERS], flat_quarters(steps)
        distances = [
            np.sqrt((_products(whole - mean, self.whitening) ** 2).sum(axis=1))
            for mean in self.classes
        ]
        likely = _products(quarters, self.discriminants) + self.offsets
        kinds, classes = likely[:, :-2], likely[:, -2:]
        odds = kinds - classes.max(axis=1, keepdims=True)
        return np.column_stack([np.min(distances, axis=0), odds]), classes.argmax(axis=1)

    def save(self, path: Path) -> None:
        """Write domain.npz: equal domains give equal bytes."""
        arrays = {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, format=np.asarray(FORMAT), **arrays)
        write_bytes(path, buffer.getvalue())


def standardize(
    features: npt.NDArray[Any], mean: Floats, deviation: Floats, channels: tuple[int, ...]
) -> Steps:
    """Standardise features (N, QUARTERS, C), and those of the whole; int64 (N, QUARTERS + 1, F)."""
    quarters = features.astype(np.float64)
    whole = quarters.sum(axis=1, keepdims=True) / QUARTERS
    scaled = (np.concatenate([quarters, whole], axis=1) - mean) / deviation * STEPS
    # What is no number, from a network that overflows, is as far away as can be.
    known = np.nan_to_num(scaled, nan=MOST_STEPS).clip(-MOST_STEPS, MOST_STEPS)
    steps = np.rint(known).astype(np.int64)
    layers = np.split(steps, np.cumsum(channels)[:-1], axis=2)
    folded: Steps = np.concatenate([_fold(layer) for layer in layers], axis=2)
    return folded.clip(-MOST_STEPS, MOST_STEPS)


def _fold(layer: Steps) -> Steps:
    """Add up the channels of a layer, int64 (N, P, channels), in MOST_CHANNELS places."""
    count = layer.shape[2]
    if count <= MOST_CHANNELS:
        return layer
    signs = 2 * np.random.default_rng(count).integers(2, size=count) - 1
    folds = -(-count // MOST_CHANNELS)
    padding = (0, 0), (0, 0), (0, folds * MOST_CHANNELS - count)
    places = np.pad(layer * signs, padding).reshape(*layer.shape[:2], folds, MOST_CHANNELS)
    folded: Steps = places.sum(axis=2)
    return folded


def flat_quarters(steps: Steps) -> Steps:
    """The features of the quarters of each image, int64 (N, QUARTERS * F)."""
    return steps[:, :QUARTERS].reshape(len(steps), QUARTERS * steps.shape[2])


def _products(steps: Steps, weights: Weights) -> Floats:
    products: Floats = steps.astype(np.float64) @ weights.astype(np.float64)
    return products


def load(path: Path) -> Domain:
    """Read domain.npz.

    Raises:
        InputError: The file is missing, damaged, of another format, or differs from its recorded
            checksum.
    """
    checksums.verify_file(path)
    if not path.is_file():
        raise InputError(f"{path}: expected the domain of a model, found no file; run `dvc repro`")
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return _checked(arrays)
    except (AttributeError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: expected the domain of a model in format {FORMAT}, received something else "
            f"({error}); run `dvc repro` to make it again"
        ) from error


def _checked(stored: dict[str, Any]) -> Domain:
    """Make the domain of a file's arrays. ValueError for what can't decide: NaN refuses nothing."""
    if (found := int(stored.pop("format"))) != FORMAT:
        raise ValueError(f"format {found}")
    for name in ("layers", "channels", "kinds"):
        stored[name] = tuple(stored[name].tolist())
    stored["limit"] = float(stored["limit"])
    domain = Domain(**stored)
    kept = sum(min(count, MOST_CHANNELS) for count in domain.channels)
    rows, columns = (QUARTERS + 1, sum(domain.channels)), len(domain.kinds)
    expected = {
        "mean": (rows, np.float64),
        "deviation": (rows, np.float64),
        "classes": ((2, kept), np.int64),
        "whitening": ((kept, kept), np.int32),
        "discriminants": ((QUARTERS * kept, columns + 2), np.int32),
        "offsets": ((columns + 2,), np.float64),
        "middle": ((2, columns + 1), np.float64),
        "spread": ((2, columns + 1), np.float64),
    }
    for name, (shape, dtype) in expected.items():
        array = stored[name]
        if array.shape != shape or array.dtype != dtype or not np.isfinite(array).all():
            raise ValueError(f"{name}: {array.dtype} {array.shape} that can't be used")
    if not (domain.deviation > 0).all() or not (domain.spread > 0).all() or not domain.limit > 0:
        raise ValueError("deviation, spread or limit: numbers that are not above 0")
    return domain
