"""The pointing game of the model's saliency maps against the phantoms' lesions, on validation."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.engine.errors import InputError
from stages.engine.files import read_json
from stages.images.options import PixelOptions
from stages.images.resize import prepare
from stages.images.shards import open_shards
from stages.network import predict, saliency
from stages.settings import paths
from stages.settings.params import Params
from stages.sources.phantom.generate import MASKS, TRUTH
from stages.studies import pointing_table

ROLE = "val"
_AT_ONCE = 32  # images per backward pass, which keeps its memory small
_GRADES = ("none", "subtle", "moderate", "plain")


def table(settings: Params) -> str:
    """Hit rates with intervals beside chance, by kind and grade of the lesion, as Markdown.

    Raises InputError where the images are not phantoms: nobody outlined a patient's lesions.
    """
    shards = open_shards(paths.SHARDS)
    source = read_json(paths.SOURCE)
    masks_path, truth_path = paths.RAW / MASKS, paths.RAW / TRUTH
    if not source["synthetic"] or not masks_path.exists():
        raise InputError(
            f"{paths.SHARDS}: expected phantoms, whose lesions are known, received images of "
            f"{source['name']} without masks; set fetch.source to phantom and run `dvc repro`"
        )
    role = shards.role(ROLE)
    rows = np.flatnonzero(role.records["label"] == 1)
    records, images = role.records.iloc[rows], role.pixels[rows]
    lesions = _masks(masks_path, list(records["id"]), settings.preprocess.pixels)
    model = predict.load_model(paths.MODEL / "model.keras")
    maps = np.concatenate(
        [
            saliency.heatmaps(model, images[n : n + _AT_ONCE])
            for n in range(0, len(images), _AT_ONCE)
        ]
    )
    played = pointing_table.game(maps, lesions)
    grade = records["id"].map(pd.read_csv(truth_path).set_index("path")["grade"]).to_numpy()
    kind = records["kind"].to_numpy()
    groups = {
        "with a lesion": np.ones(len(records), bool),
        **{name: kind == name for name in ("bacterial", "viral")},
        **{name: grade == number for number, name in enumerate(_GRADES)},
    }
    found = {name: member for name, member in groups.items() if member.any()}
    return pointing_table.pointing_table(records, played, found, settings.evaluate)


def _masks(path: Path, ids: list[str], options: PixelOptions) -> NDArray[np.bool_]:
    """Lesions, bool (N, image_px, image_px), by the road that the images' pixels take."""
    with zipfile.ZipFile(path) as stored:
        found = [prepare(stored.read(f"{name}.png"), options) >= 128 for name in ids]
    return np.stack(found)
