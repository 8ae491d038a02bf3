"""What someone deletes or renames on MLflow's pages, or `mlflow gc` purges."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.engine.errors import InputError
from stages.registry import gate, listing, moves
from stages.registry.aliases import alias_version
from stages.registry.champion import find_champion
from stages.registry.client import Client
from stages.registry.connection import open_store
from stages.registry.history import DONE, alias_history
from stages.registry.publish import publish, publish_past
from stages.registry.release import Release
from stages.registry.runs import find_runs
from stages.registry.store import Store
from stages.registry.stored_package import State, state, stored_model_id
from tests.registry import fake
from tests.registry.server import Server
from tests.registry.test_gate import gate as a_gate

NAME = "pneumonia-phantom"
HISTORY = f"{NAME}-history"


@pytest.fixture
def release(store: Store, client: Client, files: Path) -> Release:
    """A registered release, the candidate and champion."""
    release = fake.release(files)
    publish(release, store)
    moves.move_alias(client, store, NAME, "champion", "1", kind="promote", why="a test")
    return release


def experiment_id(client: Client, name: str = NAME) -> str:
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    return experiment.experiment_id


def model_id(client: Client) -> str:
    return str(stored_model_id(client.get_model_version(NAME, "1")))


def artifacts(store: Store) -> Path:
    assert store.folder is not None
    return store.folder / "artifacts" / NAME


def package(store: Store) -> Path:
    [network] = artifacts(store).rglob("model.keras")
    return network.parent


def run_files(store: Store) -> Path:
    [figures] = artifacts(store).rglob("figures.html")
    return figures.parent


def purge(store: Store) -> None:
    """Run `mlflow gc`."""
    assert store.folder is not None
    command = ["gc", "--backend-store-uri", store.uri, "--tracking-uri", store.uri]
    subprocess.run([sys.executable, "-m", "mlflow", *command], check=True, capture_output=True)


def delete_experiment(client: Client, store: Store) -> None:
    client.delete_experiment(experiment_id(client))


def delete_stored_model(client: Client, store: Store) -> None:
    client.delete_logged_model(model_id(client))


def purge_stored_model(client: Client, store: Store) -> None:
    client.delete_logged_model(model_id(client))
    purge(store)


def purge_run(client: Client, store: Store) -> None:
    client.delete_run(str(client.get_model_version(NAME, "1").run_id))
    purge(store)


def remove_package(client: Client, store: Store) -> None:
    shutil.rmtree(package(store).parent)


def cut_network(client: Client, store: Store) -> None:
    (package(store) / "model.keras").write_bytes(b"a")


def remove_run_files(client: Client, store: Store) -> None:
    shutil.rmtree(run_files(store))


def remove_a_run_file(client: Client, store: Store) -> None:
    (run_files(store) / "report/predictions.csv").unlink()


def remove_circumstances(client: Client, store: Store) -> None:
    (run_files(store) / "circumstances.json").unlink()


RESTORED = f"the experiment {NAME} was deleted in MLflow; it is restored with its runs"
REPLACED = f"the stored model of {NAME} version 1 was deleted; it is registered again, as version 2"
PACKAGE = f"files of {NAME} version 1 were deleted or changed; stored again"
FILES = "were deleted; stored again"
CHANGED = (
    f"the files of {NAME} version 1 were changed, and can't be made as they were; it is registered "
    "again, as version 2"
)


@pytest.mark.parametrize(
    ("delete", "printed", "version"),
    [
        (delete_experiment, RESTORED, "1"),
        (delete_stored_model, REPLACED, "2"),
        pytest.param(purge_stored_model, REPLACED, "2", marks=pytest.mark.slow),
        pytest.param(purge_run, "", "1", marks=pytest.mark.slow),
        (remove_package, PACKAGE, "1"),
        (cut_network, PACKAGE, "1"),
        (remove_run_files, FILES, "1"),
        (remove_a_run_file, FILES, "1"),
        (remove_circumstances, FILES, "1"),
    ],
)
@pytest.mark.parametrize("by", ["register", "sync of an earlier run"])
def test_it_is_stored_again_from_the_files_and_then_confirmed(
    by: str,
    delete: Callable[[Client, Store], None],
    printed: str,
    version: str,
    release: Release,
    client: Client,
    store: Store,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "is already registered" in publish(release, store)
    before = {path.relative_to(run_files(store)) for path in run_files(store).rglob("*")}
    delete(client, store)
    capsys.readouterr()
    if by == "register":
        assert f"version {version} (synthetic images) is now registered" in publish(release, store)
    else:
        past = (store, release.stem, release.record, release.journal, release)
        assert publish_past(*past)
        assert not publish_past(*past)
    assert printed in capsys.readouterr().err
    assert f"version {version} (synthetic images) is already" in publish(release, store)

    [row] = listing.list_versions(client, "pneumonia")  # one version of this model
    present = {key: row[key] for key in ("version", "stored", "aliases")}
    assert present == {"version": version, "stored": "yes", "aliases": "candidate, champion"}
    stored = str(stored_model_id(client.get_model_version(NAME, version)))
    network = artifacts(store) / "models" / stored / "artifacts/artifacts/model.keras"
    assert network.read_bytes() == b"a network"
    digest = client.get_model_version(NAME, version).tags["package_digest"]
    assert state(client, store, stored, release.record, digest) is State.COMPLETE
    [run] = find_runs(client, experiment_id(client), release.record.identity.run)
    folder = artifacts(store) / run.info.run_id / "artifacts"
    assert {path.relative_to(folder) for path in folder.rglob("*")} == before
    assert run.data.tags["complete"] == release.record.view


def change_the_card(client: Client, store: Store) -> None:
    (package(store).parent / "model_card.md").write_text("a better card")


def add_a_module(client: Client, store: Store) -> None:
    (package(store).parent / "json.py").write_text("")


@pytest.mark.parametrize(
    ("change", "reworded", "printed", "version"),
    [
        (change_the_card, False, PACKAGE, "1"),
        (change_the_card, True, CHANGED, "2"),
        (remove_package, True, CHANGED, "2"),
        (add_a_module, False, CHANGED, "2"),
    ],
)
def test_files_are_stored_again_as_they_were_or_as_another_version(
    change: Callable[[Client, Store], None],
    reworded: bool,
    printed: str,
    version: str,
    release: Release,
    client: Client,
    store: Store,
    files: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = client.get_model_version(NAME, "1").tags["package_digest"]
    if reworded:  # the version has the words of its time
        (files / "report/model_card.md").write_text("in other words")
        release = fake.release(files)
        assert "version 1 (synthetic images)" in publish(release, store)
        assert "stored again" not in capsys.readouterr().err
    change(client, store)
    assert f"version {version} (synthetic images) is now registered" in publish(release, store)
    assert printed in capsys.readouterr().err
    assert f"version {version} (synthetic images) is already" in publish(release, store)
    stored = client.get_model_version(NAME, version).tags["package_digest"]
    assert (stored == before) is not reworded
    repairs = [move for move in moves.read_moves(client, NAME) if move.kind == "repair"]
    expected = [("candidate", "2", stored), ("champion", "2", stored)] if version == "2" else []
    assert [(move.alias, move.to, move.package_digest) for move in repairs] == expected


def test_a_repair_is_in_the_history_and_a_rollback_knows_it(
    release: Release, client: Client, store: Store, files: Path
) -> None:
    delete_stored_model(client, store)
    publish(release, store)
    lines = alias_history(client, NAME)
    assert {(line.alias, line.before, line.to, line.kind, line.outcome) for line in lines} == {
        ("candidate", None, "1", "register", DONE),
        ("champion", None, "1", "promote", DONE),
        ("candidate", "1", "2", "repair", DONE),
        ("champion", "1", "2", "repair", DONE),
    }
    fake.write(files, model=b"another network")
    publish(fake.release(files), store)
    moves.move_alias(client, store, NAME, "champion", "3", kind="promote", why="a test")
    assert gate.rollback(client, store, NAME, why="a test").version == "2"


def test_deleted_records_are_still_the_history(
    release: Release, client: Client, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    before = alias_history(client, NAME)
    client.delete_run(moves.read_moves(client, NAME)[0].id)
    assert alias_history(client, NAME) == before
    client.delete_experiment(experiment_id(client, HISTORY))
    assert alias_history(client, NAME) == before
    client.delete_registered_model_alias(NAME, "candidate")
    assert "is now registered, the candidate" in publish(release, store)
    assert f"the experiment {HISTORY} was deleted in MLflow" in capsys.readouterr().err
    assert alias_version(client, NAME, "candidate") == "1"


@pytest.mark.slow
def test_a_purged_history_begins_anew(release: Release, client: Client, store: Store) -> None:
    client.delete_experiment(experiment_id(client, HISTORY))
    purge(store)
    assert {line.outcome for line in alias_history(client, NAME)} == {
        "made outside the gate, or its record was purged"
    }
    client.delete_registered_model_alias(NAME, "candidate")
    assert "is now registered, the candidate" in publish(release, store)
    assert alias_history(client, NAME)[0].kind == "register"


def test_a_renamed_experiment_keeps_its_runs(
    release: Release, client: Client, store: Store, files: Path
) -> None:
    import mlflow

    renamed = experiment_id(client)
    mlflow.MlflowClient().rename_experiment(renamed, "ours")
    assert "already registered" in publish(release, store)
    other = fake.release(files, train={"threads": 1})
    publish(other, store)
    for one in (release, other):
        assert len(list(find_runs(client, renamed, one.record.identity.run))) == 1
    assert client.get_experiment_by_name(NAME) is None
    assert len(listing.list_runs(client, "pneumonia")) == 2


def test_a_renamed_run_is_the_same_run(release: Release, client: Client, store: Store) -> None:
    [run] = find_runs(client, experiment_id(client), release.record.identity.run)
    client.set_tag(run.info.run_id, "mlflow.runName", "my favourite")
    assert "already registered" in publish(release, store)
    publish_past(store, release.stem, release.record, {}, release)
    [row] = listing.list_runs(client, "pneumonia")
    assert row["name"] == "my favourite"


def test_a_restored_run_is_joined_with_the_one_that_was_logged_for_it(
    release: Release, client: Client, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id = str(client.get_model_version(NAME, "1").run_id)
    client.delete_run(run_id)
    publish(release, store)  # logs another
    client.restore_run(run_id)
    [other] = {
        run.info.run_id
        for run in find_runs(client, experiment_id(client), release.record.identity.run)
    } - {run_id}
    client.set_tag(other, "remark", "worth a look")
    capsys.readouterr()
    assert "is now registered" in publish(release, store)
    assert f"(run id {run_id}) is kept, the rest is deleted" in capsys.readouterr().err
    [kept] = find_runs(client, experiment_id(client), release.record.identity.run)
    assert (kept.info.run_id, kept.data.tags["remark"]) == (run_id, "worth a look")
    assert "already registered" in publish(release, store)


def test_circumstances_that_only_a_deleted_duplicate_had_are_kept(
    client: Client, store: Store, files: Path
) -> None:
    record = fake.record(files)
    past = (store, "pneumonia", record)
    publish_past(*past, fake.JOURNAL, None)
    [first] = find_runs(client, experiment_id(client), record.identity.run)
    client.delete_run(first.info.run_id)
    publish_past(*past, {}, None)
    client.restore_run(first.info.run_id)
    publish_past(*past, {}, None)
    [kept] = find_runs(client, experiment_id(client), record.identity.run)
    assert kept.data.tags["git_commit"] == "c0ffee"
    circumstances = client.download_artifacts(kept.info.run_id, "circumstances.json")
    assert "c0ffee" in Path(circumstances).read_text()
    assert not publish_past(*past, {}, None)


def remove_network(client: Client, store: Store) -> None:
    (package(store) / "model.keras").unlink()


@pytest.mark.parametrize("delete", [remove_package, remove_network])
def test_a_version_without_its_files_is_named_with_what_to_do(
    delete: Callable[[Client, Store], None],
    release: Release,
    client: Client,
    store: Store,
    files: Path,
) -> None:
    assert store.folder is not None
    delete(client, store)
    says = r"pneumonia-phantom version 1: .*`pneumonia sync` stores (it|them) again"
    with (
        pytest.raises(InputError, match=says),
        find_champion(store.folder.parent, "pneumonia", None) as champion,
    ):
        champion.open(None)
    with pytest.raises(InputError, match=says):
        gate.promote(client, store, NAME, "1", a_gate(), alias="trial")
    with pytest.raises(InputError, match=says):  # and not that it is the champion already
        gate.promote(client, store, NAME, "1", a_gate())
    [row] = listing.list_versions(client, "pneumonia")
    assert row["stored"] == "no"
    fake.write(files, model=b"another network")
    publish(fake.release(files), store)
    moves.move_alias(client, store, NAME, "champion", "2", kind="promote", why="a test")
    with pytest.raises(InputError, match=says):
        gate.rollback(client, store, NAME, why="a test")
    assert alias_version(client, NAME, "champion") == "2"


@pytest.mark.slow
def test_a_server_whose_files_were_deleted_gets_them_again(
    mlflow_imported: None, files: Path, tmp_path: Path
) -> None:
    server = Server(tmp_path / "server")
    release = fake.release(files)
    store = Store(server.uri, None)
    server.start()
    try:
        publish(release, store, limited=False)
        client = open_store(store)

        def remove_folders_with(name: str) -> None:
            for path in sorted((server.folder / "artifacts").rglob(name)):
                shutil.rmtree(path.parent)

        for delete, what in (
            (client.delete_logged_model, model_id(client)),
            (remove_folders_with, "model.keras"),
            (remove_folders_with, "figures.html"),
            (client.delete_experiment, experiment_id(client)),
        ):
            delete(what)
            assert "the candidate" in publish(release, store, limited=False)
            [row] = listing.list_versions(client, "pneumonia")
            assert (row["version"], row["stored"], row["aliases"]) == ("2", "yes", "candidate")
            [run] = find_runs(client, experiment_id(client), release.record.identity.run)
            assert len(client.list_artifacts(run.info.run_id)) == 5
            assert not publish_past(store, release.stem, release.record, release.journal, release)
    finally:
        server.kill()
