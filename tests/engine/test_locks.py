"""Locks exclude, wait, and follow no link that somebody planted."""

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import filelock
import pytest

from stages.engine.errors import InputError
from stages.engine.locks import locked, user_folder
from stages.registry.promotion_lock import promotion_lock
from stages.registry.store import Store
from stages.sources.cache import locked_path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/pneumonia-pipeline"


def _hold(path: Path, ready: Any) -> None:
    with locked(path):
        ready.set()
        multiprocessing.Event().wait(60)


def test_a_lock_excludes_and_goes_with_its_holder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    path = tmp_path / "x.lock"
    holder = context.Process(target=_hold, args=(path, ready))
    holder.start()
    assert ready.wait(30)
    called = []

    def end_the_holder() -> None:
        called.append(1)
        holder.kill()

    with locked(path, when_held=end_the_holder):
        assert called == [1]
    holder.join()
    with locked(path, when_held=lambda: called.append(2)):
        assert called == [1]


def test_a_planted_link_is_refused_and_its_target_stays(tmp_path: Path) -> None:
    target, path = tmp_path / "precious", tmp_path / "x.lock"
    target.write_text("content")
    path.symlink_to(target)
    with (
        pytest.raises(InputError, match=r"x\.lock: expected a lock file, found a link"),
        locked(path),
    ):
        pass
    assert target.read_text() == "content"
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match="found a link or a folder; remove it"), locked(path):
        pass


def test_a_link_planted_after_the_check_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, path = tmp_path / "precious", tmp_path / "x.lock"
    target.write_text("content")
    init = filelock.FileLock.__init__

    def plant(self: filelock.FileLock, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        path.symlink_to(target)

    monkeypatch.setattr(filelock.FileLock, "__init__", plant)
    with pytest.raises(InputError, match="expected a lock file, found a link"), locked(path):
        pass
    assert target.read_text() == "content"


def test_an_existing_lock_file_is_not_truncated(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    path.write_text("content")
    with locked(path):
        assert path.read_text() == "content"


def test_the_folder_of_the_user_is_closed_to_others(cache: Path) -> None:
    assert user_folder() == cache
    assert cache.stat().st_mode & 0o777 == 0o700
    cache.chmod(0o777)
    with pytest.raises(InputError, match=r"expected a folder of your own .* permissions 0777"):
        user_folder()


@pytest.mark.parametrize("linked", [False, True])
def test_a_folder_of_another_user_is_refused(
    cache: Path, monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    cache.parent.mkdir()
    if linked:
        (cache.parent / "there").mkdir()
        cache.symlink_to("there")
        assert user_folder() == cache
    user_folder()
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    with pytest.raises(InputError, match=f"received one of user {os.getuid()} "):
        user_folder()


SERVER = Store("http://ada:s3cret@127.0.0.1:9", None)


@pytest.mark.parametrize(
    "hold",
    [lambda: promotion_lock(SERVER, "model"), lambda: locked_path("x")],
    ids=["promotion", "download"],
)
def test_locks_of_a_user_lie_in_the_user_s_folder(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hold: Callable[[], Any]
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    with hold():
        (lock,) = cache.iterdir()
    assert not list((tmp_path / "tmp").iterdir())
    target = tmp_path / "precious"
    target.write_text("content")
    lock.unlink()
    lock.symlink_to(target)
    with pytest.raises(InputError, match="expected a lock file, found a link"), hold():
        pass
    assert target.read_text() == "content"


def test_a_password_does_not_change_the_lock(cache: Path) -> None:
    for uri in (SERVER.uri, "http://eve:other@127.0.0.1:9"):
        with promotion_lock(Store(uri, None), "model"):
            assert len([*cache.iterdir()]) == 1
