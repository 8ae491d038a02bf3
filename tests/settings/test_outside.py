"""Files outside the repository: noticed by content, whatever their path, time and length say."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages import inputs
from stages.engine import file_memory
from stages.engine.errors import InputError, InvalidSettings
from stages.engine.file_memory import FileMemory
from stages.engine.files import read_json, sha256_file, write_json
from stages.engine.task import NOTHING
from stages.network.pretrained import keras_files, packages
from stages.network.pretrained.origin import PACKAGES
from stages.settings import fetch_inputs, outside, params, paths, words
from tests.workspace import NO_ROLES, ROOT

ARCHIVE, TABLE = Path("outside/images.zip"), Path("outside/labels.csv")


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(file_memory, "_SETTLED_NS", 0)
    ARCHIVE.parent.mkdir()
    ARCHIVE.write_bytes(b"first")
    TABLE.write_text("path,label,patient\n")


def settings(**changes: Any) -> params.Params:
    """The default params, but an archive as the source and `changes` by "section.key"."""
    tree = yaml.safe_load((ROOT / paths.PARAMS).read_text(encoding="utf-8"))
    tree["fetch"] |= {"source": "archive", "path": str(ARCHIVE), "labels": str(TABLE)}
    for name, value in changes.items():
        section, key = name.split("_", 1)
        tree[section][key] = value
    Path("params.yaml").write_text(yaml.safe_dump(tree))
    return params.load()


def record(
    recorded: outside.Digests | None = None, **changes: str | bool | None
) -> outside.Digests:
    memory = FileMemory(Path("memory.json"), vars(fetch_inputs)["sha256_file"])
    found = outside.digests(settings(**changes), recorded or {}, memory)
    memory.save()
    return found


def test_content_is_recorded_and_no_path() -> None:
    assert record() == {
        "fetch": {
            "same_patients": None,
            "archive.path": sha256_file(ARCHIVE),
            "archive.labels": sha256_file(TABLE),
        },
        "train": {"weights": None},
    }
    moved = Path("elsewhere.zip")
    ARCHIVE.rename(moved)
    assert record(fetch_path=str(moved))["fetch"]["archive.path"] == sha256_file(moved)


def test_phantoms_read_nothing_outside() -> None:
    found = record(fetch_source="phantom")
    assert found["fetch"] == {
        "same_patients": None,
        "phantom.path": None,
        "phantom.labels": None,
    }


def test_equal_length_and_an_old_time_hide_nothing() -> None:
    before = record()
    kept = ARCHIVE.stat()
    ARCHIVE.write_bytes(b"other")  # as long as it was
    os.utime(ARCHIVE, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert (
        record()["fetch"]["archive.path"] == sha256_file(ARCHIVE) != before["fetch"]["archive.path"]
    )
    table = TABLE.stat()
    TABLE.write_text("path,label,paTient\n")
    os.utime(TABLE, ns=(table.st_atime_ns, table.st_mtime_ns))
    assert record()["fetch"]["archive.labels"] != before["fetch"]["archive.labels"]


def test_a_link_that_leads_elsewhere_is_noticed() -> None:
    other, link = Path("other.zip"), Path("link.zip")
    shutil.copy2(ARCHIVE, other)
    other.write_bytes(b"other")
    link.symlink_to(ARCHIVE)
    before = record(fetch_path=str(link))
    link.unlink()
    link.symlink_to(other)
    assert record(fetch_path=str(link))["fetch"]["archive.path"] != before["fetch"]["archive.path"]


def test_a_touched_file_is_the_same() -> None:
    before = record()
    ARCHIVE.touch()
    assert record() == before


def test_what_did_not_move_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    before = record()
    seen: list[Path] = []

    def reading(path: Path) -> str:
        seen.append(path)
        return sha256_file(path)

    monkeypatch.setattr(fetch_inputs, "sha256_file", reading)
    assert record() == before
    assert seen == [TABLE]  # small, so always read


def test_a_file_that_has_just_changed_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    # The file system's clock is coarse: two changes may carry one time.
    monkeypatch.setattr(file_memory, "_SETTLED_NS", 10**12)
    record()
    assert not Path("memory.json").exists() or not read_json(Path("memory.json"))


def test_a_key_is_known_by_a_digest_that_gives_nothing_away() -> None:
    key = Path("outside/names.key")
    key.write_bytes(bytes(range(32)))
    key.chmod(0o600)
    before = record(fetch_hash_names=str(key))
    found = before["fetch"]["archive.hash_names"]
    assert found not in (None, sha256_file(key))
    key.rename("elsewhere.key")
    assert record(fetch_hash_names="elsewhere.key") == before
    assert record(before, fetch_hash_names=str(key)) == before  # as in a clone without the key
    key.write_bytes(bytes(range(1, 33)))
    key.chmod(0o600)
    assert record(before, fetch_hash_names=str(key))["fetch"]["archive.hash_names"] != found
    key.write_bytes(b"short")
    with pytest.raises(InputError, match="expected a key of 32 to"):
        record(before, fetch_hash_names=str(key))


def test_a_key_without_a_path_is_refused_before_any_work() -> None:
    with pytest.raises(InvalidSettings, match=r"`pneumonia data key PATH`, outside the repository"):
        record(fetch_hash_names=True)


def test_what_is_not_there_keeps_its_digest() -> None:
    before = record()
    ARCHIVE.unlink()
    assert record(before) == before
    assert record()["fetch"]["archive.path"] is None


def test_a_folder_is_known_by_its_files() -> None:
    folder = Path("folder/inner")
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(b"a")
    before = record(fetch_path="folder")
    assert record(fetch_path="folder") == before
    (folder / "a.png").rename(folder / "b.png")
    after = record(fetch_path="folder")
    assert after["fetch"]["archive.path"] != before["fetch"]["archive.path"]
    (folder / ".DS_Store").write_bytes(b"litter")
    assert record(fetch_path="folder") == after


def test_memory_has_no_names_since_they_may_identify_a_patient() -> None:
    folder = Path("folder")
    folder.mkdir()
    (folder / "doe-jane.png").write_bytes(b"a")
    record(fetch_path="folder")
    stored = Path("memory.json").read_text()
    assert sha256_file(folder / "doe-jane.png") in stored
    assert "doe" not in stored


def test_weights_are_known_by_their_content() -> None:
    weights = Path("start.weights.h5")
    weights.write_bytes(b"one")
    change: dict[str, Any] = {"train_network": "DenseNet121", "train_weights": str(weights)}
    before = record(**change)
    weights.write_bytes(b"two")
    assert record(**change)["train"]["weights"] == sha256_file(weights)
    assert record(**change) != before


def test_published_weights_are_known_by_their_content() -> None:
    keras: dict[str, Any] = {"train_network": "DenseNet121", "train_weights": "imagenet"}
    assert record(**keras)["train"] == {"weights": None}
    path = keras_files.path_of("DenseNet121")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"one")
    before = record(**keras)
    assert before["train"] == {"weights": sha256_file(path)}
    path.unlink()
    assert record(before, **keras) == before  # as in a clone that pulled the model
    lite: dict[str, Any] = {"train_network": "EfficientNetLite0", "train_weights": "imagenet"}
    for recorded in ({}, before):  # whether its package is installed or not
        found = record(recorded, **lite)["train"]
        assert found == {"weights": PACKAGES["EfficientNetLite0"].sha256}
    assert record(**{**lite, "train_weights": None})["train"] == {"weights": None}


def test_the_first_stage_asks_for_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: Any) -> bytes:
        raise InputError("run `make setup EXTRAS=pretrained`")

    monkeypatch.setattr(packages, "read", absent)
    paths.ROLES.parent.mkdir()
    paths.ROLES.write_text(NO_ROLES)
    settings(train_network="EfficientNetLite0", train_weights="imagenet")
    with pytest.raises(InputError, match="make setup EXTRAS=pretrained"):
        inputs.main()
    assert not paths.INPUTS.exists()
    settings(train_network="EfficientNetLite0")
    inputs.main()
    assert paths.INPUTS.exists()


def test_a_damaged_memory_is_none() -> None:
    before = record()
    for damage in ("{", "[]", '{"/x": 1}', "null"):
        Path("memory.json").write_text(damage)
        assert record() == before


def test_pinned_weights_are_known_by_content_and_stop_where_they_change() -> None:
    weights = Path("start.weights.h5")
    weights.write_bytes(b"one")
    pin = sha256_file(weights)
    change: dict[str, Any] = {"train_network": "DenseNet121"}
    pinned = {**change, "train_weights": f"{weights}#sha256={pin}"}
    before = record(**change, train_weights=str(weights))
    assert record(**pinned) == before
    weights.write_bytes(b"two")
    with pytest.raises(InputError, match=r"start\.weights\.h5: expected the weights pinned by"):
        record(**pinned)
    weights.unlink()
    assert record(before, **pinned) == before
    with pytest.raises(InvalidSettings, match="64 hexadecimal digits"):
        record(**change, train_weights=f"{weights}#sha256=abc")


def test_words_are_recorded_and_fetch_reads_those_of_a_table_alone() -> None:
    memory = FileMemory(Path("memory.json"), sha256_file)
    stated: dict[str, Any] = {"task_classes": ["intact", "fracture"], "task_title": "fractures"}
    stated["task_body_part"] = "WRIST"
    found = outside.record(settings(**stated), {}, memory)
    assert found["fetch"]["classes"] == ["intact", "fracture"]
    assert found["fetch"]["body_part"] == "WRIST"
    assert found["task"]["title"] == "fractures"
    assert found["task"]["population"] is None
    others = outside.record(settings(fetch_source="phantom", **stated), {}, memory)
    assert others["fetch"]["classes"] is others["fetch"]["body_part"] is None
    assert others["task"] == found["task"]
    assert outside.changes(settings(**stated), found, memory) == {}
    renamed = settings(**{**stated, "task_title": "breaks"})
    assert outside.changes(renamed, found, memory) == {"task.title": ("fractures", "breaks")}


def test_params_without_the_section_task_state_nothing() -> None:
    settings()
    tree = yaml.safe_load(Path("params.yaml").read_text())
    del tree["task"]
    Path("params.yaml").write_text(yaml.safe_dump(tree))
    paths.ROLES.parent.mkdir(exist_ok=True)
    paths.ROLES.write_text(NO_ROLES)
    inputs.main()
    found = read_json(paths.INPUTS)
    assert found["task"] == NOTHING.model_dump()
    assert found["fetch"]["classes"] is None
    assert words.task({"task": {}}).classes == ("negative", "positive")


def test_a_file_that_changed_since_it_was_recorded_is_named() -> None:
    memory = FileMemory(Path("memory.json"), sha256_file)
    found = record()
    assert outside.changes(settings(), found, memory) == {}
    TABLE.write_text("path,label,paTient\n")
    changed = outside.changes(settings(), found, memory)
    before = found["fetch"]["archive.labels"]
    assert changed == {"fetch.archive.labels": (before, sha256_file(TABLE))}


@pytest.mark.parametrize("changed", [ARCHIVE, TABLE], ids=("path", "labels"))
def test_fetch_refuses_what_inputs_has_not_recorded(changed: Path) -> None:
    options = settings().fetch
    fetch_inputs.require_recorded(options)  # nothing is recorded yet
    write_json(paths.INPUTS, record())
    fetch_inputs.require_recorded(options)
    changed.write_bytes(b"other")
    key = "path" if changed == ARCHIVE else "labels"
    with pytest.raises(InputError, match=rf"^fetch\.{key}: .* run the whole `dvc repro`"):
        fetch_inputs.require_recorded(options)
    changed.unlink()
    fetch_inputs.require_recorded(options)  # fetch itself names a missing file


def test_a_file_that_inputs_did_not_find_is_not_read_unrecorded() -> None:
    ARCHIVE.rename("away.zip")
    write_json(paths.INPUTS, record())
    Path("away.zip").rename(ARCHIVE)
    with pytest.raises(InputError, match=r"that data/inputs\.json records \(none\)"):
        fetch_inputs.require_recorded(settings().fetch)


def several(*sources: dict[str, Any], same: str | None = None) -> params.Params:
    tree = yaml.safe_load((ROOT / paths.PARAMS).read_text(encoding="utf-8"))
    tree["fetch"] = {"sources": list(sources), "same_patients": same}
    Path("params.yaml").write_text(yaml.safe_dump(tree))
    return params.load()


def test_each_source_stands_there_under_its_name() -> None:
    other = Path("other.zip")
    other.write_bytes(b"other")
    listed = several(
        {"name": "lyon", "kind": "archive", "path": str(ARCHIVE), "labels": str(TABLE)},
        {"name": "paris", "kind": "archive", "path": str(other), "use": "judge"},
        same=str(TABLE),
    )
    memory = FileMemory(Path("memory.json"), sha256_file)
    found = outside.digests(listed, {}, memory)
    assert found["fetch"] == {
        "same_patients": sha256_file(TABLE),
        "lyon.path": sha256_file(ARCHIVE),
        "lyon.labels": sha256_file(TABLE),
        "paris.path": sha256_file(other),
        "paris.labels": None,
    }
    other.unlink()
    assert outside.digests(listed, found, memory) == found


def test_a_record_of_the_format_before_still_stands_for_an_archive_that_is_not_there() -> None:
    before = {"format": 1, "fetch": {"path": "1" * 64, "labels": sha256_file(TABLE)}}
    ARCHIVE.unlink()
    memory = FileMemory(Path("memory.json"), sha256_file)
    found = outside.digests(settings(), before, memory)
    assert found["fetch"]["archive.path"] == "1" * 64
    recorded = {**before, "train": found["train"]}
    assert not [key for key in outside.changes(settings(), recorded, memory) if "archive" in key]
