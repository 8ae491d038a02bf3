"""The reader of PyTorch checkpoints: right values, and nothing of a hostile file is run."""

import os
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.engine.errors import InputError
from stages.network.pretrained.torch_file import read_tensors
from tests.network.pretrained.checkpoint import MACHINE, MAGIC, VERSION, checkpoint, weights


def refused(data: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=rf"odd\.pth: expected a PyTorch .*\({reason}"):
        read_tensors(data, "odd.pth")


def test_values_types_and_orders_are_those_that_were_written() -> None:
    written = weights()
    read = read_tensors(checkpoint(written), "a file")
    assert read.keys() == written.keys()
    for name, array in written.items():
        assert (read[name].dtype, read[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(read[name], array)


class Call:
    """Pickled as a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("place", ["the magic number", "a tensor"])
def test_a_function_in_a_pickle_is_named_and_not_called(tmp_path: Path, place: str) -> None:
    proof = tmp_path / "called"
    call = Call(os.mkdir, str(proof))
    data = checkpoint(weights(), other=call)
    if place == "the magic number":
        data = pickle.dumps(call, 2)
    refused(data, r"it names posix\.mkdir, which is no tensor")
    assert not proof.exists()
    pickle.loads(pickle.dumps(call, 2))
    assert proof.exists()  # what would have been called


def test_a_type_of_numbers_that_is_not_known_is_named() -> None:
    refused(checkpoint({"a": np.ones(3, np.float16)}), r"it names torch\.HalfStorage")


def test_every_file_that_is_cut_short_is_refused() -> None:
    data = checkpoint(weights())
    for end in range(len(data)):
        with pytest.raises(InputError, match="a file: expected a PyTorch checkpoint"):
            read_tensors(data[:end], "a file")


def test_no_damage_of_a_byte_is_another_error() -> None:
    data = checkpoint(weights())
    rng = np.random.default_rng(0)
    outcomes: set[type] = set()
    for _ in range(2000):
        damaged = bytearray(data)
        damaged[rng.integers(len(data) - 500)] = rng.integers(256)
        try:
            outcomes.add(type(read_tensors(bytes(damaged), "a file")))
        except InputError:
            outcomes.add(InputError)
    assert outcomes == {dict, InputError}


def test_bytes_after_the_last_storage_are_refused() -> None:
    refused(checkpoint(weights()) + b"more", "4 bytes follow its last storage")


@pytest.mark.parametrize(
    "data", [b"", b"PK\x03\x04" + bytes(60), b"\x89HDF\r\n\x1a\n", b"\x80\x02N."]
)
def test_other_files_are_refused(data: bytes) -> None:
    refused(data, "")


@pytest.mark.parametrize("machine", [MACHINE | {"little_endian": False}, {}, "little_endian", None])
def test_another_order_of_bytes_is_refused(machine: Any) -> None:
    start = b"".join(pickle.dumps(item, 2) for item in (MAGIC, VERSION, machine))
    refused(start, "another version of the format, or another order of bytes")


@pytest.mark.parametrize(
    ("shape", "strides"),
    [
        ((1 << 40,), (0,)),
        ((1 << 20, 1 << 20), (0, 0)),
        ((8,), (1,)),
        ((7,), (2,)),
        ((0,), (1,)),
        ((7,), (1, 1)),
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(
    shape: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    refused(checkpoint(weights(), shapes={"norm.bias": (shape, strides)}), "")


def test_negative_steps_are_refused() -> None:
    data = checkpoint(weights(), shapes={"norm.bias": ((7,), (-1,))})
    refused(data, re.escape("a tensor of shape (7,) with a negative offset or step"))


@pytest.mark.parametrize("size", [-1, 6, 1 << 60])
def test_a_storage_of_another_size_is_refused(size: int) -> None:
    refused(
        checkpoint(weights(), sizes={"norm.bias": size}),
        f"storage 1 has 7 elements instead of {size}",
    )


def test_something_beside_the_tensors_is_refused() -> None:
    refused(checkpoint(weights(), epoch=3), "it holds something other than tensors by name")
