"""The stage `register` end to end, on files as the other stages write them."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from stages import register
from stages.engine.errors import InputError
from stages.engine.files import digest, read_json, sha256_file, write_json
from stages.engine.tables import write_table
from stages.history.plan import read_plan
from stages.registry.packaged_code import code_digest
from stages.registry.store import Store
from stages.settings import digests, params, paths
from stages.sources.index import COLUMNS
from stages.sources.received import data_sha256
from tests.history.lock_writer import stage_record
from tests.registry import fake, stored_runs
from tests.workspace import NO_ROLES


@pytest.fixture
def workplace(store: Store, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a repository with the files of a finished run."""
    assert store.folder is not None
    root = store.folder.parent
    (root / ".dvc").mkdir()
    (root / "stages").symlink_to(fake.ROOT / "stages")
    for name in ("params.yaml", "dvc.yaml", "requirements.lock"):
        shutil.copy(fake.ROOT / name, root)
    fake.write(root / "data")
    (root / paths.ROLES).write_text(NO_ROLES, encoding="utf-8")
    monkeypatch.chdir(root)
    write_lock()
    return root


def write_lock(**inputs: object) -> None:
    """Write what DVC has recorded when it starts `register`: every stage before it."""
    Path("data/inputs.json").write_text(json.dumps({"format": 2, **inputs}))
    stages = {name: stage for name, stage in read_plan().items() if name != "register"}
    for out in sorted({Path(out) for stage in stages.values() for out in stage.outs}):
        if not out.exists():
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text("x")
    lock = {"stages": {name: stage_record(stage) for name, stage in stages.items()}}
    Path("dvc.lock").write_text(yaml.safe_dump(lock))


