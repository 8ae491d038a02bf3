"""A `.npy` file of images that is written and read row by row, in constant memory."""

from pathlib import Path
from typing import Self

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray


class PixelFile:
    """uint8 (N, side, side) on disk, where N grows as rows are appended.

    Plain reads and writes, not a memory map: mapped pages count as the process's memory, and
    would grow with the data set.
    """

    def __init__(self, path: Path, side: int) -> None:
        self.path = path
        self._side = side
        self._count = 0
        self._file = path.open("wb+")
        self._write_header()
        self._start = self._file.tell()

    def __len__(self) -> int:
        return self._count

    def append(self, pixels: NDArray[np.uint8]) -> None:
        """Add one image, uint8 (side, side). Raises ValueError on another shape or type."""
        if pixels.shape != (self._side, self._side) or pixels.dtype != np.uint8:
            raise ValueError(
                f"expected uint8 ({self._side}, {self._side}), received {pixels.dtype} "
                f"{pixels.shape}"
            )
        self._file.seek(self._start + self._count * self._side**2)
        self._file.write(pixels.tobytes())
        self._count += 1

    def row(self, index: int) -> NDArray[np.uint8]:
        """Image `index`, uint8 (side, side)."""
        self._file.seek(self._start + index * self._side**2)
        data = self._file.read(self._side**2)
        return np.frombuffer(data, np.uint8).reshape(self._side, self._side)

    def close(self) -> None:
        """Write the final count into the header, and close; once closed, do nothing."""
        if self._file.closed:
            return
        self._file.seek(0)
        self._write_header()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write_header(self) -> None:
        # NumPy pads the header so that the first axis may grow in place.
        shape = (self._count, self._side, self._side)
        npy.write_array_header_1_0(
            self._file, {"descr": "|u1", "fortran_order": False, "shape": shape}
        )
