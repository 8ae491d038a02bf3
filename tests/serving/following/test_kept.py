"""The kept versions: complete or absent, this user's alone, and no more than are needed."""

import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from stages.engine.errors import InputError
from stages.serving.following import kept
from stages.serving.following.kept import Kept, KeptVersion, Place

PLACE = Place("https://registry.example.org", "pneumonia-phantom", "champion")
FIRST, SECOND, THIRD = "a" * 64, "b" * 64, "c" * 64


def version(files: str, number: str = "1") -> KeptVersion:
    return KeptVersion("pneumonia-phantom", number, files, "m", files, True, None, ("one",), 5.0)


@pytest.fixture
def store(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "kept")


def add(store: Kept, digest: str) -> Path:
    with store.incoming() as folder:
        (folder / "files/artifacts").mkdir(parents=True)
        (folder / "files/artifacts/model").write_text(digest)
        return store.add(folder / "files", digest)


def names(tmp_path: Path, folder: str) -> set[str]:
    return {path.name for path in (tmp_path / "kept" / folder).iterdir()}


def test_what_is_kept_is_found_again(store: Kept, tmp_path: Path) -> None:
    assert store.last(PLACE) is None
    assert store.folder(FIRST) is None
    place = add(store, FIRST)
    assert names(tmp_path, "incoming") == set()
    store.note(PLACE, version(FIRST))
    again = Kept(tmp_path / "kept")
    assert again.last(PLACE) == version(FIRST)
    assert again.folder(FIRST) == place
    assert (place / "artifacts/model").read_text() == FIRST
    assert again.last(replace(PLACE, alias="candidate")) is None
    store.remove(FIRST)
    assert again.folder(FIRST) is None


def test_nobody_else_can_read_it(store: Kept, tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        add(store, FIRST)
        store.note(PLACE, version(FIRST))
    finally:
        os.umask(umask)
    for path in ((tmp_path / "kept"), *(tmp_path / "kept").rglob("*")):
        if path.name != ".lock":
            assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize("folder", ["kept", "kept/versions", "kept/served"])
def test_a_folder_that_others_may_use_is_refused(folder: str, tmp_path: Path) -> None:
    Kept(tmp_path / "kept")
    (tmp_path / folder).chmod(0o750)
    with pytest.raises(InputError, match=r"expected a folder of your own .* permissions 0750"):
        Kept(tmp_path / "kept")


def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "kept").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="or a link"):
        Kept(tmp_path / "kept")


def test_only_what_a_service_names_or_has_just_opened_stays(
    store: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, digest in enumerate((FIRST, SECOND, THIRD)):
        add(store, digest)
        store.note(PLACE, version(digest, str(number)))
    assert names(tmp_path, "versions") == {FIRST, SECOND, THIRD}  # opened within the hour
    monkeypatch.setattr(kept, "_UNUSED_S", -10.0)
    store.note(PLACE, version(SECOND, "9"))
    # The one before stays too: a rollback needs no download, and its last answers are under way.
    assert names(tmp_path, "versions") == {SECOND, THIRD}
    store.note(PLACE, version(SECOND, "10"))  # the same files again
    assert names(tmp_path, "versions") == {SECOND, THIRD}
    store.note(replace(PLACE, alias="candidate"), version(THIRD))
    add(store, FIRST)
    store.note(PLACE, version(FIRST, "11"))
    assert names(tmp_path, "versions") == {FIRST, SECOND, THIRD}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"format": 2}',
        json.dumps({"format": 1, "place": vars(PLACE), "version": {}}),
        json.dumps(
            {"format": 1, "place": vars(PLACE), "version": {**vars(version("../../etc"))}},
            default=list,
        ),
    ],
)
def test_a_damaged_record_is_none(content: str, store: Kept, tmp_path: Path) -> None:
    (tmp_path / "kept/served" / f"{PLACE.key}.json").write_text(content)
    assert store.last(PLACE) is None
    store.note(PLACE, version(FIRST))
    assert store.last(PLACE) == version(FIRST)


KILLED = """
import os, sys
from pathlib import Path
from stages.serving.following import kept
store = kept.Kept(Path(sys.argv[1]))
real = Path.rename
Path.rename = lambda path, to: os._exit(9)
with store.incoming() as folder:
    (folder / "files").mkdir()
    (folder / "files/model").write_text("half")
    store.add(folder / "files", "a" * 64)
"""


def test_a_kill_leaves_no_half_version(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "kept")]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], check=False)
    assert done.returncode == 9
    store = Kept(tmp_path / "kept")
    assert store.folder(FIRST) is None
    assert add(store, FIRST).is_dir()


def test_services_that_share_it_keep_whole_versions(store: Kept) -> None:
    problems: list[str] = []

    def serve(alias: str) -> None:
        place = replace(PLACE, alias=alias)
        for turn in range(20):
            digest = (FIRST, SECOND, THIRD)[turn % 3]
            add(store, digest)
            store.note(place, version(digest))
            folder = store.folder(digest)
            if folder is None or (found := store.last(place)) is None or found.files != digest:
                problems.append(f"{alias} {turn}")

    threads = [threading.Thread(target=serve, args=(alias,)) for alias in ("one", "two", "three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
