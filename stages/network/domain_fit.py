"""Fit the domain of a trained model (`network.domain`), and its limit on validation images.

Three passes over training images: as they are, in the sense of evaluation; once changed mildly, as
training changes them, since what the network was taught to see past is no reason to refuse; and one
wrong copy of each, the kinds in turn.

Features are whole numbers (thousandths of a standard deviation), so that sums of their products are
exact on every processor. Solving with them is not, in the last bits, which rounding hides.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from stages.engine.arrays import Floats, GrayImages, Labels
from stages.engine.console import print_text
from stages.engine.files import DECIMALS
from stages.engine.progress import progress
from stages.images.shards import Role
from stages.network import augment, wrong_copies
from stages.network.domain import (
    MOST_WEIGHT,
    Domain,
    Steps,
    Weights,
    flat_quarters,
    standardize,
)
from stages.network.domain_limit import class_ranges, limit
from stages.network.layers import by_resolution
from stages.network.options import AugmentOptions, TrainOptions
from stages.network.predict import QUARTERS, Features, pooler

_MOST_IMAGES = 4000
"""Training images that are used at most, evenly spread: more change little and take time."""
_LEAST_HALVINGS = 2
"""Finer layers see edges only; the network "compact" is left with its four stages."""
_CHUNK = 256


def fit(model: Any, options: TrainOptions, train: Role, validation: Sequence[Role]) -> Domain:
    """Fit a domain on training images and its limit on validation images.

    Args:
        model: The trained network, as it is saved.
        options: The section train of params.
        train: The training images.
        validation: The role "val", and "val_matched" where there is one; others are not used.
    """
    started = time.monotonic()
    rows = _evenly_spread(len(train.pixels))
    labels = train.records["label"].to_numpy()[rows]
    layers, channels = _layers(model, train.pixels)
    pooled = pooler(model, layers)
    plain, mild, wrong = _pool_copies(pooled, train.pixels, rows, options)
    mean, deviation = _moments(plain)

    kinds = tuple(wrong_copies.KINDS)
    proper, labels = (
        np.concatenate(
            [standardize(copies, mean, deviation, channels) for copies in (plain, mild)]
        ),
        np.tile(labels, 2),
    )
    classes, whitening = _distance(proper[:, QUARTERS], labels)
    discriminants, offsets = _discriminants(
        flat_quarters(proper), labels, flat_quarters(standardize(wrong, mean, deviation, channels))
    )
    domain = Domain(
        layers=layers,
        channels=channels,
        mean=mean,
        deviation=deviation,
        classes=classes,
        whitening=whitening,
        kinds=kinds,
        discriminants=discriminants,
        offsets=offsets,
        middle=np.zeros((2, len(kinds) + 1)),
        spread=np.ones((2, len(kinds) + 1)),
        limit=1.0,
    )
    middle, spread = class_ranges(*domain.parts(proper), options.refused_share)
    domain = replace(domain, middle=middle, spread=spread)
    pools = [domain.extremes(domain.steps(pooled(images))) for images in _pools(validation)]
    print_text(f"domain: fitted on {len(rows)} images in {time.monotonic() - started:.0f} s")
    return replace(domain, limit=limit(pools, options.refused_share))


def _evenly_spread(count: int) -> npt.NDArray[np.int64]:
    used = min(count, _MOST_IMAGES)
    return np.arange(used) * count // used


def _layers(model: Any, images: GrayImages) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names and channels of the layers to pool: the last one at each resolution but the finest."""
    found = by_resolution(model, *images.shape[1:])
    coarse = [output for halvings, output in found.items() if halvings >= _LEAST_HALVINGS]
    outputs = coarse or list(found.values())
    # The history of a tensor begins with the layer that made it.
    names = tuple(output._keras_history.operation.name for output in outputs)
    return names, tuple(output.shape[-1] for output in outputs)


def _pool_copies(
    pooled: Any, images: GrayImages, rows: npt.NDArray[np.int64], options: TrainOptions
) -> tuple[Features, Features, Features]:
    """Features of the images, of mild changes of them and of wrong copies, (N, ...) each."""
    px = images.shape[1]
    mildly = _mild(options.augment)
    kinds = list(wrong_copies.KINDS)
    plain, mild, wrong = [], [], []
    starts = range(0, len(rows), _CHUNK)
    for start in progress(starts, label="domain", total=len(starts)):
        part = rows[start : start + _CHUNK]
        whole = np.asarray(images[part])
        plain.append(pooled(whole))
        # An epoch that training never reaches has streams of its own.
        changed = [
            augment.crop(image, px, mildly, seed=options.seed, epoch=options.epochs, record=row)
            for image, row in zip(whole, part, strict=True)
        ]
        mild.append(pooled(np.stack(changed)))
        copies = [
            wrong_copies.copy(
                image, kinds[place % len(kinds)], np.random.default_rng([options.seed, place])
            )
            for place, image in enumerate(whole, start=start)
        ]
        wrong.append(pooled(np.stack(copies)))
    return np.concatenate(plain), np.concatenate(mild), np.concatenate(wrong)