def test_it_registers_once_and_then_confirms(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    register.main()
    first, output = (workplace / "data/release.json").read_bytes(), capsys.readouterr().out
    assert "pneumonia-phantom version 1 (synthetic images) is now registered" in output
    register.main()
    assert (workplace / "data/release.json").read_bytes() == first
    assert "is already registered" in capsys.readouterr().out
    release = json.loads(first)
    digests = {f"{name}_digest" for name in ("run", "model", "data", "code", "lock")}
    others = {"format", "instruction_set", "source", "floors", "package", "initial_weights"}
    assert set(release) == {*others, *digests}
    assert release["package"] == {"format": 2, "code_digest": code_digest(workplace)}
    assert str(workplace) not in first.decode()


def test_a_server_that_is_down_changes_no_byte(
    workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    register.main()
    first = (workplace / "data/release.json").read_bytes()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    capsys.readouterr()
    register.main()
    assert "not everything was logged" in capsys.readouterr().out
    assert (workplace / "data/release.json").read_bytes() == first


def test_confirming_does_not_import_mlflow(workplace: Path) -> None:
    register.main()
    code = "import sys; from stages import register; register.main(); print(*sys.modules)"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=workplace
    ).stdout
    assert "is already registered" in output
    modules = output.splitlines()[-1].split()
    assert not {"mlflow", "tensorflow", "pandas"} & set(modules)


def edit_params() -> None:
    path = Path("params.yaml")
    path.write_text(path.read_text().replace("epochs: 36", "epochs: 30"))


def replace_archive() -> None:
    """Name an archive and record it as the stages would, then put another in its place."""
    archive = Path("images.zip")
    tree = yaml.safe_load(Path("params.yaml").read_text())
    tree["fetch"] |= {"source": "archive", "path": archive.name}
    Path("params.yaml").write_text(yaml.safe_dump(tree))
    archive.write_bytes(b"one")
    write_source(name="archive", sha256=sha256_file(archive))
    write_lock(fetch={"archive.path": sha256_file(archive)})
    archive.write_bytes(b"two")


def write_source(**facts: object) -> None:
    write_json(paths.SOURCE, {**read_json(paths.SOURCE), **facts})


def commit_other_options() -> None:
    """Change an option of the shards and record it, as `dvc commit` does."""
    path = Path("params.yaml")
    path.write_text(path.read_text().replace("aspect: stretch", "aspect: keep"))
    made = {"options": {"aspect": "stretch"}}
    manifest = read_json(paths.SHARDS / "manifest.json") | made
    write_json(paths.SHARDS / "manifest.json", manifest)
    write_lock()


def commit_other_labels() -> None:
    """Record another table of labels than the one that the images were fetched with."""
    tree = yaml.safe_load(Path("params.yaml").read_text())
    tree["fetch"] |= {"source": "archive", "path": "away.zip", "labels": "away.csv"}
    Path("params.yaml").write_text(yaml.safe_dump(tree))
    write_source(name="archive", sha256=data_sha256("a" * 64, "b" * 64))
    write_lock(fetch={"archive.path": "a" * 64, "archive.labels": "c" * 64})


def commit_stale_shards() -> None:
    """Fetch other labels and record the shards that were made before."""
    facts = {"label": 1, "patient": "p", "bytes": 9}
    copy = {"id": "a.png#1", **facts, "bytes": None}
    write_table(paths.SHARDS / "records.csv", list(copy), [copy, {"id": "a.png", **facts}])
    paths.RAW.unlink()  # `write_lock` made it
    paths.RAW.mkdir()
    row = {"path": "a.png", **facts, "label": 0, "offset": 0}
    write_table(paths.RAW / "index.csv", COLUMNS, [row])
    write_lock()


def edit_lock() -> None:
    path = Path("dvc.lock")  # of another model
    tree = yaml.safe_load(path.read_text())
    tree["stages"]["train"]["outs"][0]["md5"] = f"{'0' * 32}.dir"
    path.write_text(yaml.safe_dump(tree))


def edit_model() -> None:
    Path("data/model/history.csv").write_text("epoch,loss\n")


def freeze() -> None:
    edit_params()
    tree = yaml.safe_load(Path("dvc.yaml").read_text())
    tree["stages"]["train"]["frozen"] = True
    Path("dvc.yaml").write_text(yaml.safe_dump(tree))


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (edit_params, r"train: train\.epochs is 36 in dvc\.lock, 30 here"),
        (freeze, r"train: train\.epochs is 36 in dvc\.lock, 30 here"),
        (
            replace_archive,
            r"fetch: the content of fetch\.archive\.path is \w{12} in data/inputs\.json, \w{12}",
        ),
        (edit_lock, r"data/model is 0{12} in dvc\.lock"),
        (edit_model, r"train: data/model is \w{12} in dvc\.lock, \w{12} here"),
        (lambda: Path("dvc.lock").unlink(), "fetch: the stage is nothing in dvc.lock"),
        (lambda: Path("data/report/metrics.json").unlink(), "metrics.json is .*, nothing here"),
    ],
)
def test_what_dvc_lock_does_not_record_is_not_registered(
    workplace: Path, edit: Callable[[], object], named: str
) -> None:
    edit()
    with pytest.raises(InputError, match=named) as refused:
        register.main()
    assert "Run the whole `dvc repro`" in str(refused.value)
    assert not Path("data/release.json").exists()
    assert not stored_runs.runs(workplace / "mlruns")


@pytest.mark.parametrize(
    ("commit", "stage", "named"),
    [
        (
            commit_other_options,
            "preprocess",
            "preprocess.aspect is stretch in data/shards/manifest.json, keep here",
        ),
        (
            commit_other_labels,
            "fetch",
            r"archive and labels of archive is \w{12} in data/source.json, \w{12} here",
        ),
        (
            commit_stale_shards,
            "preprocess",
            "label of 'a.png#1' is 1 in data/shards/records.csv, 0 here",
        ),
    ],
)
def test_data_made_otherwise_are_not_registered_after_dvc_commit(
    workplace: Path, commit: Callable[[], object], stage: str, named: str
) -> None:
    commit()
    with pytest.raises(InputError, match=named) as refused:
        register.main()
    assert f"Run `dvc repro --force --single-item {stage}`, since" in str(refused.value)
    assert not stored_runs.runs(workplace / "mlruns")


def test_after_dvc_commit_the_run_says_so(workplace: Path) -> None:
    epochs = 36
    code = digests.run_code()
    everything = params.load()
    inputs = {
        "data": read_json(paths.SHARDS / "manifest.json")["digest"],
        "params": digests.decisive_params(everything.train, everything.evaluate),
        "code": digest(code),
        "lock": sha256_file(paths.LOCK),
    }
    write_json(paths.TRAINED_WITH, inputs)
    edit_params()
    write_lock()  # as `dvc commit` does
    register.main()
    (run,) = stored_runs.runs(workplace / "mlruns").values()
    expected = f"no, by dvc commit: train.epochs was {epochs}, recorded as 30"
    assert run.tags["trained_as_recorded"] == expected
