"""Checkpoints as PyTorch before 1.6 wrote them, without PyTorch; and damaged ones."""

import io
import pickle
import struct
import sys
import types
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
MACHINE = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2}}
_KINDS = {"float32": "FloatStorage", "int64": "LongStorage", "float16": "HalfStorage"}


class _Tensor:
    """What is pickled as a tensor: a call of PyTorch's constructor with these arguments."""

    def __init__(self, storage: Any, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self.arguments: tuple[Any, ...] = (storage, 0, shape, strides, False, OrderedDict())

    def __reduce__(self) -> tuple[Any, ...]:
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.arguments


class _Pickler(pickle.Pickler):
    def persistent_id(self, item: Any) -> Any:
        return item if isinstance(item, tuple) and item[:1] == ("storage",) else None


def _pickled(item: Any) -> bytes:
    buffer = io.BytesIO()
    _Pickler(buffer, 2).dump(item)
    return buffer.getvalue()


def _torch() -> dict[str, types.ModuleType]:
    """Modules that give the names in the pickle."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for kind in _KINDS.values():
        setattr(torch, kind, type(kind, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2() -> None: ...

    _rebuild_tensor_v2.__module__ = utils.__name__
    _rebuild_tensor_v2.__qualname__ = _rebuild_tensor_v2.__name__
    utils.__dict__["_rebuild_tensor_v2"] = _rebuild_tensor_v2
    return {"torch": torch, "torch._utils": utils}


def checkpoint(
    arrays: Mapping[str, npt.NDArray[Any]],
    *,
    shapes: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]] | None = None,
    sizes: Mapping[str, int] | None = None,
    **beside: Any,
) -> bytes:
    """Return the bytes of a checkpoint.

    Args:
        arrays: The tensors by name; they are stored in the order that they have in memory.
        shapes: Other shapes and strides, in elements, that the pickle gives some of them.
        sizes: Other numbers of elements that the pickle gives the storages of some of them.
        beside: Further items of the mapping.
    """
    with mock.patch.dict(sys.modules, _torch()):
        tensors: dict[str, Any] = OrderedDict()
        stored = []
        for number, (name, array) in enumerate(arrays.items()):
            kind = getattr(sys.modules["torch"], _KINDS[str(array.dtype)])
            size = (sizes or {}).get(name, array.size)
            strides = tuple(step // array.itemsize for step in array.strides)
            shape = (shapes or {}).get(name, (array.shape, strides))
            storage = ("storage", kind, str(number), "cpu", size, None)
            tensors[name] = _Tensor(storage, *shape)
            as_in_memory = array.transpose(np.argsort([-step for step in array.strides]))
            stored.append(struct.pack("<q", array.size) + as_in_memory.tobytes())
        tensors.update(beside)
        tensors._metadata = OrderedDict(version=1)  # type: ignore[attr-defined]
        keys = [str(number) for number in range(len(stored))]
        pickles = [_pickled(item) for item in (MAGIC, VERSION, MACHINE, tensors, keys)]
    return b"".join([*pickles, *stored])


def weights(seed: int = 0) -> dict[str, npt.NDArray[Any]]:
    """A few tensors, one of them not in C order."""
    rng = np.random.default_rng(seed)
    kernel = rng.normal(size=(5, 4, 3, 2)).astype(np.float32)
    return {
        "conv.weight": kernel.transpose(3, 2, 0, 1),
        "norm.bias": rng.normal(size=7).astype(np.float32),
        "norm.num_batches_tracked": np.array(3, np.int64),
    }
