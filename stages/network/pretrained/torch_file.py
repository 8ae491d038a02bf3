"""Read the tensors of a PyTorch checkpoint, without PyTorch and without running what is in it.

Such a file holds pickles, and a pickle may call any function. Here, no pickle is loaded: its
instructions are followed one by one, and only those that build tensors are known. A name of
anything else in it is an error.

The format is that of PyTorch before 1.6 (torch/serialization.py, `_legacy_save`): five pickles
(magic number, version, sizes of types, tensors, keys of their storages), then each storage as the
number of its elements, int64, and the elements.
"""

import io
import math
import pickletools
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from stages.engine.errors import InputError
from stages.engine.printable import printable

Tensors = Mapping[str, npt.NDArray[Any]]

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_LONGEST_PICKLE = 1 << 20
"""Bytes; the tensors' names and shapes of a network take a twentieth of it."""
_DTYPES = {"torch FloatStorage": "<f4", "torch LongStorage": "<i8"}
_REBUILD, _MAPPING = "torch._utils _rebuild_tensor_v2", "collections OrderedDict"
_VALUES = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_ARGUMENTS = {"BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE"}
_FIXED_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class _MalformedError(Exception):
    """Why the bytes are no such file."""


_PROBLEMS = (
    *(_MalformedError, ValueError, IndexError, KeyError, TypeError, AttributeError),
    *(RecursionError, struct.error),
)


class _Name(NamedTuple):
    """The name of a function or type in a pickle."""

    text: str


class _Storage(NamedTuple):
    key: str
    dtype: str
    size: int


