"""The README's picture: some phantoms, and the curves of the model that learned from them."""

import zipfile

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.engine.errors import InputError
from stages.images.decode import decode
from stages.metrics.pages.picture import Panel, draw_picture
from stages.settings import paths
from stages.sources.index import open_raw
from stages.sources.phantom.generate import MASKS, TRUTH
from stages.sources.source_file import short_name

# Kind, site and grade of the phantoms that are drawn; of each the first one.
_DRAWN = (
    ("normal", "A", 0),
    ("normal", "B", 0),
    ("normal", "C", 0),
    ("bacterial", "A", 3),
    ("bacterial", "B", 1),
    ("bacterial", "B", 3),
    ("viral", "B", 1),
    ("viral", "B", 3),
)
_GRADES = ("", ", subtle", ", moderate", ", plain")


def draw() -> bytes:
    """Return a PNG of phantoms in data/raw, with plots from data/report and data/model.

    Raises:
        InputError: The images are not phantoms. Patients' images stay out of documents.
    """
    images, source = open_raw(paths.RAW)
    truth_path = paths.RAW / TRUTH
    if not source["synthetic"] or not truth_path.exists():
        raise InputError(
            f"{paths.RAW}: expected phantoms, received images of {short_name(source)}; "
            "set fetch.source to phantom and run `dvc repro`"
        )
    truth = pd.read_csv(truth_path).drop_duplicates(["kind", "site", "grade"])
    rows = {(row["kind"], row["site"], row["grade"]): row["path"] for _, row in truth.iterrows()}
    stored = {image.row.path: image for image in images}
    panels = []
    with zipfile.ZipFile(paths.RAW / MASKS) as masks:
        for kind, site, grade in _DRAWN:
            path = rows.get((kind, site, grade))
            if path is None:  # a small cohort does not have them all
                continue
            lesion = _mask(masks.read(f"{path}.png")) if grade else None
            caption = f"{kind}{_GRADES[grade]}, site {site}"
            panels.append(Panel(decode(stored[path].read()), lesion, caption))
    tables = {
        "roc": paths.REPORT / "plots/roc.csv",
        "calibration": paths.REPORT / "plots/calibration.csv",
        "history": paths.MODEL / "history.csv",
    }
    return draw_picture(panels, {name: pd.read_csv(path) for name, path in tables.items()})


def _mask(png: bytes) -> NDArray[np.uint8]:
    """A lesion's mask as stored, uint8 (H, W), 0 or 255."""
    return np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)
