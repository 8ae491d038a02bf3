"""A store that an earlier version of this project made is read, extended and not duplicated.

store_07c62a4.zip is the folder mlruns/ after the code of commit 07c62a4 registered the run of
`tests.registry.fake` with the network of `tests.registry.tiny` and promoted it with an override.
"""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from stages.registry.client import Client
from stages.registry.connection import open_store
from stages.registry.history import DONE, alias_history
from stages.registry.listing import list_runs, list_versions
from stages.registry.package_files import check_package, package_file
from stages.registry.publish import publish
from stages.registry.store import Store, find_store
from tests.registry import fake

NAME = "pneumonia-phantom"
ZIP = Path(__file__).with_name("store_07c62a4.zip")


@pytest.fixture
def old(tmp_path: Path, mlflow_imported: None) -> Store:
    root = tmp_path / "repository"
    with zipfile.ZipFile(ZIP) as archive:
        archive.extractall(root / "mlruns")
    return find_store(root)


@pytest.fixture
def client(old: Store) -> Client:
    return open_store(old)


def package(client: Client) -> Path:
    import mlflow

    return Path(mlflow.artifacts.download_artifacts(f"models:/{NAME}@champion"))


def test_runs_versions_and_moves_are_listed(client: Client) -> None:
    (run,) = list_runs(client, "pneumonia")
    assert (run["status"], run["data"].split()[0], run["auroc"]) == ("FINISHED", "phantom", "0.950")
    (version,) = list_versions(client, "pneumonia")
    assert version["aliases"] == "candidate, champion"
    assert (version["floors"], version["auroc"]) == ("passed", "0.950 (0.930 to 0.970)")
    moves = [(line.alias, line.to, line.kind, line.outcome) for line in alias_history(client, NAME)]
    assert moves == [("candidate", "1", "register", DONE), ("champion", "1", "promote", DONE)]


def test_its_package_is_that_of_its_version(client: Client) -> None:
    check_package(package(client), client.get_model_version(NAME, "1").tags["model_digest"])


def test_the_same_model_stays_one_version_and_keeps_its_verdict(
    client: Client, old: Store, files: Path
) -> None:
    (before,) = list_runs(client, "pneumonia")
    network = package_file(package(client), "model.keras").read_bytes()
    fake.write(files, model=network)
    assert "version 1 (synthetic images) is now registered" in publish(fake.release(files), old)
    assert "version 1 (synthetic images) is already" in publish(fake.release(files), old)
    (version,) = list_versions(client, "pneumonia")
    assert version["gate"] == "overridden"
    description = client.get_model_version(NAME, "1").description or ""
    assert description.count("### Gate") == 1
    # The digest of a run has another definition since: the old run is kept beside the new one.
    assert before in list_runs(client, "pneumonia")
    assert len(list_runs(client, "pneumonia")) == 2


PREDICT = """
import json, sys
from pathlib import Path
from stages.engine.errors import UnusableImage
from stages.registry.champion import load_champion
from stages.registry.paired_decisions import ComparedVersion, _run_package
from tests.registry import tiny

champion = load_champion(Path(sys.argv[1]), "pneumonia", None)
answers = [champion.predict(tiny.image(grey))[1] for grey in (120, 200)]
try:
    champion.predict(b"no image")
except UnusableImage as error:
    answers.append(str(error))
folder = Path(sys.argv[2])
for number, grey in enumerate((120, 200)):
    (folder / str(number)).write_bytes(tiny.image(grey))
version = ComparedVersion("1", "", "", Path(sys.argv[3]), frozenset)
print(json.dumps([*answers, *_run_package(version, folder, 2)]))
"""


@pytest.mark.slow
def test_its_champion_predicts_and_can_be_compared(
    client: Client, old: Store, tmp_path: Path
) -> None:
    assert old.folder is not None
    images = tmp_path / "images"
    images.mkdir()
    arguments = [str(old.folder.parent), str(images), str(package(client))]
    finished = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PREDICT, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=fake.ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert finished.returncode == 0, finished.stderr
    *decisions, reason, first, second = json.loads(finished.stdout.splitlines()[-1])
    assert decisions == ["normal", "pneumonia"]
    assert (first, second) == (False, True)
    assert reason.startswith("expected a JPEG, PNG or DICOM image")
