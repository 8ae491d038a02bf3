"""From decoded DICOM samples to codes of the bits stored, and which of them are padding.

DICOM PS3.5 8.1.1: bits beyond Bits Stored do not belong to the sample. Some files have overlays or
rubbish there, which is masked out. Others hold samples of more bits than their tags state; masked,
these wrap into noise, so their lowest bits are dropped instead. The pixels decide which it is.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.engine.arrays import Flags, Numbers
from stages.engine.errors import UnusableImage


@dataclass(frozen=True)
class Codes:
    """The stored codes of an image.

    Attributes:
        codes: uint8 or uint16 (rows, columns): patterns of `bits` bits, below 2^bits.
        bits: Bits of a code.
        padding: bool (rows, columns): the pixels that are padding; None: there are none.
    """

    codes: NDArray[np.unsignedinteger[Any]]
    bits: int
    padding: Flags | None


def to_codes(
    samples: Numbers,
    *,
    bits: int,
    signed: bool,
    precision: int | None,
    padding: tuple[int, int] | None,
) -> Codes:
    """Return the codes of samples (rows, columns) of 8 or 16 bits.

    Args:
        samples: As decoded, with unused and sign bits.
        bits: BitsStored.
        signed: Whether the samples are signed (PixelRepresentation).
        precision: Bits of a sample by the header of its codestream; None: there is none.
        padding: Lowest and highest value of padding; None: there is none.

    Raises:
        UnusableImage: All pixels are padding.
    """
    allocated = 8 * samples.itemsize
    if precision is not None:
        bits = min(bits, precision)
    values = samples
    if signed and samples.dtype.kind == "u":
        values = samples.view(f"i{samples.itemsize}")
    is_padding = _find_padding(values, padding, bits)
    codes = samples.view(f"u{samples.itemsize}") & np.array((1 << bits) - 1, f"u{samples.itemsize}")
    if bits < allocated and not _fit(values, bits, signed, is_padding):
        whole = values.astype(np.int32)
        if _wraps(whole, codes.astype(np.int32), bits, is_padding):
            width = precision or _width(whole, is_padding, signed)
            codes = ((whole >> (width - bits)) & ((1 << bits) - 1)).astype(codes.dtype)
    return Codes(codes, bits, is_padding)


def _find_padding(values: Numbers, padding: tuple[int, int] | None, bits: int) -> Flags | None:
    if padding is None:
        return None
    lowest, highest = padding
    found = (values >= lowest) & (values <= highest)
    if 0 > lowest >= -(1 << (bits - 1)):  # negative samples whose unused bits are zero
        found |= (values >= lowest + (1 << bits)) & (values <= highest + (1 << bits))
    if not found.any():
        return None
    if found.all():
        raise UnusableImage(
            f"expected an image, received padding only: all samples lie from {lowest} to {highest}"
        )
    return found


def _fit(values: Numbers, bits: int, signed: bool, padding: Flags | None) -> bool:
    """Return whether the bits beyond are zero, or all equal to the sign's."""
    used = values if padding is None else values[~padding]
    lowest, highest = int(used.min()), int(used.max())
    if lowest >= 0 and highest < 1 << bits:
        return True
    return signed and -(1 << (bits - 1)) <= lowest and highest < 1 << (bits - 1)


def _width(whole: NDArray[np.int32], padding: Flags | None, signed: bool) -> int:
    used = whole if padding is None else whole[~padding]
    return max(int(used.max()), -int(used.min()) - 1).bit_length() + signed


def _wraps(
    whole: NDArray[np.int32], codes: NDArray[np.int32], bits: int, padding: Flags | None
) -> bool:
    """Return whether the bits beyond go on with the sample, so that masking makes it jump.

    Between neighbours that differ in those bits, a sample of more bits changes little for its
    range, and its masked code much. With an overlay or rubbish there it is the other way round.
    """
    used = whole if padding is None else whole[~padding]
    span = max(1, int(used.max()) - int(used.min()))
    jumps, masked_jumps = 0.0, 0.0
    for first, second in (
        (np.s_[:, :-1], np.s_[:, 1:]),
        (np.s_[:-1], np.s_[1:]),
    ):
        differ = (whole[first] >> bits) != (whole[second] >> bits)
        if padding is not None:
            differ &= ~(padding[first] | padding[second])
        jumps += float(np.abs(whole[first] - whole[second])[differ].sum()) / span
        masked_jumps += float(np.abs(codes[first] - codes[second])[differ].sum()) / (1 << bits)
    return jumps < masked_jumps
