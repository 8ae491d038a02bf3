"""Roles are frozen from the data set of the promoted version, and count as what ran."""

import shutil
from pathlib import Path

import pytest
import yaml

from stages import inputs
from stages.engine import checksums
from stages.engine.errors import InputError
from stages.engine.files import read_json, sha256_file, write_json
from stages.history import chain
from stages.history.frozen import freeze
from stages.history.plan import read_plan
from stages.images.build import build_shards
from stages.images.frozen_roles import FrozenRoles, read_frozen_roles
from stages.settings import paths
from stages.settings.digests import JUDGED
from stages.sources.index import open_raw
from tests import sample_images
from tests.history.lock_writer import stage_record
from tests.sample_images import options, raw
from tests.workspace import NO_ROLES as HEADER
from tests.workspace import ROOT

PLAN = {
    "fetch": {"cmd": "fetch", "deps": [], "outs": ["data/raw", "data/source.json"]},
    "preprocess": {"cmd": "p", "deps": ["data/raw", "data/roles.csv"], "outs": ["data/shards"]},
    "train": {"cmd": "train", "deps": ["data/shards"], "outs": []},
    "evaluate": {"cmd": "evaluate", "deps": ["data/shards"], "outs": []},
}


@pytest.fixture(autouse=True)
def _root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository that has run up to evaluate, as far as `chain` asks; the current folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": PLAN}))
    raw(paths.RAW, sample_images.paths())
    write_json(paths.SOURCE, {"name": "phantom", "sha256": None, "synthetic": True})
    paths.ROLES.write_text(HEADER)
    inputs.main()
    preprocess()
    assert chain.of_workspace() == []


def preprocess(**changes: float) -> None:
    frozen = read_frozen_roles(paths.ROLES)
    images, _ = open_raw(paths.RAW)
    chosen = options(**changes)
    tree = yaml.safe_load(paths.PARAMS.read_text())
    paths.PARAMS.write_text(yaml.safe_dump(tree | {"preprocess": chosen.model_dump()}))
    build_shards(images, chosen, paths.SHARDS, frozen=frozen, workers=1)
    stages = {name: stage_record(read_plan()[name]) for name in JUDGED}
    Path("dvc.lock").write_text(yaml.safe_dump({"stages": stages}))


def data_digest() -> str:
    return str(read_json(paths.SHARDS / "manifest.json")["digest"])


def test_frozen_roles_of_what_ran_are_what_ran() -> None:
    before = sha256_file(paths.SHARDS / "manifest.json")
    freezing = freeze(data_digest())
    assert freezing.written
    assert "the roles of 36 groups of patients are frozen (train " in freezing.message
    assert "36 of them new). Commit it" in freezing.message
    assert "`git add data/roles.csv && git commit" in freezing.message
    assert chain.of_workspace() == []
    preprocess()
    assert sha256_file(paths.SHARDS / "manifest.json") == before
    assert chain.of_workspace() == []
    again = freeze(data_digest())
    assert not again.written
    assert again.message.endswith("the roles of all 36 groups of patients were frozen before")


@pytest.mark.parametrize("edit", ["another role", "a row less"])
def test_other_roles_than_those_of_the_shards_are_refused(edit: str) -> None:
    freeze(data_digest())
    entries = dict(read_frozen_roles(paths.ROLES).entries)
    first = min(entries)
    entry = entries.pop(first)
    if edit == "another role":
        entries[first] = entry._replace(role="val" if entry.role == "train" else "train")
    FrozenRoles(entries).write(paths.ROLES)
    (found,) = chain.of_workspace()
    assert (found.stage, found.key) == ("preprocess", "data/roles.csv")
    with pytest.raises(InputError, match=r"preprocess: data/roles\.csv is \w+ in dvc\.lock"):
        chain.require_closed()


def test_a_broken_file_is_named() -> None:
    paths.ROLES.write_text(HEADER + "<<<<<<< HEAD\n")
    with pytest.raises(InputError, match="line 2 is a mark of a merge conflict"):
        chain.of_workspace()


def test_the_first_stage_refuses_a_broken_or_missing_file() -> None:
    paths.ROLES.write_text(HEADER + "<<<<<<< HEAD\n")
    with pytest.raises(InputError, match="line 2 is a mark of a merge conflict"):
        inputs.main()
    paths.ROLES.unlink()
    with pytest.raises(InputError, match=r"restore it by `git checkout data/roles\.csv`"):
        inputs.main()


def test_changed_shards_are_not_what_ran_whatever_the_roles() -> None:
    freeze(data_digest())
    records = paths.SHARDS / "records.csv"
    records.write_text(records.read_text().replace(",val,", ",train,"))
    assert {found.key for found in chain.of_workspace()} == {"data/shards", "data/roles.csv"}


def test_nothing_is_frozen_from_another_data_set_than_the_versions() -> None:
    freezing = freeze("0" * 64)
    assert not freezing.written
    assert "nothing frozen, because data/shards is not the data set of this" in freezing.message
    assert paths.ROLES.read_text() == HEADER


def test_nothing_is_frozen_where_shards_are_missing_or_changed() -> None:
    digest = data_digest()
    with (paths.SHARDS / "records.csv").open("a") as handle:
        handle.write("x\n")
    assert "nothing frozen: data/shards/records.csv: its bytes" in freeze(digest).message
    (paths.SHARDS / "manifest.json").unlink()
    assert "nothing frozen: data/shards/manifest.json: expected a file" in freeze(digest).message
    assert paths.ROLES.read_text() == HEADER


def test_nothing_is_frozen_against_what_is_frozen() -> None:
    freeze(data_digest())
    frozen = paths.ROLES.read_text()
    paths.ROLES.write_text(HEADER)
    preprocess(seed=1)
    paths.ROLES.write_text(frozen)
    freezing = freeze(data_digest())
    assert not freezing.written
    assert "groups of data/shards are in another role than the frozen one" in freezing.message
    assert paths.ROLES.read_text() == frozen


def test_nothing_is_frozen_from_shards_of_an_earlier_version() -> None:
    manifest = paths.SHARDS / "manifest.json"
    facts = read_json(manifest)
    assert facts.pop("joined_groups") == {}
    facts["digest"] = checksums.content_digest(facts)
    write_json(manifest, facts)
    assert "manifest.json: written by an earlier version" in freeze(facts["digest"]).message
