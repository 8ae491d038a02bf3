"""The download against a server that does everything wrong that a server can."""

import fcntl
import socket
import threading
import time
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest

from stages.engine.errors import InputError
from stages.sources import kermany
from stages.sources.archives import archive
from stages.sources.download import PATIENCE, download
from tests.sources.archives.broken import SOUND, zip_of
from tests.sources.faults import BODY, FAULTS, IMPATIENT, QUICK, SHA256, serving

NAME = f"{SHA256}.zip"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache, empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "cache/pneumonia-pipeline"


def left(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault(name: str, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fault = FAULTS[name]
    with serving(*fault.answers) as server:
        try:
            said = ""
            path = kermany.kept(server.address, SHA256, len(BODY), fault.patience)
            assert path.read_bytes() == BODY
        except InputError as error:
            said = str(error)
    shown = capsys.readouterr().err
    assert bool(said) == bool(fault.said)
    assert fault.said in said
    # Always from the first byte; and what is asked for is the file itself, not packed again.
    assert not any("Range" in headers for headers in server.requests)
    assert {headers["Accept-Encoding"] for headers in server.requests} == {"identity"}
    if "circle" not in name:  # redirects are followed a few times
        assert len(server.requests) == fault.requests
    if fault.said:
        assert left(cache) == {f"{NAME}.lock": 0}
        for advice in ("dvc repro", "fetch.url", "data.mendeley.com", "kaggle", "pneumonia pin"):
            assert advice in said
    else:
        assert left(cache) == {f"{NAME}.lock": 0, NAME: len(BODY)}
    assert shown.count("again from the start") == fault.requests - 1 or "circle" in name
    assert "secret" not in said + shown


def test_a_stall_is_survived(cache: Path) -> None:
    with serving("stalls", "good") as server:
        kermany.kept(server.address, SHA256, len(BODY), replace(IMPATIENT, attempts=9))
    assert left(cache)[NAME] == len(BODY)


def test_it_is_downloaded_once_and_again_when_it_was_damaged(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving("good", "good", "404") as server:
        path = kermany.kept(server.address, SHA256, None, QUICK)
        assert kermany.kept(server.address, SHA256, None, QUICK) == path
        assert len(server.requests) == 1
        path.write_bytes(BODY[:-1])
        assert kermany.kept(server.address, SHA256, None, QUICK).read_bytes() == BODY
        assert len(server.requests) == 2
    assert "its bytes have changed" in capsys.readouterr().err


def test_two_at_once_download_once(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    with serving("good", "404") as server:
        cache.mkdir(parents=True)
        with (cache / f"{NAME}.lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            threads = [
                threading.Thread(
                    target=lambda: found.append(kermany.kept(server.address, SHA256, None, QUICK))
                )
                for _ in range(2)
            ]
            for thread in threads:
                thread.start()
            shown = ""
            while shown.count("waiting for another process") < 2:
                time.sleep(0.01)
                shown += capsys.readouterr().err
            assert not server.requests
        for thread in threads:
            thread.join()
    assert found == [cache / NAME] * 2
    assert len(server.requests) == 1


def test_the_disk_is_looked_at_before_the_first_byte(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(1000))
    with serving("good") as server:
        with pytest.raises(InputError, match=r"expected 0\.00 GB of free disk.*XDG_CACHE_HOME"):
            kermany.kept(server.address, SHA256, len(BODY), QUICK)
        assert not server.requests
        # Where only the server knows the size, before the first byte of the body.
        with pytest.raises(InputError, match="of free disk"):
            kermany.kept(server.address, SHA256, None, QUICK)
        assert len(server.requests) == 1
    assert left(cache) == {f"{NAME}.lock": 0}


def test_hosts_that_do_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    for address, said in (
        (f"http://127.0.0.1:{port}/x", r"no connection .*attempt 3"),
        ("http://127.0.0.1:port/x", "no address that can be asked"),
    ):
        with pytest.raises(InputError, match=said):
            download(address, tmp_path / "x", sha256=SHA256, patience=QUICK)

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(InputError, match=r"its host is not found: no network\?"):
        download("http://127.0.0.1/x", tmp_path / "x", sha256=SHA256, patience=QUICK)
    assert list(tmp_path.glob("x*")) == []


def test_a_cache_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"a folder to keep the download in.*XDG_CACHE_HOME"):
        kermany.kept("http://127.0.0.1/x", SHA256, None, QUICK)


def test_another_zip_under_the_same_door(tmp_path: Path) -> None:
    data = zip_of(SOUND)(tmp_path).path
    sha256 = archive.look(data).sha256
    target = tmp_path / "cache/pneumonia-pipeline" / f"{sha256}.zip"
    target.parent.mkdir(parents=True)
    data.rename(target)
    images, source = kermany.receive("http://127.0.0.1/mine.zip", sha256, scratch=tmp_path)
    assert len(list(images)) == len(SOUND)
    assert (source.name, source.file, source.pinned) == ("archive", "mine.zip", True)
    assert source.sha256 == sha256


def test_the_shipped_patience_outlasts_a_slow_line() -> None:
    assert PATIENCE.silence_s >= 30
    assert PATIENCE.slowest * 3600 * 24 * 3 > kermany.BYTES
