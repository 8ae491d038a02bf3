"""Pixels that are remembered: they change no byte, and only new images are decoded."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stages.engine.files import sha256_bytes, sha256_file
from stages.images import prepared_images
from stages.images.build import build_shards
from stages.images.options import PixelOptions
from stages.images.pixel_memory import PixelMemory, open_memory
from stages.sources.index import StoredImage, open_raw
from tests.sample_images import options, paths, picture, raw

SIDE = 32
ENTRY = 32 + 4 + SIDE**2


def name_of(number: int) -> str:
    return sha256_bytes(bytes([number]))


def remember(path: Path, numbers: range) -> None:
    with PixelMemory(path, SIDE) as memory:
        for number in numbers:
            memory.add(name_of(number), picture(str(number), SIDE, SIDE))


def found(path: Path, numbers: range) -> list[int]:
    """Which of the pictures are read back as they were."""
    with PixelMemory(path, SIDE) as memory:
        read = {number: memory.read(name_of(number)) for number in numbers}
    for number, pixels in read.items():
        if pixels is not None:
            assert pixels.dtype == np.uint8
            assert np.array_equal(pixels, picture(str(number), SIDE, SIDE))
    return [number for number, pixels in read.items() if pixels is not None]


def test_reads_what_was_added(tmp_path: Path) -> None:
    path = tmp_path / "pixels.bin"
    remember(path, range(3))
    remember(path, range(2, 5))
    assert found(path, range(7)) == [0, 1, 2, 3, 4]


def test_a_damaged_entry_is_forgotten_until_it_is_added_again(tmp_path: Path) -> None:
    path = tmp_path / "pixels.bin"
    remember(path, range(4))
    data = bytearray(path.read_bytes())
    data[2 * ENTRY + 100] ^= 1
    path.write_bytes(bytes(data[:-1]))  # and a kill has cut off the last entry
    assert found(path, range(4)) == [0, 1]
    remember(path, range(4))
    assert found(path, range(4)) == [0, 1, 2, 3]


def test_entries_that_nobody_asks_for_are_dropped_once_they_are_most(tmp_path: Path) -> None:
    path = tmp_path / "pixels.bin"
    remember(path, range(10))
    assert found(path, range(5)) == [0, 1, 2, 3, 4]
    assert path.stat().st_size == 10 * ENTRY
    assert found(path, range(4)) == [0, 1, 2, 3]
    assert path.stat().st_size == 4 * ENTRY
    assert found(path, range(10)) == [0, 1, 2, 3]


def test_each_option_has_its_own_and_the_one_before_is_kept(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("numpy==2")
    folder = tmp_path / "pixels"
    kept = []
    for side in (32, 64, 32, 96):
        with open_memory(folder, PixelOptions(image_px=side, aspect="stretch"), lock) as memory:
            memory.add(name_of(0), picture("0", side, side))
        kept.append(len(list(folder.iterdir())))
    assert kept == [1, 2, 2, 2]
    before = {path.name for path in folder.iterdir()}
    lock.write_text("numpy==3")
    with open_memory(folder, PixelOptions(image_px=96, aspect="stretch"), lock) as memory:
        assert name_of(0) not in memory
    assert len(before & {path.name for path in folder.iterdir()}) == 1


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths of the images that were decoded."""
    seen: list[str] = []
    decode: Callable[[tuple[StoredImage, PixelOptions]], object] = (
        prepared_images._prepare_or_reason
    )

    def counting(item: tuple[StoredImage, PixelOptions]) -> object:
        seen.append(item[0].row.path)
        return decode(item)

    monkeypatch.setattr(prepared_images, "_prepare_or_reason", counting)
    return seen


def test_a_grown_data_set_decodes_what_is_new_to_the_same_bytes(
    tmp_path: Path, decoded: list[str]
) -> None:
    names = sorted(paths())
    broken = {names[3]: b"no image"}
    params = options(tail_fraction=0.2)
    memory_file = tmp_path / "pixels.bin"

    def build(folder: str, count: int, *, remembering: bool) -> dict[str, str]:
        decoded.clear()
        images, _ = open_raw(raw(tmp_path / folder, names[:count], broken))
        target = tmp_path / f"{folder}-shards"
        if remembering:
            with PixelMemory(memory_file, params.image_px) as memory:
                build_shards(images, params, target, workers=1, memory=memory)
        else:
            build_shards(images, params, target, workers=1)
        return {path.name: sha256_file(path) for path in target.iterdir()}

    build("small", len(names) - 2, remembering=True)
    assert decoded == names[:-2]
    grown = build("grown", len(names), remembering=True)
    # What can't be read is tried again, since its reason isn't remembered.
    assert decoded == [names[3], *names[-2:]]
    assert grown == build("afresh", len(names), remembering=False)
    assert decoded == names
