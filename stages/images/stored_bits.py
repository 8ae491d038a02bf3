"""From decoded DICOM samples to codes of the bits stored, and which of them are padding.

DICOM PS3.5 8.1.1: bits beyond Bits Stored do not belong to the sample. Some files have overlays or
rubbish there, which is masked out. Others hold samples of more bits than their tags state; masked,
these wrap into noise, so their lowest bits are dropped instead. The pixels decide which it is, and
also whether samples are signed where the file contradicts itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.engine.arrays import Flags, Numbers
from stages.engine.errors import UnusableImage

_MIN_NEGATIVE_VALUES = 32
"""So many different samples are a picture's; a marker and padding have one each."""


@dataclass(frozen=True)
class Codes:
    """The stored codes of an image.

    Attributes:
        codes: uint8 or uint16 (rows, columns): patterns of `bits` bits, below 2^bits.
        bits: Bits of a code.
        signed: Whether codes from 2^(bits - 1) are negative.
        padding: bool (rows, columns): the pixels that are padding; None: there are none.
    """

    codes: NDArray[np.unsignedinteger[Any]]
    bits: int
    signed: bool
    padding: Flags | None


def to_codes(
    samples: Numbers,
    *,
    bits: int,
    signed: bool,
    precision: int | None,
    signed_precision: bool | None,
    padding: tuple[int, int] | None,
) -> Codes:
    """Return the codes of samples (rows, columns) of 8 or 16 bits.

    Args:
        samples: As decoded, with unused and sign bits.
        bits: BitsStored.
        signed: Whether the samples are signed (PixelRepresentation).
        precision: Bits of a sample by the header of its codestream; None: there is none.
        signed_precision: Whether samples are signed by that header; None: it doesn't say.
        padding: Lowest and highest value of padding; None: there is none.

    Raises:
        UnusableImage: All pixels are padding.
    """
    unsigned, integer = (samples.view(f"{kind}{samples.itemsize}") for kind in "ui")
    allocated = 8 * samples.itemsize
    if precision is not None:
        bits = min(bits, precision)
    values = integer if signed else unsigned
    is_padding = _find_padding(values, padding, bits)
    codes = unsigned & np.array((1 << bits) - 1, unsigned.dtype)
    fits = bits == allocated or _fit(values, bits, signed, is_padding)
    contradicts = signed_precision not in (None, signed)
    if not (fits or signed) and _fit(integer, bits, True, is_padding):
        contradicts |= len(np.unique(integer[integer < 0])) >= _MIN_NEGATIVE_VALUES
    if contradicts:
        signed = _smoother_as(codes.astype(np.int32), bits, signed, is_padding)
    elif not fits:
        whole = values.astype(np.int32)
        if _wraps(whole, codes.astype(np.int32), bits, is_padding):
            width = precision or _width(whole, is_padding, signed)
            codes = ((whole >> (width - bits)) & ((1 << bits) - 1)).astype(codes.dtype)
    return Codes(codes, bits, signed, is_padding)


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
    for first, second, visible in _neighbours(padding):
        differ = ((whole[first] >> bits) != (whole[second] >> bits)) & visible
        jumps += float(np.abs(whole[first] - whole[second])[differ].sum()) / span
        masked_jumps += float(np.abs(codes[first] - codes[second])[differ].sum()) / (1 << bits)
    return jumps < masked_jumps


def _smoother_as(codes: NDArray[np.int32], bits: int, signed: bool, padding: Flags | None) -> bool:
    """Return whether codes are signed: that sign with which neighbours differ less, else `signed`.

    With the other one, values jump between the ends of the range wherever they cross its middle.
    """
    negative = np.where(codes < 1 << (bits - 1), codes, codes - (1 << bits))
    excess = 0.0  # of the differences of signed codes
    for first, second, visible in _neighbours(padding):
        for values, factor in ((negative, 1), (codes, -1)):
            excess += factor * float(np.abs(values[first] - values[second])[visible].sum())
    return excess < 0 if excess else signed


def _neighbours(padding: Flags | None) -> Iterator[tuple[Any, Any, Any]]:
    """Yield slices of all pixels and their right or lower neighbours, and which are no padding."""
    for first, second in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        yield first, second, True if padding is None else ~(padding[first] | padding[second])
