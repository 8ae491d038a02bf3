"""Does a saliency map peak where the lesion is? The command `pneumonia study pointing`.

The pointing game on validation phantoms, whose lesions are known. Zhang J et al., *Top-Down
Neural Attention by Excitation Backprop*, IJCV 126:1084-1102, 2018: a map hits where its maximum
lies within a tolerance of the object. Theirs is 15 pixels, on pictures of about 500; here it is the
same share of an image's side.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.engine.arrays import Flags, Floats
from stages.engine.errors import InputError
from stages.engine.files import read_json
from stages.images.decode import decode_mask
from stages.images.options import PixelOptions
from stages.images.resize import fit_square
from stages.images.shards import open_shards
from stages.metrics.intervals import as_tree, resample
from stages.metrics.options import FigureOptions
from stages.metrics.pages.text import format_figure, markdown_table
from stages.metrics.ratio import ratio
from stages.network import predict, saliency
from stages.settings import paths
from stages.settings.params import Params
from stages.sources.phantom.generate import MASKS, TRUTH
from stages.sources.source_file import short_name

ROLE = "val"
TOLERANCE_SHARE = 0.03
"""Of the longer side of an image."""
_AT_ONCE = 32
"""Images per backward pass, which keeps its memory small."""
_GRADES = ("none", "subtle", "moderate", "plain")
_COLUMNS = {"hit": "Hit rate", "chance": "By area alone", "elsewhere": "By any image's maximum"}
"""Columns of `play`, and their titles."""


def run(settings: Params) -> str:
    """Return hit rates with intervals beside chance, by kind and grade of the lesion, in Markdown.

    Raises:
        InputError: The images are not phantoms: a patient's lesions are not outlined.
    """
    shards = open_shards(paths.SHARDS)
    source = read_json(paths.SOURCE)
    masks_path, truth_path = paths.RAW / MASKS, paths.RAW / TRUTH
    if not source["synthetic"] or not masks_path.exists():
        raise InputError(
            f"{paths.SHARDS}: expected phantoms, whose lesions are known, received images of "
            f"{short_name(source)} without masks; set fetch.source to phantom and run `dvc repro`"
        )
    role = shards.role(ROLE)
    grades = pd.read_csv(truth_path).set_index("path")["grade"]
    drawn = role.records["id"].isin(grades.index)  # there may be patients of other sources
    rows = np.flatnonzero(drawn & (role.records["label"] == 1))
    records, images = role.records.iloc[rows], role.pixels[rows]
    lesions = _read_masks(masks_path, list(records["id"]), settings.preprocess.pixels)
    model = predict.load_model(paths.MODEL / "model.keras")
    batches = [images[first : first + _AT_ONCE] for first in range(0, len(images), _AT_ONCE)]
    maps = np.concatenate([saliency.heatmaps(model, batch) for batch in batches])
    grade = records["id"].map(grades).to_numpy()
    kind = records["kind"].to_numpy()
    groups = {
        "with a lesion": np.ones(len(records), bool),
        **{name: kind == name for name in ("bacterial", "viral")},
        **{name: grade == number for number, name in enumerate(_GRADES)},
    }
    present = {name: member for name, member in groups.items() if member.any()}
    return format_table(records, play(maps, lesions), present, settings.evaluate)


def grow(masks: Flags, tolerance_px: float) -> Flags:
    """Grow each mask, bool (N, H, W), by the pixels within `tolerance_px` of it."""
    distances = [
        cv2.distanceTransform(np.where(mask, 0, 1).astype(np.uint8), cv2.DIST_L2, 5)
        for mask in masks
    ]
    # Without a lesion pixel there is no distance: nothing is near.
    reach = np.where(masks.any(axis=(1, 2)), tolerance_px, -1)
    return np.stack(distances) <= reach[:, None, None]


def play(maps: NDArray[np.float32], masks: Flags) -> pd.DataFrame:
    """Play the game with N images. Of equal maxima the first counts, row by row.

    Args:
        maps: Saliency, float32 (N, H, W).
        masks: Of the lesions, bool (N, H, W).

    Returns:
        One row per image, with the columns

        - hit: whether the map's maximum is on the lesion or within the tolerance (bool);
        - chance: share of the image's area where a maximum would have hit, 0 to 1;
        - elsewhere: share of all images' maxima, this image's among them, that would have hit
          here. A network that points at the same place on every image has as many hits as this.

    Raises:
        ValueError: Shapes differ, or an image has no lesion.
    """
    if maps.shape != masks.shape or maps.ndim != 3:
        raise ValueError(f"expected maps like masks (N, H, W), got {maps.shape} and {masks.shape}")
    if not masks.any(axis=(1, 2)).all():
        raise ValueError("expected a lesion in every mask: the game is about images with one")
    grown = grow(masks, TOLERANCE_SHARE * max(maps.shape[1:]))
    peak = maps.reshape(len(maps), -1).argmax(axis=1)
    flat = grown.reshape(len(grown), -1)
    return pd.DataFrame(
        {
            "hit": flat[np.arange(len(flat)), peak],
            "chance": flat.mean(axis=1),
            "elsewhere": flat[:, peak].mean(axis=1),
        }
    )


def format_table(
    records: pd.DataFrame,
    played: pd.DataFrame,
    groups: Mapping[str, Flags],
    options: FigureOptions,
) -> str:
    """Format hit rates by group as Markdown, each with its interval and the rates of chance.

    Args:
        records: The images (N).
        played: What `play` returned for them.
        groups: Members of each group, bool (N,), by its name.
        options: Of the resampling.
    """
    draws = resample(
        records["patient"].to_numpy(),
        np.ones(len(records), np.int64),
        seed=options.seed,
        draws=options.draws,
        confidence=options.confidence,
    )
    rows = []
    for name, member in groups.items():

        def shares(weight: Floats, member: Flags = member) -> dict[str, Floats]:
            of_group = weight * member
            return {
                column: ratio(of_group @ played[column].to_numpy(np.float64), of_group.sum(axis=1))
                for column in _COLUMNS
            }

        patients = records.loc[member, "patient"].nunique()
        tree = as_tree(draws.figures(shares, {"hit": patients}))
        figures = [format_figure(tree.get(column)) for column in _COLUMNS]
        rows.append([name, str(int(member.sum())), *figures])
    return markdown_table(["Images", "Number", *_COLUMNS.values()], rows)


def _read_masks(path: Path, ids: list[str], options: PixelOptions) -> Flags:
    """Read lesions, bool (N, image_px, image_px), resized as the images' pixels are."""
    with zipfile.ZipFile(path) as stored:
        pixels = [decode_mask(stored.read(f"{name}.png")) for name in ids]
        masks = [fit_square(mask, options) >= 128 for mask in pixels]
    return np.stack(masks)
