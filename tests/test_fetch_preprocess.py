"""Stages `fetch` and `preprocess`, started as DVC starts them, in a folder with params only."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.engine.files import read_json, sha256_file, write_json
from stages.engine.task import NOTHING
from stages.history.frozen import freeze
from stages.images.shards import open_shards
from tests.sample_images import encoded, paths, picture, zipped
from tests.sources.faults import serving
from tests.workspace import NO_ROLES

ROOT = Path(__file__).parents[1]
TASK = NOTHING.model_dump(mode="json")


def stage(name: str, folder: Path, **fetch: Any) -> subprocess.CompletedProcess[str]:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["fetch"] |= fetch
    # So few images have no matched normals.
    params["preprocess"] |= {"image_px": 32, "matched_donors": 0, "tail_fraction": 0.15}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    roles = folder / "data/roles.csv"
    if name != "fetch" and not roles.exists():
        roles.parent.mkdir(exist_ok=True)
        roles.write_text(NO_ROLES)
    return subprocess.run(
        [sys.executable, "-m", f"stages.{name}"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_archive_becomes_shards(tmp_path: Path) -> None:
    path = zipped(tmp_path / "images.zip", {f"set/{p}": encoded(picture(p)) for p in paths()})
    fetched = stage("fetch", tmp_path, source="archive", path="images.zip")
    assert "48 images from images.zip" in fetched.stdout, fetched.stderr
    assert "not pinned" in fetched.stdout
    done = stage("preprocess", tmp_path)
    assert "train: " in done.stdout, done.stderr
    manifest = open_shards(tmp_path / "data/shards").manifest
    (source,) = read_json(tmp_path / "data/source.json")["sources"]
    assert (source["name"], source["file"]) == ("archive", "images.zip")
    assert source["sha256"] == sha256_file(path)
    assert set(manifest["counts"]) == {"train", "val", "test", "val_tail"}


def test_an_archive_that_grows_keeps_frozen_roles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def preprocessed(names: list[str]) -> subprocess.CompletedProcess[str]:
        zipped(tmp_path / "images.zip", {f"set/{p}": encoded(picture(p)) for p in names})
        stage("fetch", tmp_path, source="archive", path="images.zip")
        return stage("preprocess", tmp_path)

    def roles_of_images() -> set[tuple[str, str]]:
        records = open_shards(tmp_path / "data/shards").records
        return set(zip(records["id"], records["role"], strict=True))

    done = preprocessed(paths(12))
    assert "roles: " not in done.stdout, done.stderr
    before = roles_of_images()
    monkeypatch.chdir(tmp_path)
    assert freeze(read_json(tmp_path / "data/shards/manifest.json")["digest"]).written

    more = [path.replace("IM-0", "IM-9").replace("person", "person9") for path in paths(4)]
    done = preprocessed([*paths(12), *more])
    line = "roles: 36 groups of patients are frozen in data/roles.csv, 0 of them not here; 12 new"
    assert line in done.stdout, done.stderr
    assert f", {len(more)} decoded, 48 from .cache/pixels" in done.stdout
    assert before <= roles_of_images()

    roles = tmp_path / "data/roles.csv"
    roles.write_text(roles.read_text().replace(",train,", ",dev,", 1))
    failed = stage("preprocess", tmp_path)
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: data/roles.csv: line ")
    assert "restore it by `git checkout data/roles.csv`" in failed.stderr


def test_fetch_alone_reads_no_archive_that_is_not_recorded(tmp_path: Path) -> None:
    members = {f"set/{p}": encoded(picture(p)) for p in paths()}
    path = zipped(tmp_path / "images.zip", members)
    named = {"source": "archive", "path": "images.zip"}
    assert stage("inputs", tmp_path, **named).returncode == 0
    assert stage("fetch", tmp_path, **named).returncode == 0
    before = sha256_file(tmp_path / "data/raw/index.csv")
    zipped(path, {**members, "set/train/NORMAL/IM-0999-0001.jpeg": encoded(picture("x"))})
    refused = stage("fetch", tmp_path, **named)  # as by `dvc repro -s fetch`
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: fetch.path: expected the content of images.zip that ")
    assert sha256_file(tmp_path / "data/raw/index.csv") == before
    assert stage("inputs", tmp_path, **named).returncode == 0
    fetched = stage("fetch", tmp_path, **named)
    assert "49 images from images.zip" in fetched.stdout, fetched.stderr


@pytest.mark.parametrize("names", [["Pneumonia", "Normal"], ["pneumonia", "abscess"]])
def test_names_of_classes_in_the_other_order_stop(tmp_path: Path, names: list[str]) -> None:
    zipped(tmp_path / "images.zip", {p: encoded(picture(p)) for p in paths()})
    named = {"source": "archive", "path": "images.zip"}
    for each in ("inputs", "fetch"):
        assert stage(each, tmp_path, **named).returncode == 0
    inputs = read_json(tmp_path / "data/inputs.json")
    for classes, code in ((names, 1), (["none", "pneumonia"], 0)):
        write_json(tmp_path / "data/inputs.json", {**inputs, "task": {**TASK, "classes": classes}})
        done = stage("preprocess", tmp_path, **named)
        assert done.returncode == code, done.stderr
        assert ("calls them ['normal', 'pneumonia']: swap or rename yours" in done.stderr) == code


def test_phantoms_become_shards(tmp_path: Path) -> None:
    few = {"seed": 0, "patients_train": 12, "patients_test": 4, "confound": 0.9}
    fetched = stage("fetch", tmp_path, source="phantom", phantom=few)
    assert "images from phantom" in fetched.stdout, fetched.stderr
    names = {path.name for path in (tmp_path / "data/raw").iterdir()}
    assert names == {
        *("checksums.json", "images.zip", "index.csv", "source.json"),
        *("masks.zip", "truth.csv"),
    }
    assert read_json(tmp_path / "data/raw/source.json")["synthetic"] is True
    done = stage("preprocess", tmp_path)
    assert "test: " in done.stdout, done.stderr
    assert open_shards(tmp_path / "data/shards").manifest["test"] == "official"


def test_user_error_is_one_line(tmp_path: Path) -> None:
    failed = stage("fetch", tmp_path, source="archive", path="none.zip")
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: fetch.path: expected a zip, tar or tar.gz")
    assert not (tmp_path / "data/raw").exists()
    failed = stage("preprocess", tmp_path)
    assert failed.stderr.startswith("error: data/raw/index.csv: expected an index, found none")


def test_failed_download_leaves_data_unchanged_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    members = {f"set/{p}": encoded(picture(p)) for p in paths()}
    path = zipped(tmp_path / "images.zip", members)
    fetched = stage("fetch", tmp_path, source="archive", path="images.zip")
    assert fetched.returncode == 0, fetched.stderr
    before = {path: sha256_file(path) for path in (tmp_path / "data/raw").iterdir()}
    data, sha256 = path.read_bytes(), sha256_file(path)
    path.unlink()
    with serving("404", "good", body=data) as server:
        kermany = {"source": "kermany", "url": server.address.partition("?")[0], "sha256": sha256}
        failed = stage("fetch", tmp_path, **kermany)
        assert failed.returncode == 1
        first, *rest = failed.stderr.splitlines()
        assert first.startswith("downloading http://127.0.0.1:")
        assert rest[0].endswith("download failed: the file was not found (status 404)")
        assert "data/raw is unchanged" in rest[1]
        assert before == {path: sha256_file(path) for path in (tmp_path / "data/raw").iterdir()}
        names = {path.name for path in (tmp_path / "data").iterdir()}
        assert names == {"raw", "source.json"}
        fetched = stage("fetch", tmp_path, **kermany)
        assert f"48 images from ChestXRay2017.zip, sha256 {sha256}\n" in fetched.stdout
    assert read_json(tmp_path / "data/raw/source.json")["pinned"] is True