def _mild(options: AugmentOptions) -> AugmentOptions:
    """Training's changes of exposure and sharpness, of places only what another day brings."""
    return options.model_copy(
        update={
            "area": (0.8, 1.0),
            "aspect": min(options.aspect, 0.1),
            "rotate_deg": min(options.rotate_deg, 5.0),
        }
    )


def _moments(features: Features) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each feature, the whole's last: (QUARTERS + 1, C) each."""
    quarters = features.astype(np.float64)
    whole = quarters.sum(axis=1, keepdims=True) / QUARTERS
    values = np.concatenate([quarters, whole], axis=1)
    mean = values.mean(axis=0)
    deviation = np.sqrt(((values - mean) ** 2).mean(axis=0))
    deviation[deviation <= 1e-9 * np.abs(mean)] = 1.0  # a channel that is always the same
    return mean, deviation


def _distance(whole: Steps, labels: Labels) -> tuple[Steps, Weights]:
    """Means of both classes, and the matrix after which distances from them are Mahalanobis'."""
    classes = np.stack([_mean(whole[labels == label]) for label in (0, 1)])
    covariance = _shrunk_covariance(whole - classes[labels])
    return classes, _whole_numbers(np.linalg.inv(np.linalg.cholesky(covariance)).T)


def _discriminants(proper: Steps, labels: Labels, wrong: Steps) -> tuple[Weights, Floats]:
    """Linear discriminants of the kinds of wrong copies and then of the classes; their offsets.

    The density of each is normal, of one covariance: Fisher 1936, "The use of multiple measurements
    in taxonomic problems", Annals of Eugenics 7:179-188.
    """
    groups = [wrong[number :: len(wrong_copies.KINDS)] for number in range(len(wrong_copies.KINDS))]
    groups += [proper[labels == label] for label in (0, 1)]
    means = [_mean(group) for group in groups]
    residuals = [group - mean for group, mean in zip(groups, means, strict=True)]
    covariance = _shrunk_covariance(np.concatenate(residuals))
    centres = np.stack(means, axis=1).astype(np.float64)
    discriminants = _whole_numbers(np.linalg.solve(covariance, centres))
    offsets: Floats = -(centres * discriminants).sum(axis=0) / 2
    return discriminants, offsets


def _mean(steps: Steps) -> Steps:
    mean: Steps = np.rint(steps.sum(axis=0) / max(len(steps), 1)).astype(np.int64)
    return mean


def _shrunk_covariance(residuals: Steps) -> Floats:
    """Covariance (F, F) of residuals (N, F), drawn towards a multiple of the identity.

    By how much: Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional
    covariance matrices", Journal of Multivariate Analysis 88:365-411.
    """
    rows = residuals.astype(np.float64)
    count, size = rows.shape
    covariance = rows.T @ rows / count
    variance = np.trace(covariance) / size
    distance = (covariance**2).sum() - size * variance**2
    noise = (((rows**2).sum(axis=1) ** 2).sum() / count - (covariance**2).sum()) / count
    shrinkage = round(min(max(noise / distance, 0.0), 1.0), DECIMALS) if distance > 0 else 1.0
    shrunk: Floats = (1 - shrinkage) * covariance
    # Where nothing varies, any variance will do.
    shrunk[np.diag_indices(size)] += shrinkage * variance + max(1e-6 * variance, 1.0)
    return shrunk


def _whole_numbers(weights: npt.NDArray[Any]) -> Weights:
    """Scale weights so that the largest is MOST_WEIGHT, and round them."""
    most = np.abs(weights).max() or 1.0
    rounded: Weights = np.rint(weights * (MOST_WEIGHT / most)).astype(np.int32)
    return rounded


def _pools(validation: Sequence[Role]) -> list[GrayImages]:
    """Validation images: positives, negatives, and matched negatives where there are any."""
    roles = {role.name: role for role in validation}
    chosen = [("val", 1), ("val", 0), ("val_matched", 0)]
    return [
        np.asarray(roles[name].pixels[roles[name].records["label"].to_numpy() == label])
        for name, label in chosen
        if name in roles
    ]
