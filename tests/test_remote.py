"""A DVC remote on a local S3 server: one clone pushes, another pulls and reruns nothing."""

import contextlib
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.registry.server import free_port
from tests.registry.stored_runs import complete_runs
from tests.workspace import Workspace


def sign_in(workspace: Workspace) -> None:
    """Configure credentials outside git; the local server accepts any."""
    for key in ("access_key_id", "secret_access_key"):
        workspace.run("dvc", "remote", "modify", "--local", "s3", key, "test")


@pytest.fixture
def s3() -> Iterator[str]:
    """Address of a local S3 server with a bucket `images`."""
    address = f"http://127.0.0.1:{free_port()}"
    with subprocess.Popen(
        [sys.executable, "-m", "moto.server", "--port", address.rpartition(":")[2]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            while server.poll() is None:
                with contextlib.suppress(OSError):
                    made = urllib.request.Request(f"{address}/images", method="PUT")
                    urllib.request.urlopen(made, timeout=5).close()
                    break
                time.sleep(0.2)
            yield address
        finally:
            server.kill()


@pytest.mark.slow
def test_a_second_clone_pulls_and_computes_nothing(
    copied: Workspace, s3: str, tmp_path: Path
) -> None:
    copied.run("dvc", "remote", "add", "--default", "s3", "s3://images/pneumonia")
    copied.run("dvc", "remote", "modify", "s3", "endpointurl", s3)
    copied.commit()
    sign_in(copied)
    copied.run("dvc", "push")
    clone = Workspace(tmp_path / "second")
    copied.run("git", "clone", "--quiet", ".", str(clone.folder))
    shutil.rmtree(copied.folder)  # the clone can take nothing from there

    sign_in(clone)
    clone.run("dvc", "pull")
    done = clone.run("dvc", "repro")
    stages = [line for line in done.stdout.splitlines() if line.startswith("Running stage")]
    assert stages == ["Running stage 'inputs':", "Running stage 'register':"]
    assert "pneumonia-phantom version 1 (synthetic images) is now registered" in done.stdout
    (run,) = complete_runs(clone.folder / "mlruns", 1).values()
    assert run.tags["machine"] == "not recorded"
    assert clone.run("git", "status", "--porcelain").stdout == ""
