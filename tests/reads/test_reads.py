"""Every file that a stage reads is a dependency of it, or on a list with its reason.

DVC does not see what a stage reads: a file that is missing under `deps` gives stale results. Here
the whole pipeline runs under an audit hook (hook/sitecustomize.py) that records every file of the
repository that a stage imports, opens or lists, every environment variable that the repository's
own code reads, and every command that is started.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.engine import kernels
from stages.engine.source_facts import meaning_digest
from tests.workspace import ROOT, Workspace, copy_tree

HOOK = Path(__file__).parent / "hook"
SIDECAR = "stages.commands.live"
"""The process beside training that logs its progress in MLflow."""

DOCSTRINGS = [
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "stages").rglob("__init__.py")
    if meaning_digest(path.read_text(encoding="utf-8")) == meaning_digest("")
]
"""Files of packages that hold a docstring and nothing else, so that they decide no result."""

FILES = [
    ("*", "params.yaml", "DVC compares the sections that the stage names under `params`"),
    ("inputs", "stages/*", "always runs"),
    ("inputs", ".cache/inputs.json", "digests that it remembers of files that did not move"),
    ("inputs", "data/roles.csv", "always runs, and refuses a broken one"),
    ("fetch", "data/inputs.json", "DVC compares the section that fetch names under `params`"),
    ("fetch", ".cache/inputs.json", "digests that it remembers of files that did not move"),
    ("fetch", "data/.raw.partial*", "its own output, before it is renamed"),
    ("preprocess", ".cache/pixels*", "pixels under a digest of all that they depend on"),
    ("preprocess", "data/.shards.partial*", "its own output, before it is renamed"),
    ("train", ".cache/train*", "checkpoints, under a digest of all that training depends on"),
    ("train", ".cache/wait_budget*", "time spent waiting for a tracking server; decides no result"),
    ("train", ".cache/code.json", "digests that it remembers of code that did not change"),
    ("register", "data/roles.csv", "compared with dvc.lock; decides nothing that it writes"),
    ("register", "requirements.lock", "always runs"),
    ("register", ".cache/code.json", "digests that it remembers of code that did not change"),
    ("register", ".cache/inputs.json", "digests that it remembers of files that did not move"),
    ("register", ".cache/md5.json", "digests that it remembers of files that did not move"),
    ("register", "dvc.lock", "what DVC has recorded, which must be what lies there"),
    ("register", "dvc.yaml", "the stages that dvc.lock must record"),
    ("register", ".cache/journal/*", "circumstances of the run, for MLflow only"),
    ("register", "stages/*", "always runs; the packaged model carries the code"),
    ("register", "mlruns/*", "the tracking store, which is a view of the files"),
]
"""Files that a stage may read though they are no dependency: stage, pattern, reason."""

VARIABLES = {
    "*": "the environment of the sidecar, which is this process's own",
    "DVC_EXP_BASELINE_REV": "an experiment moves no alias",
    "DVC_EXP_NAME": "the experiment's name, for the journal and MLflow only",
    "DVC_ROOT": "the repository, where DVC runs an experiment in another folder",
    "MLFLOW_DISABLE_AGENT_HINT": "a default for MLflow, which a user may set otherwise",
    "MLFLOW_DISABLE_TELEMETRY": "a default for MLflow, which a user may set otherwise",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "a default for MLflow, which a user may set otherwise",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "a default for MLflow, which a user may set otherwise",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "a default for MLflow, which a user may set otherwise",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "a default for MLflow, which a user may set otherwise",
    "MLFLOW_LOGGING_LEVEL": "a default for MLflow, which a user may set otherwise",
    "MLFLOW_REGISTRY_URI": "kept as it was, since MLflow sets it",
    "MLFLOW_TRACKING_URI": "where the tracking store is, which is a view of the files",
    "OPENCV_LOG_LEVEL": "what OpenCV prints",
    "STARTED_BY": "the process id of DVC, with which the stage ends",
    "TF_CONFIG": "the other workers of a distributed training",
    "TF_CPP_MIN_LOG_LEVEL": "what TensorFlow prints",
}
"""Environment variables that the repository's code may read, each with the reason.

