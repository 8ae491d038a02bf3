"""A follower answers with what the alias points at, and goes on with it whatever fails."""

import shutil
import sys
import threading
import time
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stages.engine.errors import InputError
from stages.registry import signing_key
from stages.registry.champion import Champion
from stages.registry.earlier_package import files_digest
from stages.serving.following.followed import AliasFollower
from stages.serving.following.kept import Kept
from tests.registry import format_1, tampering
from tests.serving.aliases import FakeAlias, FakeLoader, Following, package
from tests.serving.fake_detector import FakeDetector


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Champion]:
    """Three versions."""
    return {
        number: replace(
            package(tmp_path_factory.mktemp("package"), f"network {number}".encode()),
            version=number,
        )
        for number in ("1", "2", "3")
    }


@pytest.fixture
def following(packages: dict[str, Champion], tmp_path: Path) -> Following:
    return Following(FakeAlias(dict(packages)), FakeLoader(), tmp_path / "kept")


def test_it_answers_with_what_the_alias_points_at(following: Following) -> None:
    follower = following.follower
    assert following.answering() is None
    assert follower.status().registry_up is None
    follower.turn()
    first = follower.current
    assert first is not None
    assert (first.version, first.commit, first.cautions) == ("1", "c0ffee", ("of the files",))
    status = follower.status()
    assert (status.registry_up, status.loads, status.load_failures) == (True, 1, 0)
    assert status.last_poll == following.now
    following.alias.at = "2"
    follower.turn()
    assert following.answering() == "2"
    assert first.version == "1"  # a request that has begun goes on with it
    follower.turn()
    assert following.loader.loaded == ["1", "2"]
    assert following.alias.copied == ["1", "2"]
    following.alias.at = "1"
    follower.turn()
    assert following.answering() == "1"
    assert following.alias.copied == ["1", "2"]  # kept, so not copied again


def test_the_old_version_answers_while_the_new_one_loads(following: Following) -> None:
    following.follower.turn()
    seen: list[str | None] = []
    following.loader.during = lambda: seen.append(following.answering())
    following.alias.at = "2"
    following.follower.turn()
    assert seen == ["1"]
    assert following.answering() == "2"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (InputError("/home/me/kept/versions/a: it has format 3"), "a: it has format 3"),
        (ValueError("secret of /home/me\nversion 3 answers"), "it fails with ValueError"),
        (OSError(28, "No space left on device", "/home/me/x"), "x: the disk is full"),
        (MemoryError(), "it fails with MemoryError"),
        (SystemExit(1), "it fails with SystemExit"),
    ],
)
def test_a_version_that_does_not_load_is_tried_again_ever_later(
    error: BaseException, reason: str, following: Following
) -> None:
    following.follower.turn()
    following.loader.broken["2"] = error
    following.alias.at = "2"
    following.follower.turn()
    status = following.follower.status()
    assert following.answering() == "1"
    assert (status.failed_version, status.load_failures, status.loads) == ("2", 1, 1)
    assert status.failed_reason is not None
    assert status.failed_reason.startswith(reason)
    assert "home" not in status.failed_reason
    assert "version 2 does not load" in following.lines[-1]
    assert "pneumonia-phantom version 1 (champion) goes on" in following.lines[-1]
    assert "\n" not in following.lines[-1]
    waits = []
    for _ in range(8):
        tries, start = len(following.loader.loaded), following.now
        while len(following.loader.loaded) == tries:
            following.now += 1
            following.follower.turn()
        waits.append(following.now - start)
    assert waits == [15, 30, 60, 120, 240, 300, 300, 300]
    following.alias.at = "3"  # the next one is tried at once
    following.follower.turn()
    assert following.answering() == "3"
    assert following.follower.status().failed_version is None
    del following.loader.broken["2"]
    following.alias.at = "2"
    following.follower.turn()
    assert following.answering() == "2"


def test_a_failure_is_no_news_once_the_alias_has_left_the_version(following: Following) -> None:
    following.follower.turn()
    following.loader.broken["2"] = ValueError()
    following.alias.at = "2"
    following.follower.turn()
    following.alias.at = "1"
    following.follower.turn()
    assert following.follower.status().failed_version is None
    assert following.loader.loaded == ["1", "2"]