class _View(NamedTuple):
    """A tensor: elements of a storage, from `offset` on, `strides` apart along each axis."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_tensors(data: bytes, name: str) -> Tensors:
    """Return the tensors of a checkpoint by their names, float32 or int64.

    Args:
        data: The bytes of the file.
        name: What to call it in an error.

    Raises:
        InputError: The bytes are cut short or otherwise no such checkpoint, or hold something
            other than tensors.
    """
    try:
        return _tensors(data)
    except _PROBLEMS as error:
        reason = printable(str(error) or type(error).__name__)
        raise InputError(
            f"{name}: expected a PyTorch checkpoint that holds tensors alone, in the format before "
            f"PyTorch 1.6, received something else ({reason})"
        ) from None


def _tensors(data: bytes) -> Tensors:
    magic, at = _unpickled(data, 0)
    if magic != _MAGIC:
        raise _MalformedError("it starts with another number")
    version, at = _unpickled(data, at)
    machine, at = _unpickled(data, at)
    if version != _VERSION or not isinstance(machine, dict) or not machine.get("little_endian"):
        raise _MalformedError("another version of the format, or another order of bytes")
    views, at = _unpickled(data, at)
    keys, at = _unpickled(data, at)
    if not isinstance(views, dict) or not all(isinstance(v, _View) for v in views.values()):
        raise _MalformedError("it holds something other than tensors by name")
    storages = {view.storage.key: view.storage for view in views.values()}
    if not isinstance(keys, list) or sorted(keys) != sorted(storages):
        raise _MalformedError("its list of storages is not that of its tensors")
    elements: dict[str, npt.NDArray[Any]] = {}
    for key in keys:
        (count,) = struct.unpack_from("<q", _exactly(data, at, 8))
        if count != storages[key].size:
            raise _MalformedError(
                f"storage {key} has {count} elements instead of {storages[key].size}"
            )
        dtype = np.dtype(storages[key].dtype)
        elements[key] = np.frombuffer(_exactly(data, at + 8, count * dtype.itemsize), dtype)
        at += 8 + count * dtype.itemsize
    if at != len(data):
        raise _MalformedError(f"{len(data) - at} bytes follow its last storage")
    return {name: _array(view, elements[view.storage.key]) for name, view in views.items()}


def _exactly(data: bytes, start: int, length: int) -> memoryview:
    if length < 0 or start + length > len(data):
        raise _MalformedError(f"it ends after {len(data)} bytes, {start + length} were expected")
    return memoryview(data)[start : start + length]


def _array(view: _View, elements: npt.NDArray[Any]) -> npt.NDArray[Any]:
    shape, strides = view.shape, view.strides
    last = view.offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    # No element twice: a short file could stand for more memory than there is.
    if math.prod(shape) > len(elements) or 0 in shape or last >= len(elements):
        raise _MalformedError(f"a tensor of shape {shape} is larger than its storage, or empty")
    steps = [step * elements.itemsize for step in strides]
    array = np.lib.stride_tricks.as_strided(elements[view.offset :], shape, steps, writeable=False)
    return np.ascontiguousarray(array).reshape(shape)


def _unpickled(data: bytes, start: int) -> tuple[Any, int]:
    """Follow the pickle that starts at `start`; return what it builds and where it ends."""
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[Any, Any] = {}
    stream = io.BytesIO(data[start : start + _LONGEST_PICKLE])

    def since_mark() -> list[Any]:
        return taken(len(stack) - marks.pop())

    def taken(count: int) -> list[Any]:
        items = stack[len(stack) - count :]
        del stack[len(stack) - count :]
        return items

    for code, argument, _ in pickletools.genops(stream):
        name = code.name
        if name == "STOP":
            return stack.pop(), start + stream.tell()
        if name in _ARGUMENTS:
            stack.append(argument)
        elif name in _VALUES:
            stack.append(_VALUES[name])
        elif name == "GLOBAL":
            stack.append(_known(str(argument)))
        elif name == "MARK":
            marks.append(len(stack))
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "TUPLE":
            stack.append(tuple(since_mark()))
        elif name in _FIXED_TUPLES:
            stack.append(tuple(taken(_FIXED_TUPLES[name])))
        elif name == "EMPTY_DICT":
            stack.append({})
        elif name == "EMPTY_LIST":
            stack.append([])
        elif name == "SETITEMS":
            items = since_mark()
            stack[-1].update(zip(items[::2], items[1::2], strict=True))
        elif name == "SETITEM":
            value, key = stack.pop(), stack.pop()
            stack[-1][key] = value
        elif name == "APPENDS":
            items = since_mark()
            stack[-1].extend(items)
        elif name == "BINPERSID":
            stack.append(_storage(stack.pop()))
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            stack.append(_built(function, arguments))
        elif name == "BUILD":
            stack.pop()  # versions of layers, which PyTorch hangs on the mapping of tensors
        elif name != "PROTO":
            raise _MalformedError(f"a pickle with the instruction {name}")
    raise _MalformedError("a pickle without an end")


def _known(name: str) -> _Name:
    if name not in (*_DTYPES, _REBUILD, _MAPPING):
        raise _MalformedError(f"it names {name.replace(' ', '.')}, which is no tensor")
    return _Name(name)


def _storage(identity: Any) -> _Storage:
    kind, name, key, _, count, *rest = identity
    if kind != "storage" or rest != [None] or not isinstance(name, _Name):
        raise _MalformedError("a storage that is part of another")
    if not isinstance(key, str) or not isinstance(count, int) or name.text not in _DTYPES:
        raise _MalformedError(f"a storage of {name.text}")
    return _Storage(key, _DTYPES[name.text], count)


def _built(function: Any, arguments: Any) -> Any:
    """Return what a known function makes of its arguments."""
    if function == _Name(_MAPPING) and arguments == ():
        return {}
    if function != _Name(_REBUILD):
        raise _MalformedError("a call of something else than a tensor's constructor")
    storage, offset, shape, strides, *_ = arguments
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or not all(isinstance(n, int) for n in numbers):
        raise _MalformedError("a tensor without a storage, or with a shape that is not of integers")
    if min(numbers) < 0:
        raise _MalformedError(f"a tensor of shape {shape} with a negative offset or step")
    return _View(storage, offset, tuple(shape), tuple(strides))
