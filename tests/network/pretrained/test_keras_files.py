"""Keras's download of weights, from a server with faults: a whole file, or none and a remedy."""

import gc
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import keras
import pytest

from stages.engine.errors import InputError
from stages.network.model import build
from stages.network.pretrained import keras_files, published
from tests.changed import changed
from tests.network.tiny import OPTIONS
from tests.sources.faults import BODY, serving

MOBILE = changed(OPTIONS, network="MobileNet", weights="imagenet")
FILE = keras_files.NAMES["MobileNet"]


def weights() -> bytes:
    """Return a small file of HDF5."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["kernel"] = [1.0] * 4096
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keras's folder, empty, and no proxy on the way to this machine."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras.src.backend.config, "_KERAS_DIR", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path


def from_here(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Let Keras's own function fetch every file from an address instead of its own."""
    fetch: Callable[..., Any] = keras.src.utils.file_utils.urlretrieve

    def fetch_here(_: str, target: str, hook: Any) -> Any:
        return fetch(address, target, hook)

    monkeypatch.setattr(keras.src.utils.file_utils, "urlretrieve", fetch_here)


def without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let MobileNet only fetch its file: building it takes seconds."""

    def make(**_: Any) -> None:
        origin = f"https://weights.example/{FILE}"
        keras.utils.get_file(FILE, origin, cache_subdir="models")

    monkeypatch.setattr(keras.applications, "MobileNet", make)


def test_a_whole_file_is_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_network(monkeypatch)
    with serving("good", body=weights()) as server:
        from_here(monkeypatch, server.address)
        published.prepare(MOBILE, None)
        published.prepare(MOBILE, None)  # it is there
    assert len(server.requests) == 1
    assert (home / "models" / FILE).read_bytes() == weights()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("cuts", "got only 65536 out of 131072 bytes"),
        ("stalls", "timed out"),
        ("silent", "timed out"),
        ("hangs_up", "without response"),
        ("404", "404"),
        ("500", "500"),
        ("login_page", "file signature not found"),
        ("garbage", "file signature not found"),
    ],
)
def test_a_fault_leaves_nothing_and_says_what_to_do(
    fault: str, message: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_network(monkeypatch)
    monkeypatch.setattr(keras_files, "SILENCE_S", 0.3)
    with serving(fault) as server:
        from_here(monkeypatch, server.address)
        with pytest.raises(InputError, match=message) as caught:
            published.prepare(MOBILE, None)
    gc.collect()  # of the sockets that Keras leaves open, here
    assert [*(home / "models").iterdir()] == []
    place = re.escape(str(home / "models" / FILE))
    assert re.search(rf"put the file at {place}, or start from an EfficientNet", str(caught.value))


def test_without_a_server_the_message_has_the_address(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_network(monkeypatch)
    with serving("good") as server:
        address = server.address
    from_here(monkeypatch, address)
    with pytest.raises(InputError, match=rf"https://weights\.example/{FILE}.*refused"):
        published.prepare(MOBILE, None)


def test_a_part_that_a_killed_download_left_is_not_taken_for_weights(home: Path) -> None:
    path = keras_files.path_of("MobileNet")
    path.parent.mkdir(parents=True)
    for content in (weights()[:3000], b"", BODY):
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"{FILE}: expected a whole file.*delete it"):
            published.prepare(MOBILE, None)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`input_shape` is undefined:UserWarning")  # so are our images
def test_a_network_starts_from_what_was_downloaded(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Random weights of the right form stand for the published ones.
    keras.utils.set_random_seed(5)
    keras.applications.MobileNet(include_top=False, weights=None).save_weights(
        home / "made.weights.h5"
    )
    model = keras.applications.MobileNet(include_top=False, weights=None)
    model.load_weights(home / "made.weights.h5")
    model.save(home / "whole.h5")
    with serving("good", body=(home / "whole.h5").read_bytes()) as server:
        from_here(monkeypatch, server.address)
        published.prepare(MOBILE, None)
        made = build(MOBILE, 32)
    first = next(layer for layer in made.layers if layer.name == "conv1")
    wanted = model.get_layer("conv1").get_weights()
    assert (first.get_weights()[0] == wanted[0]).all()