def test_a_version_that_the_alias_left_while_it_was_loaded_never_answers(
    following: Following,
) -> None:
    following.follower.turn()

    def leave() -> None:
        following.alias.at = "3"
        following.loader.during = lambda: None

    following.alias.at, following.loader.during = "2", leave
    assert following.follower.turn() == 0  # and what it points at now is loaded at once
    assert following.answering() == "1"
    assert following.follower.turn() > 0
    assert following.answering() == "3"
    assert following.follower.status().load_failures == 0


def test_a_registry_that_ends_while_a_version_is_loaded_lets_it_answer(
    following: Following,
) -> None:
    def end() -> None:
        following.alias.down = True

    following.loader.during = end
    following.follower.turn()
    assert following.answering() == "1"
    assert following.follower.status().registry_up is False


def test_a_defect_in_a_look_does_not_end_the_looks(following: Following) -> None:
    following.follower.turn()
    look = following.alias.version
    following.alias.version = lambda: str(1 // 0)  # type: ignore[method-assign]
    following.follower.turn()
    assert following.answering() == "1"
    status = following.follower.status()
    assert (status.registry_up, status.registry_reason) == (False, "looking at the alias fails")
    following.alias.version = look  # type: ignore[method-assign]
    following.alias.at = "2"
    following.follower.turn()
    assert following.answering() == "2"


def test_a_dead_registry_changes_nothing_but_the_status(following: Following) -> None:
    following.follower.turn()
    following.alias.down = True
    pauses = [following.follower.turn() for _ in range(6)]
    assert following.answering() == "1"
    status = following.follower.status()
    assert (status.registry_up, status.registry_reason) == (False, "the registry does not answer")
    assert max(pauses) <= 30
    assert min(pauses[3:]) > 5
    assert [line for line in following.lines if "no answer" in line] == following.lines[1:]
    following.alias.down, following.alias.at = False, "2"
    assert following.follower.turn() <= 5
    assert following.answering() == "2"
    assert following.follower.status().registry_up is True


def test_a_registry_that_hangs_counts_as_dead(following: Following) -> None:
    following.follower.turn()
    asked, go_on = threading.Event(), threading.Event()

    def hang() -> str:
        asked.set()
        go_on.wait(10)
        return "1"

    following.alias.version = hang  # type: ignore[method-assign]
    thread = threading.Thread(target=following.follower.turn)
    thread.start()
    asked.wait(10)
    assert following.follower.status().registry_up is True
    following.now += 31
    assert following.follower.status().registry_up is False
    assert following.answering() == "1"
    go_on.set()
    thread.join()
    assert following.follower.status().registry_up is True


def test_a_service_that_starts_without_its_registry_answers_with_the_kept_version(
    following: Following,
) -> None:
    following.follower.turn()
    following.alias.at = "2"
    following.follower.turn()
    following.alias.down = True
    following.follower = following.another()
    following.follower.turn()
    assert following.answering() == "2"
    current = following.follower.current
    assert current is not None
    assert "read from this machine's disk" in current.cautions[0]
    status = following.follower.status()
    assert (status.kept, status.registry_up) == (True, False)
    # Back with the same version: the caution goes, and nothing is loaded again.
    loads = len(following.loader.loaded)
    following.alias.down = False
    following.follower.turn()
    assert following.follower.current is not None
    assert following.follower.current.cautions == ("of the files",)
    assert following.follower.current.detector is current.detector
    assert following.follower.status().kept is False
    assert len(following.loader.loaded) == loads
    following.alias.at = "3"
    following.follower.turn()
    assert following.answering() == "3"


def test_without_registry_and_kept_version_it_waits(following: Following) -> None:
    following.alias.down = True
    following.follower.turn()
    following.follower.turn()
    assert following.answering() is None
    waiting = [line for line in following.lines if "waiting for the registry" in line]
    assert len(waiting) == 1
    following.alias.down = False
    following.follower.turn()
    assert following.answering() == "1"


def test_a_kept_version_is_checked_as_any_other(following: Following) -> None:
    following.follower.turn()
    following.alias.down = True
    [folder] = (following.folder / "versions").iterdir()
    (folder / "artifacts/operating_point.json").write_text("{}")
    following.follower = following.another()
    following.follower.turn()
    assert following.answering() is None
    assert not folder.exists()
    following.alias.down = False
    following.follower.turn()
    assert following.answering() == "1"


def test_at_start_a_version_that_does_not_load_leaves_the_kept_one(following: Following) -> None:
    following.follower.turn()
    following.loader.broken["2"] = InputError("broken")
    following.alias.at = "2"
    following.follower = following.another()
    following.follower.turn()
    assert following.answering() == "1"
    status = following.follower.status()
    assert (status.kept, status.failed_version, status.registry_up) == (True, "2", True)


def test_a_removed_alias_ends_no_answers_but_starts_none(following: Following) -> None:
    following.follower.turn()
    following.alias.at = None
    following.follower.turn()
    assert following.answering() == "1"
    status = following.follower.status()
    assert status.registry_reason == "pneumonia-phantom@champion points at no version"
    following.follower = following.another()
    following.follower.turn()
    assert following.answering() is None
    following.alias.at = "3"
    following.follower.turn()
    assert following.answering() == "3"
    assert following.follower.status().registry_reason is None


@pytest.mark.parametrize("change", [*tampering.FILES.values()], ids=[*tampering.FILES])
def test_changed_files_are_never_loaded(
    change: tampering.Change, following: Following, tmp_path: Path
) -> None:
    following.follower.turn()
    changed = following.alias.versions["2"]
    shutil.copytree(changed.package, tmp_path / "changed/package")
    change(tmp_path / "changed/package")
    following.alias.versions["2"] = replace(changed, package=tmp_path / "changed/package")
    following.alias.at = "2"
    following.follower.turn()
    assert following.loader.loaded == ["1"]
    status = following.follower.status()
    assert status.failed_version == "2"
    assert status.failed_reason is not None
    assert str(tmp_path) not in status.failed_reason
    # Its files were repaired: the next try answers.
    following.alias.versions["2"] = changed
    following.now += 15
    following.follower.turn()
    assert following.answering() == "2"


def test_an_unsigned_version_answers_only_where_no_key_is_trusted(
    following: Following, tmp_path: Path
) -> None:
    signing_key.create(tmp_path / "release.key", {})
    following.follower.turn()
    following.loader.key = tmp_path / "release.key.pub"
    following.alias.at = "2"
    following.follower.turn()
    assert following.answering() == "1"
    assert "found none; whoever has the private key" in str(
        following.follower.status().failed_reason
    )
    following.alias.down = True
    following.follower = following.another()  # the kept one is not signed either
    following.follower.turn()
    assert following.answering() is None


@pytest.fixture
def earlier(tmp_path: Path) -> Champion:
    """A version of format 1, promoted before such moves recorded a digest."""
    found = format_1.unpack(tmp_path / "format_1")
    return Champion(format_1.NAME, "4", found.package, found.model, None, sealed=False)


def test_a_version_of_format_1_is_copied_checked_and_kept(
    following: Following, earlier: Champion
) -> None:
    (earlier.package / "code/pneumonia_1901b1bcbfdd/__pycache__").mkdir()
    following.alias.versions["4"], following.alias.at = earlier, "4"
    following.follower.turn()
    assert following.answering() == "4"
    [folder] = (following.folder / "versions").iterdir()
    assert folder.name == files_digest(earlier.package)
    following.alias.down = True
    following.follower = following.another()
    following.follower.turn()
    assert following.answering() == "4"
    (folder / "model_card.md").write_text("a better card")
    following.follower = following.another()
    following.follower.turn()
    assert following.answering() is None
    assert not folder.exists()


def test_changed_files_of_a_version_of_format_1_are_never_loaded(
    following: Following, earlier: Champion
) -> None:
    following.follower.turn()
    recorded = replace(earlier, package_digest=files_digest(earlier.package))
    following.alias.versions |= {"4": recorded, "5": replace(earlier, version="5")}
    classifier = earlier.package / "code/pneumonia_1901b1bcbfdd/registry/classifier.py"
    classifier.write_text(f"{classifier.read_text()}\n# changed")
    following.alias.at = "4"
    following.follower.turn()
    assert "expected the files that were promoted" in str(following.follower.status().failed_reason)
    (earlier.package / "artifacts/operating_point.json").write_text("{}")
    following.alias.at = "5"  # no digest is on record of it, but one of its model
    following.follower.turn()
    assert "expected the model" in str(following.follower.status().failed_reason)
    assert following.loader.loaded == ["1"]


def test_a_version_of_format_1_answers_only_where_no_key_is_trusted(
    following: Following, earlier: Champion, tmp_path: Path
) -> None:
    following.alias.versions["4"], following.alias.at = earlier, "4"
    signing_key.create(tmp_path / "release.key", {})
    following.loader.key = tmp_path / "release.key.pub"
    following.follower.turn()
    assert following.alias.copied == []
    assert "one of format 1, which can't be signed" in str(
        following.follower.status().failed_reason
    )


def test_a_registry_that_comes_back_is_asked_for_what_failed_at_once(
    following: Following,
) -> None:
    following.follower.turn()
    following.loader.broken["2"] = InputError("its files can't be downloaded")
    following.alias.at = "2"
    for _ in range(6):
        following.now += 300
        following.follower.turn()
    following.alias.down = True
    following.follower.turn()
    following.alias.down = False
    following.loader.broken.clear()
    following.follower.turn()
    assert following.answering() == "2"


def test_equal_files_under_another_number_are_not_loaded_again(following: Following) -> None:
    following.follower.turn()
    following.alias.versions["9"] = replace(
        following.alias.versions["1"], version="9", cautions=("moved by hand",)
    )
    following.alias.at = "9"
    following.follower.turn()
    current = following.follower.current
    assert current is not None
    assert (current.version, current.cautions) == ("9", ("moved by hand", "of the files"))
    assert following.loader.loaded == ["1"]


def test_another_alias_is_a_caution(following: Following) -> None:
    following.alias.alias = "candidate"
    following.follower = following.another()
    following.follower.turn()
    assert following.follower.current is not None
    assert "is at the alias `candidate`, not `champion`" in following.follower.current.cautions[0]


def test_a_full_disk_under_the_kept_versions_stops_no_answer(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Kept, "note", full)
    following.follower.turn()
    assert following.answering() == "1"
    assert "can't be kept for a restart" in following.lines[-1]


def test_code_of_versions_that_nobody_uses_is_dropped(following: Following) -> None:
    name = "pneumonia_0123456789ab"

    class Detector(FakeDetector):
        __module__ = f"{name}.network.detector"

    def imports() -> None:
        for module in (name, f"{name}.network"):
            sys.modules[module] = types.ModuleType(module)

    def imported() -> list[str]:
        return [module for module in sys.modules if module.startswith(name)]

    following.loader.during, following.loader.detector = imports, Detector
    following.follower.turn()
    held = following.follower.current
    following.loader.during, following.loader.detector = lambda: None, FakeDetector
    following.alias.at = "2"
    following.follower.turn()
    following.follower.turn()
    assert len(imported()) == 2  # a request still uses it
    del held
    following.follower.turn()
    assert imported() == []
    # Nor does one that fails leave any.
    following.loader.during, following.loader.broken = imports, {"3": ValueError()}
    following.alias.at = "3"
    following.follower.turn()
    assert len(imported()) == 2
    following.follower.turn()
    assert imported() == []


def test_replicas_follow_within_poll_and_load(
    following: Following, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real threads and a real clock: two services, nine moves."""
    services = [
        AliasFollower(
            following.alias,
            Kept(following.folder),
            following.loader,
            poll_s=0.05,
            log=following.lines.append,
        )
        for _ in range(2)
    ]
    turns: list[float] = []
    for service in services:
        monkeypatch.setattr(service, "_turn", timed(service._turn, turns))
        service.start()
    latest = 0.0
    for turn in range(9):
        following.alias.at = "123"[turn % 3]
        moved = time.monotonic()
        while not all(
            service.current and service.current.version == following.alias.at
            for service in services
        ):
            time.sleep(0.001)
            assert time.monotonic() - moved < 60
        latest = max(latest, time.monotonic() - moved)
    for service in services:
        service.stop()
        assert service.status().load_failures == 0
    # The look that had begun before the move, the pause after it, and the load. Of the latter two
    # at once take longer on few cores than each alone.
    assert latest < 2 * max(turns) + 0.05 + 0.5


def timed(function: Callable[[], None], seconds: list[float]) -> Callable[[], None]:
    def call() -> None:
        started = time.monotonic()
        function()
        seconds.append(time.monotonic() - started)

    return call
