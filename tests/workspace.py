"""A copy of this working tree, as a git and DVC repository of its own with small params."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stages.engine import keys

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent

SMALL: dict[str, Any] = {
    # Site tells class, so that a network of a few weights learns something in a second; with so
    # few images, normals can't be matched; no floor, so that what was learned can be promoted.
    "fetch.phantom.patients_train": 48,
    "fetch.phantom.patients_test": 14,
    "fetch.phantom.confound": 1.0,
    "preprocess.image_px": 64,
    "preprocess.matched_donors": 0,
    "train.widths": [4, 8],
    "train.blocks": 1,
    "train.crop_px": 48,
    "train.epochs": 15,
    "train.batch": 16,
    "train.learning_rate": 0.01,
    "train.warmup_epochs": 1,
    "train.ema": 0.5,
    "train.monitor": "val_auroc",
    "train.augment.area": [0.7, 1.0],
    "train.augment.aspect": 0.2,
    "evaluate.draws": 100,
    "evaluate.saliency_images": 2,
    "register.floors.auroc": 0.0,
    "register.floors.sensitivity": 0.0,
    "register.floors.specificity": 0.0,
    "register.rule.ece": 1.0,
}


@dataclass(frozen=True)
class Workspace:
    """A repository in `folder`, and commands that run there as in an activated environment."""

    folder: Path

    def environment(self) -> dict[str, str]:
        """This process's environment without what would lead elsewhere than to `folder`."""
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("DVC_", "GIT_", "MLFLOW_", "PYTEST_"))
        }
        return kept | {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder),  # the copy's own code, where a command is installed
            "DVC_SITE_CACHE_DIR": str(self.folder / ".dvc/tmp/site"),
        }

    def run(
        self, *command: str, expect: int = 0, seconds: float = 1800, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; its exit status must be `expect`."""
        finished = subprocess.run(
            command, cwd=self.folder, env=self.environment() | environment, text=True,
            capture_output=True, timeout=seconds, check=False,
        )  # fmt: skip
        said = f"{' '.join(command)}\n{finished.stdout}\n{finished.stderr}"
        assert finished.returncode == expect, said
        return finished

    def interrupt(
        self, when: Callable[[str], bool], act: Callable[[int], None], **environment: str
    ) -> tuple[int, str]:
        """Start `dvc repro`; once `when(what it has said)`, `act(its process id)`.

        Its exit status and all that it said.
        """
        with tempfile.NamedTemporaryFile("w+") as out, subprocess.Popen(
            ["dvc", "repro"], cwd=self.folder, stdout=out, stderr=subprocess.STDOUT,
            env=self.environment() | {"PYTHONUNBUFFERED": "1"} | environment,
        ) as process:  # fmt: skip
            said = Path(out.name)
            waiting = True
            while process.poll() is None:
                if waiting and when(said.read_text(encoding="utf-8")):
                    act(process.pid)
                    waiting = False
                time.sleep(0.1)
            assert not waiting, said.read_text(encoding="utf-8")
            return process.returncode, said.read_text(encoding="utf-8")

    @contextlib.contextmanager
    def pages(self) -> Iterator[bytes]:
        """Serve MLflow's pages by `pneumonia ui`; the first page, once it is there.

        Ends as Ctrl-C ends it, which must be without complaint.
        """
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        with subprocess.Popen(
            ["pneumonia", "ui", "--port", port], cwd=self.folder, env=self.environment(),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        ) as server:  # fmt: skip
            try:
                yield _answer(f"http://127.0.0.1:{port}/", server)
            finally:
                os.killpg(server.pid, signal.SIGINT)  # as a terminal does: to the whole group
        assert server.returncode == 0

    def commit(self) -> None:
        """Commit whatever git sees, if anything."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "--message", "as it is")

    def params(self, changes: Mapping[str, Any]) -> None:
        """Change values of params.yaml, by dotted key."""
        path = self.folder / "params.yaml"
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        for key, value in changes.items():
            keys.assign(tree, key, value)
        path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")

    def text(self, path: str) -> str:
        return (self.folder / path).read_text(encoding="utf-8")


def _answer(address: str, server: subprocess.Popen[bytes]) -> bytes:
    while server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return bytes(answer.read())
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"{address}: the server ended with {server.returncode}")


def listed_files() -> list[str]:
    """The files of this working tree that git has or would add."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    # A file that was deleted is still listed.
    return [name for name in filter(None, listed.split("\0")) if (ROOT / name).is_file()]


def copy_file(name: str, folder: Path) -> None:
    """Copy a file of this working tree to its place below `folder`."""
    source, target = ROOT / name, folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())
    target.chmod(source.stat().st_mode)


def copy_tree(folder: Path) -> Workspace:
    """Copy what git has or would add, with small params, and commit it."""
    for name in listed_files():
        copy_file(name, folder)
    workspace = Workspace(folder)
    workspace.run("git", "init", "--quiet", "--initial-branch", "main")
    workspace.run("git", "config", "user.name", "test")
    workspace.run("git", "config", "user.email", "test@example.org")
    workspace.params(SMALL)
    workspace.commit()
    return workspace
