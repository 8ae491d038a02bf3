import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.engine.files import sha256_bytes
from stages.network import checkpoints
from stages.network.checkpoints import Checkpoint


def make(epoch: int) -> Checkpoint:
    arrays = {
        "model0": np.arange(6, dtype=np.float32).reshape(2, 3) * np.float32(epoch + 0.1),
        "optimizer0": np.array(epoch, np.int64),
        "best0": np.zeros(0, np.float16),
    }
    return Checkpoint(epoch, arrays, {"history": [{"loss": 0.1 * epoch}], "best_epoch": 1})


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_checkpoint_is_read_bit_for_bit(tmp_path: Path) -> None:
    saved = make(3)
    checkpoints.save(tmp_path, saved)
    found = checkpoints.latest(tmp_path)
    assert found is not None
    assert (found.epoch, found.facts) == (saved.epoch, saved.facts)
    assert set(found.arrays) == set(saved.arrays)
    for name, array in saved.arrays.items():
        assert found.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(found.arrays[name], array)


@pytest.mark.parametrize("exists", [False, True])
def test_without_a_checkpoint_latest_is_none(tmp_path: Path, exists: bool) -> None:
    folder = tmp_path / "digest"
    if exists:
        folder.mkdir()
    assert checkpoints.latest(folder) is None


def test_two_are_kept_and_the_newest_is_read(tmp_path: Path) -> None:
    for epoch in (1, 2, 9, 10):
        checkpoints.save(tmp_path, make(epoch))
    assert sorted(path.name[:5] for path in tmp_path.iterdir()) == ["00009", "00010"]
    found = checkpoints.latest(tmp_path)
    assert found is not None
    assert found.epoch == 10


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_newest_checkpoint_is_skipped(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for epoch in (4, 5):
        checkpoints.save(tmp_path, make(epoch))
    newest = max(tmp_path.iterdir())
    if damage == "flip":
        flip(newest, 200)
    else:
        newest.write_bytes(newest.read_bytes()[:100] if damage == "cut" else b"")
    found = checkpoints.latest(tmp_path)
    assert found is not None
    assert found.epoch == 4
    assert f"{newest}: damaged, skipped" in capsys.readouterr().err


def test_with_two_damaged_checkpoints_latest_is_none(tmp_path: Path) -> None:
    for epoch in (4, 5):
        checkpoints.save(tmp_path, make(epoch))
    for path in tmp_path.iterdir():
        flip(path, 300)
    assert checkpoints.latest(tmp_path) is None


def test_an_unfinished_file_is_ignored(tmp_path: Path) -> None:
    checkpoints.save(tmp_path, make(1))
    whole = next(tmp_path.iterdir())
    (tmp_path / f".00002-{'0' * 16}.npz.77.tmp").write_bytes(whole.read_bytes()[:50])
    found = checkpoints.latest(tmp_path)
    assert found is not None
    assert found.epoch == 1


def test_nothing_pickled_is_written(tmp_path: Path) -> None:
    objects = Checkpoint(1, {"model0": np.array([{"a": 1}], dtype=object)}, {})
    with pytest.raises(ValueError, match=r"[Oo]bject arrays"):
        checkpoints.save(tmp_path, objects)
    assert list(tmp_path.iterdir()) == []


def code() -> bytes:
    """Return a pickle that creates a folder `ran` when it is loaded."""

    class Planted:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, ("ran",)

    return pickle.dumps(Planted())


def packed(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(code(), id="a pickle"),
        pytest.param(packed(facts=np.array([{"a": 1}], dtype=object)), id="a pickled array"),
        pytest.param(packed(weights=np.zeros(3)), id="no facts"),
        pytest.param(packed(facts=np.frombuffer(b"{", np.uint8)), id="facts cut short"),
        pytest.param(b"PK\3\4" + bytes(100), id="a broken zip"),
        pytest.param(packed(facts=np.zeros(3))[:-30], id="a zip cut short"),
    ],
)
def test_a_planted_file_with_a_valid_name_is_skipped_and_runs_no_code(
    tmp_path: Path,
    data: bytes,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoints.save(tmp_path, make(1))
    planted = tmp_path / f"00002-{sha256_bytes(data)[:16]}.npz"
    planted.write_bytes(data)
    found = checkpoints.latest(tmp_path)
    assert found is not None
    assert found.epoch == 1
    assert f"{planted}: damaged" in capsys.readouterr().err
    assert not Path("ran").exists()


def test_checkpoints_of_other_trainings_are_removed(tmp_path: Path) -> None:
    for name in ("mine", "yours"):
        checkpoints.save(tmp_path / name, make(1))
    (tmp_path / "note.txt").write_text("kept")
    checkpoints.clean_others(tmp_path / "mine")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "note.txt"]
    assert checkpoints.latest(tmp_path / "mine") is not None
