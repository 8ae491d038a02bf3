"""The samples of the page: phantoms that no cohort holds, and a picture without a chest.

`python -m stages.commands.page_samples` writes them again, to the same bytes on every machine.
"""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from stages.engine.arrays import GrayImage
from stages.sources.phantom.cohort import View
from stages.sources.phantom.encode import encode_jpeg
from stages.sources.phantom.render import render
from stages.sources.phantom.sites import SITES

FOLDER: Final = Path(__file__).parent / "page" / "samples"

# Not the seed of params.yaml's cohorts, so no model is trained on these children.
_SEED: Final = 20_260

_PHANTOMS: Final = {
    "normal.jpeg": (View(_SEED, 1, 0, "normal", 0), "C"),
    "lobe.jpeg": (View(_SEED, 2, 0, "bacterial", 3), "C"),
    "diffuse.jpeg": (View(_SEED, 3, 0, "viral", 3), "C"),
}


def samples() -> dict[str, bytes]:
    """Return the bytes of each sample by the name of its file."""
    drawn = {name: _phantom(view, site) for name, (view, site) in _PHANTOMS.items()}
    return {**drawn, "no_chest.jpeg": encode_jpeg(_hills(), scale=50, icc=False, colour=False)}


def _phantom(view: View, site: str) -> bytes:
    taken, traits = render(view, site), SITES[site]
    return encode_jpeg(taken.pixels, scale=traits.jpeg_scale, icc=traits.icc, colour=False)


def _hills() -> GrayImage:
    """Draw a sun over hills with integers alone: uint8 (300, 400)."""
    y, x = np.mgrid[0:300, 0:400]
    picture: npt.NDArray[np.int64] = 150 + y // 4
    picture[(x - 300) ** 2 + (y - 80) ** 2 < 35**2] = 250
    for level, left, top, width in ((110, 60, 150, 90), (80, 240, 170, 140), (45, 120, 220, 200)):
        picture[y > top + (x - left) ** 2 // width] = level
    grey: GrayImage = picture.astype(np.uint8)
    return grey
