"""What does the trained model refuse? The command `pneumonia study domain`.

Refused shares of proper images by role and class, and catch rates of images that are none, by kind.
Never on the role test, whose shares `evaluate` reports.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from stages.engine.arrays import Flags, GrayImage, GrayImages
from stages.engine.files import read_json
from stages.images.options import PixelOptions
from stages.images.prepare import prepare
from stages.images.resize import fit_square
from stages.images.shards import Role, open_shards
from stages.metrics import refusals
from stages.metrics.intervals import Figure, as_tree, resample
from stages.metrics.options import FigureOptions
from stages.metrics.pages.text import format_difference, format_figure, markdown_table
from stages.metrics.refusal_keys import NEGATIVE, POSITIVE
from stages.network import domain, predict, wrong_copies
from stages.network.wrong_copies import Change
from stages.settings import paths
from stages.settings.params import Params
from stages.sources.phantom.generate import images as phantoms
from stages.sources.phantom.options import PhantomOptions
from stages.studies.improper import DRAWN
from stages.studies.improper_changes import HARMLESS, UNSEEN

SOURCE_ROLE = "val"
"""Whose images are changed."""
_SEED = 0
_DRAWN, _CHANGED = 200, 400
"""Images of each kind, at most."""
FITTED, NEW, PROPER, OTHER = (
    "wrong, used in fitting",
    "wrong, new to the domain",
    "still proper",
    "another population",
)


@dataclass(frozen=True)
class Caught:
    """How many images of one kind are refused.

    Attributes:
        group: FITTED, NEW, PROPER or OTHER.
        kind: Its name.
        images: How many there are.
        share: The refused share with its interval.
    """

    group: str
    kind: str
    images: int
    share: Figure


def run(settings: Params) -> str:
    """Return both tables, in Markdown."""
    shards = open_shards(paths.SHARDS)
    model = predict.load_model(paths.MODEL / "model.keras")
    answers = predict.answerer(model, domain.load(paths.MODEL / "domain.npz"))
    options = settings.evaluate

    def refused(images: GrayImages) -> Flags:
        flags: Flags = answers(images)[1] > domain.LIMIT
        return flags

    roles = [shards.role(name) for name in shards.roles if name != "test"]
    by_role = {role.name: refused(role.pixels) for role in roles}
    (source,) = [role for role in roles if role.name == SOURCE_ROLE]
    kinds = [
        *_of_changes(FITTED, wrong_copies.KINDS, source, refused, options),
        *_of_drawings(settings.preprocess.pixels, refused, options),
        *_of_changes(NEW, UNSEEN, source, refused, options),
        *_of_changes(PROPER, HARMLESS, source, refused, options),
    ]
    if not read_json(paths.SOURCE)["synthetic"]:
        kinds.append(_of_phantoms(settings.preprocess.pixels, refused, options))
    return f"{format_roles(roles, by_role, options)}\n\n{format_kinds(kinds)}"


def _of_changes(
    group: str, changes: Mapping[str, Change], role: Role, refused: Any, options: FigureOptions
) -> Iterator[Caught]:
    """Refused shares of changed images; patients are resampled."""
    used = min(len(role.pixels), _CHANGED)
    rows = np.arange(used) * len(role.pixels) // used
    patients = role.records["patient"].to_numpy()[rows]
    for number, (kind, change) in enumerate(changes.items()):
        generators = [np.random.default_rng([_SEED, number, int(row)]) for row in rows]
        copies = [
            np.ascontiguousarray(change(np.asarray(role.pixels[row]), generator))
            for row, generator in zip(rows, generators, strict=True)
        ]
        yield Caught(group, kind, used, share(refused(np.stack(copies)), patients, options))


def _of_drawings(pixels: PixelOptions, refused: Any, options: FigureOptions) -> Iterator[Caught]:
    for number, (kind, draw) in enumerate(DRAWN.items()):
        drawn = [
            fit_square(draw(np.random.default_rng([_SEED, number, image])), pixels)
            for image in range(_DRAWN)
        ]
        yield _of_images(NEW, kind, drawn, refused, options)


def _of_phantoms(pixels: PixelOptions, refused: Any, options: FigureOptions) -> Caught:
    drawn = PhantomOptions(seed=_SEED, patients_train=_DRAWN, patients_test=4, confound=0.0)
    prepared = [prepare(image.data, pixels) for image in islice(phantoms(drawn), _DRAWN)]
    return _of_images(OTHER, "phantoms", prepared, refused, options)


def _of_images(
    group: str, kind: str, images: Sequence[GrayImage], refused: Any, options: FigureOptions
) -> Caught:
    flags = refused(np.stack(images))
    return Caught(group, kind, len(images), share(flags, np.arange(len(images)), options))


def share(refused: Flags, patients: Any, options: FigureOptions) -> Figure:
    """Compute the refused share with its interval, over resampled patients.

    Args:
        refused: bool (N,).
        patients: Of each image (N,).
        options: Of the resampling.
    """
    label = np.ones(len(refused), np.int64)
    draws = resample(
        patients, label, seed=options.seed, draws=options.draws, confidence=options.confidence
    )
    section = refusals.shares(np.asarray(patients), label, refused)
    return draws.figures(section.score, section.patients)["share"]


def format_roles(
    roles: Iterable[Role], refused: Mapping[str, Flags], options: FigureOptions
) -> str:
    """Format refused shares of negatives and positives by role, and their difference."""
    rows = []
    for role in roles:
        label, patients = role.records["label"].to_numpy(), role.records["patient"].to_numpy()
        flags = refused[role.name]
        draws = resample(
            patients, label, seed=options.seed, draws=options.draws, confidence=options.confidence
        )
        section = refusals.shares(patients, label, flags)
        tree = as_tree(draws.figures(section.score, section.patients))
        cells = [
            f"{int(flags[label == value].sum())} of {int((label == value).sum())}: "
            f"{format_figure(tree.get(name))}"
            for value, name in ((0, NEGATIVE), (1, POSITIVE))
        ]
        gap = refusals.difference(patients, label, flags, options)
        rows.append([role.name, *cells, format_difference(gap)])
    return markdown_table(
        ["Role", "Negatives refused", "Positives refused", "Positives less negatives"], rows
    )


def format_kinds(kinds: Iterable[Caught]) -> str:
    """Format the refused share of each kind."""
    rows = [
        [
            found.group,
            found.kind,
            str(found.images),
            format_figure(as_tree({"share": found.share}).get("share")),
        ]
        for found in kinds
    ]
    return markdown_table(["Images", "Kind", "Number", "Refused"], rows)