Those of `kernels.limits()` are allowed as well: the code sets them, whatever they were.
"""

COMMANDS = {
    "git rev-parse *": "the commit, for the journal only",
    "git status *": "whether the tree is clean, for the journal only",
    "uname *": "called by the standard library for the name of the platform",
    f"*/python -m {SIDECAR}": "the sidecar, which writes nothing under data/",
}
"""Commands that a stage may start: pattern and reason."""


@dataclass(frozen=True)
class Record:
    """Something that a process of a stage did.

    Attributes:
        stage: its name in dvc.yaml.
        sidecar: whether it was the process beside training.
        kind: "read", "list" or "write" of a path, "variable" or "start" of a command.
        name: path relative to the repository, variable and the file that reads it, or command.
    """

    stage: str
    sidecar: bool
    kind: str
    name: str

    @classmethod
    def parse(cls, line: str) -> "Record":
        entry = json.loads(line)
        # A compiled file stands for its source.
        name = re.sub(r"__pycache__/(\w+)\.[\w.-]+\.pyc(\.\d+)?$", r"\1.py", entry["name"])
        return cls(entry["stage"], SIDECAR in entry["command"], entry["kind"], name)


def hooked(root: Path, log: Path) -> dict[str, str]:
    """Variables that put every Python process under the hook."""
    return {
        "PYTHONPATH": f"{HOOK}{os.pathsep}{root}",
        "READS_ROOT": str(root),
        "READS_LOG": str(log),
    }


def parse_log(log: Path) -> set[Record]:
    return {Record.parse(line) for line in log.read_text(encoding="utf-8").splitlines()}


def declared_paths(stage: dict[str, Any]) -> list[str]:
    """The dependencies of a stage of dvc.yaml, its files of params, and what it writes itself."""
    entries = [*stage.get("deps", []), *stage.get("outs", []), *stage.get("metrics", [])]
    entries += [entry for entry in stage.get("params", []) if isinstance(entry, dict)]
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def undeclared(records: Iterable[Record], plan: dict[str, Any]) -> list[str]:
    """Files that a stage read though dvc.yaml and the list above do not name them.

    Args:
        records: of the stages. What the sidecar reads decides no result.
        plan: the contents of dvc.yaml.
    """
    found = set()
    for record in records:
        if record.stage not in plan["stages"] or record.sidecar:
            continue
        if record.kind not in ("read", "list") or record.name in DOCSTRINGS:
            continue
        paths = declared_paths(plan["stages"][record.stage])
        declared = any(record.name == path or record.name.startswith(f"{path}/") for path in paths)
        if not declared and not any(allows(entry, record) for entry in FILES):
            found.add(f"{record.stage} {record.kind}s {record.name}")
    return sorted(found)


def allows(entry: tuple[str, str, str], record: Record) -> bool:
    stage, pattern, _ = entry
    return fnmatch(record.stage, stage) and fnmatch(record.name, pattern)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, set[Record]]:
    """A small pipeline that ran under the hook, and all that its processes did."""
    folder = tmp_path_factory.mktemp("reads")
    workspace = copy_tree(folder / "repository")
    environment: dict[str, Any] = hooked(workspace.folder, folder / "log")
    workspace.run("dvc", "repro", **environment)
    records = parse_log(folder / "log")
    return workspace, {record for record in records if record.stage}


@pytest.fixture
def plan(recorded: tuple[Workspace, set[Record]]) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(recorded[0].text("dvc.yaml"))
    return loaded


@pytest.mark.slow
def test_every_stage_was_recorded(
    recorded: tuple[Workspace, set[Record]], plan: dict[str, Any]
) -> None:
    for stage in plan["stages"]:
        assert Record(stage, False, "read", f"stages/{stage}.py") in recorded[1]
    assert any(record.sidecar for record in recorded[1])


@pytest.mark.slow
def test_what_a_stage_reads_is_a_dependency_or_has_a_reason(
    recorded: tuple[Workspace, set[Record]], plan: dict[str, Any]
) -> None:
    assert undeclared(recorded[1], plan) == []
    unused = [entry for entry in FILES if not any(allows(entry, each) for each in recorded[1])]
    assert unused == []


@pytest.mark.slow
def test_a_variable_that_is_read_has_a_reason(recorded: tuple[Workspace, set[Record]]) -> None:
    read = [record.name.split(" in ") for record in recorded[1] if record.kind == "variable"]
    allowed = VARIABLES.keys() | kernels.limits().keys()
    unlisted = sorted({f"{name} in {path}" for name, path in read if name not in allowed})
    assert unlisted == []
    assert VARIABLES.keys() - {name for name, _ in read} == set()


@pytest.mark.slow
def test_a_command_that_is_started_has_a_reason(recorded: tuple[Workspace, set[Record]]) -> None:
    started = {record.name for record in recorded[1] if record.kind == "start"}
    assert [name for name in started if not any(fnmatch(name, each) for each in COMMANDS)] == []
    assert [each for each in COMMANDS if not any(fnmatch(name, each) for name in started)] == []


@pytest.mark.slow
def test_the_sidecar_writes_no_result(recorded: tuple[Workspace, set[Record]]) -> None:
    written = [each.name for each in recorded[1] if each.sidecar and each.kind == "write"]
    assert written
    assert [name for name in written if not name.startswith((".cache/", "mlruns/"))] == []


def test_the_hook_sees_what_is_not_declared(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    (root / "stages").mkdir(parents=True)
    (root / "notes.txt").write_text("a note", encoding="utf-8")
    (root / "stages/__init__.py").touch()
    (root / "stages/helper.py").touch()
    (root / "stages/train.py").write_text(
        "import os, subprocess, sys\n"
        "from pathlib import Path\n"
        "from stages import helper\n"
        "Path('notes.txt').read_text()\n"
        "os.environ.get('SECRET_SWITCH')\n"
        "list(Path('stages').iterdir())\n"
        "subprocess.run([sys.executable, '-c', ''], check=True)\n",
        encoding="utf-8",
    )
    log = tmp_path / "log"
    environment = {**os.environ, "DVC_STAGE": "train", **hooked(root, log)}
    subprocess.run([sys.executable, "-m", "stages.train"], cwd=root, check=True, env=environment)
    records = parse_log(log)
    plan = {"stages": {"train": {"deps": ["stages/__init__.py", "stages/train.py"]}}}
    assert undeclared(records, plan) == [
        "train lists stages",
        "train reads notes.txt",
        "train reads stages/helper.py",
    ]
    names = {record.name for record in records}
    assert "SECRET_SWITCH in stages/train.py" in names
    assert any(name.endswith("python -c ") for name in names)


def test_a_dependency_that_is_taken_away_is_missed() -> None:
    plan = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    read = Record("train", False, "read", "stages/network/augment.py")
    assert undeclared([read], plan) == []
    plan["stages"]["train"]["deps"].remove("stages/network/augment.py")
    assert undeclared([read], plan) == ["train reads stages/network/augment.py"]
