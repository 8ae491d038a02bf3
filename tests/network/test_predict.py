import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.engine.errors import InputError
from stages.network import canonical, predict
from stages.network.model import build
from tests.network.tiny import OPTIONS, images


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("model") / "model.keras"
    canonical.save(build(OPTIONS, 32), path)
    return path.read_bytes()


def test_a_logit_does_not_depend_on_the_other_images() -> None:
    logits = predict.predictor(build(OPTIONS, 32))
    pixels, _ = images(70)
    every = logits(pixels)
    assert every.shape == (70,)
    assert every.dtype == np.float32
    for count in (1, 5, 32, 33):
        np.testing.assert_array_equal(logits(pixels[:count]), every[:count])
    np.testing.assert_array_equal(logits(pixels[::-1]), every[::-1])


def test_no_images_give_no_logits() -> None:
    logits = predict.predictor(build(OPTIONS, 32))(np.zeros((0, 32, 32), np.uint8))
    assert logits.shape == (0,)
    assert logits.dtype == np.float32


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.keras: expected a \.keras model, found no file"):
        predict.load_model(tmp_path / "model.keras")


def test_another_file_format_is_refused(tmp_path: Path, saved: bytes) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(saved)
    with pytest.raises(InputError, match=r"model\.h5: expected a \.keras model, received a \.h5"):
        predict.load_model(path)


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "flip", "locked", "method"])
def test_a_broken_file_is_refused_by_name(tmp_path: Path, saved: bytes, damage: str) -> None:
    path = tmp_path / "model.keras"
    flipped = bytearray(saved)
    flipped[len(saved) // 2] ^= 1
    entry = saved.index(b"PK\x01\x02")  # in the directory of members: flags, then the method
    locked, method = bytearray(saved), bytearray(saved)
    locked[entry + 8] |= 1
    method[entry + 10] = 99
    contents = {"empty": b"", "text": b"a model", "cut": saved[:-50], "flip": bytes(flipped)}
    contents |= {"locked": bytes(locked), "method": bytes(method)}
    path.write_bytes(contents[damage])
    with pytest.raises(InputError, match=r"model\.keras: expected a \.keras model, received"):
        predict.load_model(path)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((None, None, 1))
    path = tmp_path / "model.keras"
    keras.Model(inputs, keras.layers.Lambda(lambda x: x)(inputs)).save(path)
    with pytest.raises(InputError, match=r"model\.keras: .*[Ll]ambda"):
        predict.load_model(path)


def test_a_function_that_a_file_names_is_not_called(tmp_path: Path, capsys: Any) -> None:
    # The file contains no code, only the name of a function that exists (CVE-2025-1550).
    import keras

    path, planted = tmp_path / "honest.keras", tmp_path / "model.keras"
    inputs = keras.Input((None, None, 1))
    keras.Model(inputs, keras.layers.Lambda(keras.ops.abs)(inputs)).save(path)
    called = {"class_name": "function", "module": "builtins", "config": "print"}
    with zipfile.ZipFile(path) as honest, zipfile.ZipFile(planted, "w") as written:
        for name in honest.namelist():
            data = honest.read(name)
            if name == "config.json":
                config = json.loads(data)
                (layer,) = [one for one in config["config"]["layers"] if "Lambda" in str(one)]
                layer["config"] |= {"function": called, "arguments": {}}
                data = json.dumps(config).encode()
            written.writestr(name, data)
    with pytest.raises(
        InputError, match=r"model\.keras: expected a \.keras model, received(?s:.*)Could not locate"
    ):
        predict.load_model(planted)
    assert capsys.readouterr().out == ""
