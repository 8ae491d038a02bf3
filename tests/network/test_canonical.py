import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from stages.network import canonical, predict
from stages.network.model import build
from tests.changed import changed
from tests.network.tiny import OPTIONS, images

SAVE = """
import sys
from pathlib import Path
from stages.network import canonical
from stages.network.model import build
from tests.network.tiny import OPTIONS
canonical.save(build(OPTIONS, 32), Path(sys.argv[1]))
"""


def test_two_saves_of_one_model_are_equal(tmp_path: Path) -> None:
    model = build(OPTIONS, 32)
    canonical.save(model, tmp_path / "a" / "model.keras")
    time.sleep(1.1)  # Keras stores the date to the second, zip to two seconds
    canonical.save(model, tmp_path / "b" / "other.keras")
    again = build(OPTIONS, 32)
    canonical.save(again, tmp_path / "c.keras")
    first = (tmp_path / "a" / "model.keras").read_bytes()
    assert first == (tmp_path / "b" / "other.keras").read_bytes()
    assert first == (tmp_path / "c.keras").read_bytes()
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {
        "model.keras",
        "other.keras",
        "c.keras",
    }


@pytest.mark.slow
def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "2")):
        subprocess.run(
            [sys.executable, "-c", SAVE, tmp_path / f"{name}.keras"],
            check=True,
            env={"PYTHONHASHSEED": seed, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()


def test_the_file_contains_no_current_date(tmp_path: Path) -> None:
    canonical.save(build(OPTIONS, 32), tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.namelist() == sorted(archive.namelist())
        assert json.loads(archive.read("metadata.json"))["date_saved"] == "1980-01-01@00:00:00"


def test_object_ids_are_renumbered_in_order_and_stay_shared() -> None:
    value = {
        "a": {"shared_object_id": 982},
        "b": [{"shared_object_id": 31, "x": 982}, {"shared_object_id": 982}],
    }
    assert canonical._renumbered(value, {}) == {
        "a": {"shared_object_id": 1},
        "b": [{"shared_object_id": 2, "x": 982}, {"shared_object_id": 1}],
    }


@pytest.mark.parametrize("network", ["compact", "seed"])
def test_the_file_loads_in_safe_mode_and_predicts_the_same(tmp_path: Path, network: str) -> None:
    model = build(changed(OPTIONS, network=network, crop_px=48), 48)
    canonical.save(model, tmp_path / "model.keras")
    loaded = predict.load_model(tmp_path / "model.keras")
    pixels, _ = images(5, 48)
    np.testing.assert_array_equal(
        predict.predictor(model)(pixels), predict.predictor(loaded)(pixels)
    )


def test_a_failed_save_leaves_the_old_file_and_no_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(b"old")

    class FailingModel:
        def save(self, scratch: Path) -> None:
            scratch.write_bytes(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        canonical.save(FailingModel(), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
