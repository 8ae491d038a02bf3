"""A `.npy` file of images that is written and read one image at a time, in constant memory."""

from pathlib import Path
from typing import Self

import numpy as np
from numpy.lib import format as npy

from stages.engine.arrays import GrayImage


class PixelFile:
    """An array uint8 (N, side, side) on disk, which grows as images are appended.

    It uses plain reads and writes and no memory map, because mapped pages count as the process's
    memory and would grow with the data set.
    """

    def __init__(self, path: Path, side: int) -> None:
        self.path = path
        self._side = side
        self._count = 0
        self._file = path.open("wb+")
        self._write_header()
        self._data_start = self._file.tell()

    def __len__(self) -> int:
        return self._count

    def append(self, image: GrayImage) -> None:
        """Append one image, uint8 (side, side).

        Raises:
            ValueError: It has another shape or dtype.
        """
        if image.shape != (self._side, self._side) or image.dtype != np.uint8:
            raise ValueError(
                f"expected uint8 ({self._side}, {self._side}), received {image.dtype} {image.shape}"
            )
        self._seek(self._count)
        self._file.write(image.tobytes())
        self._count += 1

    def read(self, index: int) -> GrayImage:
        """Read image `index`, uint8 (side, side)."""
        self._seek(index)
        data = self._file.read(self._side**2)
        return np.frombuffer(data, np.uint8).reshape(self._side, self._side)

    def close(self) -> None:
        """Write the final count into the header and close; later calls do nothing."""
        if self._file.closed:
            return
        self._file.seek(0)
        self._write_header()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _seek(self, index: int) -> None:
        self._file.seek(self._data_start + index * self._side**2)

    def _write_header(self) -> None:
        # NumPy pads the header so that the first axis may grow in place.
        shape = (self._count, self._side, self._side)
        npy.write_array_header_1_0(
            self._file, {"descr": "|u1", "fortran_order": False, "shape": shape}
        )
