"""Files of many devices and programs that pydicom brings along: as many are taken as ever.

Their grey levels follow those of pydicom's own look-up tables.
"""

import contextlib
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from stages.engine.arrays import Floats, GrayImage
from stages.engine.errors import InputError
from stages.images.decode import decode

FOLDER = Path(pydicom.data.__file__).parent
FILES = sorted(
    path
    for folder in ("test_files", "charset_files")
    for path in (FOLDER / folder).rglob("*")
    if path.is_file() and path.suffix not in (".py", ".pyc", ".zip")
)
# A byte after the end of the codestream; 8 or 12 bits in 16 without a window.
ONCE_REFUSED = {"JPEG-lossy.dcm", "JPGExtended.dcm", "CT_small.dcm", "JPEG2000.dcm"}
TAKEN = 51 + len(ONCE_REFUSED)


def taken() -> dict[Path, GrayImage]:
    found = {}
    for path in FILES:
        with contextlib.suppress(InputError):
            found[path] = decode(path.read_bytes())
    return found


def by_pydicom(path: Path) -> Floats:
    image = pydicom.dcmread(path, force=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = apply_voi_lut(apply_modality_lut(image.pixel_array, image), image)
    sign = -1 if image.PhotometricInterpretation == "MONOCHROME1" else 1
    return np.asarray(sign * values.astype(np.float64))


def test_as_many_are_taken_as_ever_and_as_pydicom_has_them() -> None:
    found = taken()
    assert len(found) == TAKEN
    assert {path.name for path in found} >= ONCE_REFUSED
    compared = 0
    for path, pixels in found.items():
        try:
            other = by_pydicom(path)
        except RuntimeError:  # pydicom has no decoder for it here
            continue
        if other.shape == pixels.shape:  # not made square
            compared += 1
            assert np.corrcoef(other.ravel(), pixels.ravel())[0, 1] > 0.96, path.name
    assert compared >= 50
