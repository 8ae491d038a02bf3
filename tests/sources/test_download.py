"""The download against servers with every kind of fault."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from stages.engine.errors import InputError
from stages.sources import kermany
from stages.sources.archives import archive
from stages.sources.cache import locked_path
from stages.sources.download import PATIENCE, download
from tests.sources.archives.broken import VALID, zip_of
from tests.sources.faults import BODY, FAULTS, IMPATIENT, QUICK, SHA256, serving

NAME = f"{SHA256}.zip"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test an empty user cache; return its folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "cache/pneumonia-pipeline"


def sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()}


@pytest.mark.parametrize("name", FAULTS)
def test_fault(name: str, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fault = FAULTS[name]
    with serving(*fault.answers) as server:
        try:
            message = ""
            path = kermany.cached_download(server.address, SHA256, len(BODY), fault.patience)
            assert path.read_bytes() == BODY
        except InputError as error:
            message = str(error)
    printed = capsys.readouterr().err
    assert bool(message) == bool(fault.message)
    assert fault.message in message
    # Each request is for the whole file, without compression.
    assert not any("Range" in headers for headers in server.requests)
    assert {headers["Accept-Encoding"] for headers in server.requests} == {"identity"}
    if name != "circular redirects":  # they are followed a few times
        assert len(server.requests) == fault.requests
    if fault.message:
        assert sizes(cache) == {f"{NAME}.lock": 0}
        for advice in (
            "dvc repro",
            "fetch.url",
            "data.mendeley.com",
            "kaggle",
            "pneumonia data pin",
        ):
            assert advice in message
    else:
        assert sizes(cache) == {f"{NAME}.lock": 0, NAME: len(BODY)}
    retries = 0 if name == "circular redirects" else fault.requests - 1
    assert printed.count("starting over in") == retries
    assert "secret" not in message + printed


def test_stalled_download_is_repeated(cache: Path) -> None:
    with serving("stalls", "good") as server:
        kermany.cached_download(server.address, SHA256, len(BODY), replace(IMPATIENT, attempts=9))
    assert sizes(cache)[NAME] == len(BODY)


def test_download_is_repeated_only_if_the_cached_file_changed(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving("good", "good", "404") as server:
        path = kermany.cached_download(server.address, SHA256, None, QUICK)
        assert kermany.cached_download(server.address, SHA256, None, QUICK) == path
        assert len(server.requests) == 1
        path.write_bytes(BODY[:-1])
        assert kermany.cached_download(server.address, SHA256, None, QUICK).read_bytes() == BODY
        assert len(server.requests) == 2
    assert "changed since its download" in capsys.readouterr().err


def test_concurrent_calls_download_once(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    with serving("good", "404") as server:
        cache.mkdir(parents=True)
        with FileLock(cache / f"{NAME}.lock"):
            threads = [
                threading.Thread(
                    target=lambda: found.append(
                        kermany.cached_download(server.address, SHA256, None, QUICK)
                    )
                )
                for _ in range(2)
            ]
            for thread in threads:
                thread.start()
            printed = ""
            while printed.count("waiting for another process") < 2:
                time.sleep(0.01)
                printed += capsys.readouterr().err
            assert not server.requests
        for thread in threads:
            thread.join()
    assert found == [cache / NAME] * 2
    assert len(server.requests) == 1


def test_lock_of_a_killed_process_is_released(tmp_path: Path, cache: Path) -> None:
    program = (
        "import time\n"
        "from stages.sources.cache import locked_path\n"
        "with locked_path('x'):\n"
        "    print('locked', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(Timeout):
            FileLock(cache / "x.lock").acquire(blocking=False)
        holder.send_signal(signal.SIGKILL)
    with locked_path("x") as path:
        assert path == cache / "x"


def test_disk_space_is_checked_before_the_first_byte(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(1000))
    with serving("good") as server:
        with pytest.raises(InputError, match=r"needs 0\.00 GB of disk space.*XDG_CACHE_HOME"):
            kermany.cached_download(server.address, SHA256, len(BODY), QUICK)
        assert not server.requests
        # If only the server knows the size, before the first byte of the body.
        with pytest.raises(InputError, match="of disk space"):
            kermany.cached_download(server.address, SHA256, None, QUICK)
        assert len(server.requests) == 1
    assert sizes(cache) == {f"{NAME}.lock": 0}


def test_unreachable_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    for address, message in (
        (f"http://127.0.0.1:{port}/x", r"no connection .*attempt 3"),
        ("http://127.0.0.1:port/x", "invalid address"),
    ):
        with pytest.raises(InputError, match=message):
            download(address, tmp_path / "x", sha256=SHA256, patience=QUICK)

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(InputError, match=r"host not found; is there a network\?"):
        download("http://127.0.0.1/x", tmp_path / "x", sha256=SHA256, patience=QUICK)
    assert list(tmp_path.glob("x*")) == []


def test_unwritable_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"can't keep the download here.*XDG_CACHE_HOME"):
        kermany.cached_download("http://127.0.0.1/x", SHA256, None, QUICK)


def test_another_archive_by_url_and_checksum(tmp_path: Path) -> None:
    data = zip_of(VALID)(tmp_path).path
    sha256 = archive.scan(data).sha256
    target = tmp_path / "cache/pneumonia-pipeline" / f"{sha256}.zip"
    target.parent.mkdir(parents=True)
    data.rename(target)
    images, source = kermany.receive("http://127.0.0.1/mine.zip", sha256, scratch=tmp_path)
    assert len(list(images)) == len(VALID)
    assert (source.name, source.file, source.pinned) == ("archive", "mine.zip", True)
    assert source.sha256 == sha256


def test_default_patience_is_enough_for_a_slow_connection() -> None:
    assert PATIENCE.silence_s >= 30
    assert PATIENCE.min_bytes_per_s * 3600 * 24 * 3 > kermany.BYTES
