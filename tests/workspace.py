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
    # The site gives the class away, so a network of a few weights learns in seconds. So few images
    # have no matched normals, and not with every seed both classes in val. Without floors, a weak
    # model can be promoted.
    "fetch.phantom.patients_train": 48,
    "fetch.phantom.patients_test": 14,
    "fetch.phantom.confound": 1.0,
    "preprocess.image_px": 64,
    "preprocess.seed": 16,
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


NO_ROLES = "group,role,since,check\n"
"""What data/roles.csv holds before the first promotion."""


@dataclass(frozen=True)
class Workspace:
    """A repository in `folder`, and commands that run there as in an activated environment."""

    folder: Path

    def environment(self) -> dict[str, str]:
        """Return this process's environment, without variables that point outside `folder`."""
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("DVC_", "GIT_", "MLFLOW_", "PYTEST_"))
        }
        return kept | {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder),  # commands run the copy's code
            "DVC_SITE_CACHE_DIR": str(self.folder / ".dvc/tmp/site"),
        }

    def run(
        self, *command: str, expect: int = 0, seconds: float = 1800, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command; fail unless its exit status is `expect`."""
        finished = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment() | environment,
            text=True,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
        output = f"{finished.stdout}\n{finished.stderr}"
        assert finished.returncode == expect, f"{' '.join(command)}\n{output}"
        return finished

    def interrupt(
        self, when: Callable[[str], bool], act: Callable[[int], None], **environment: str
    ) -> tuple[int, str]:
        """Run `dvc repro` and act on it once.

        Args:
            when: whether to act now, from the output so far.
            act: what to do, given DVC's process id.
            environment: further variables.

        Returns:
            Exit status and output.
        """
        with (
            tempfile.NamedTemporaryFile("w+") as out,
            subprocess.Popen(
                ["dvc", "repro"],
                cwd=self.folder,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=self.environment() | {"PYTHONUNBUFFERED": "1"} | environment,
            ) as process,
        ):
            output = Path(out.name)
            waiting = True
            while process.poll() is None:
                if waiting and when(output.read_text(encoding="utf-8")):
                    act(process.pid)
                    waiting = False
                time.sleep(0.1)
            assert not waiting, output.read_text(encoding="utf-8")
            return process.returncode, output.read_text(encoding="utf-8")

    @contextlib.contextmanager
    def pages(
        self, output: int = subprocess.DEVNULL, **environment: str
    ) -> Iterator[tuple[bytes, int]]:
        """Run `pneumonia ui` and yield the first page of MLflow and the process's id.

        Ends it as Ctrl-C does; its exit status must be 0. `output` is a file descriptor.
        """
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        with subprocess.Popen(
            ["pneumonia", "ui", "--port", port],
            cwd=self.folder,
            env=self.environment() | environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as server:
            try:
                yield _first_page(f"http://127.0.0.1:{port}/", server), server.pid
            finally:
                os.killpg(server.pid, signal.SIGINT)  # as a terminal does: to the whole group
        assert server.returncode == 0

    def commit(self) -> None:
        """Commit all changes; an empty commit if there are none."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--allow-empty", "--message", "as it is")

    def params(self, changes: Mapping[str, Any]) -> None:
        """Change values of params.yaml; `changes` are by dotted key."""
        path = self.folder / "params.yaml"
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        for key, value in changes.items():
            keys.assign(tree, key, value)
        path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")

    def text(self, path: str) -> str:
        return (self.folder / path).read_text(encoding="utf-8")


def _first_page(address: str, server: subprocess.Popen[bytes]) -> bytes:
    """Return what `address` serves, as soon as it answers."""
    while server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=10) as response:
                return bytes(response.read())
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"{address}: the server ended with {server.returncode}")


def listed_files() -> list[str]:
    """Return the files of this working tree that git tracks or would add."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    # Git lists deleted files too.
    return [name for name in filter(None, listed.split("\0")) if (ROOT / name).is_file()]


def copy_file(name: str, folder: Path) -> None:
    """Copy a file of this working tree to its place below `folder`."""
    source, target = ROOT / name, folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())
    target.chmod(source.stat().st_mode)


def copy_tree(folder: Path) -> Workspace:
    """Copy the files that git tracks or would add to a new repository with small params."""
    for name in listed_files():
        copy_file(name, folder)
    workspace = Workspace(folder)
    # Roles that were frozen in this working tree are of patients that the small cohort has too.
    (folder / "data/roles.csv").write_text(NO_ROLES, encoding="utf-8")
    workspace.run("git", "init", "--quiet", "--initial-branch", "main")
    workspace.run("git", "config", "user.name", "test")
    workspace.run("git", "config", "user.email", "test@example.org")
    workspace.params(SMALL)
    workspace.commit()
    return workspace
