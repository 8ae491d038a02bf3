"""Names for the arrays that packages exchange.

A type checker sees the dtype only; shapes stand in the docstrings of whoever takes or returns one.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

GrayImage: TypeAlias = NDArray[np.uint8]
"""One grey image: uint8 (H, W), 0 (black) to 255 (white)."""

GrayImages: TypeAlias = NDArray[np.uint8]
"""A stack of grey images of one size: uint8 (N, H, W), 0 to 255."""

ColorImage: TypeAlias = NDArray[np.uint8]
"""One colour image: uint8 (H, W, 3), 0 to 255; the channels' order stands where it is used."""

Floats: TypeAlias = NDArray[np.float64]
"""Any float64 array."""

Flags: TypeAlias = NDArray[np.bool_]
"""Any bool array."""

Labels: TypeAlias = NDArray[np.int64]
"""Classes of N images: int64 (N,), 0 (normal) or 1 (pneumonia); see `engine.classes`."""

Numbers: TypeAlias = NDArray[np.number[Any]]
"""An array of any integers or floats."""
