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

from stages.engine.files import replacing_folder
from stages.sources.writer import write_raw
from tests.registry.server import free_port
from tests.registry.stored_runs import complete_runs
from tests.sample_images import SOURCES, images, paths
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


def stored_bytes(address: str) -> int:
    """What the bucket `images` holds."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="images")
    return sum(item["Size"] for page in pages for item in page.get("Contents", ()))


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


@pytest.mark.slow
def test_one_image_more_moves_one_part(s3: str, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "repository")
    workspace.folder.mkdir()
    workspace.run("git", "init", "--quiet")
    workspace.run("dvc", "init", "--quiet")
    workspace.run("dvc", "remote", "add", "--default", "s3", "s3://images/parts")
    workspace.run("dvc", "remote", "modify", "s3", "endpointurl", s3)
    sign_in(workspace)
    names, stored = paths(100), 0
    pushed = []
    for count in (len(names) - 1, len(names)):
        with replacing_folder(workspace.folder / "raw") as folder:
            write_raw(folder, images(names[:count]), SOURCES, max_part_bytes=20_000)
        workspace.run("dvc", "add", "raw")
        workspace.run("dvc", "push")
        total = stored_bytes(s3)
        pushed.append(total - stored)
        stored = total
    sizes = {path.name: path.stat().st_size for path in (workspace.folder / "raw").iterdir()}
    archives = [size for name, size in sizes.items() if name.startswith("images")]
    print(f"{pushed[0]} bytes for {len(names) - 1} images, {pushed[1]} for one more")
    # The part of that image, which may divide in two, and what is written about all images.
    assert pushed[1] <= 2 * max(archives) + 2 * (sum(sizes.values()) - sum(archives))
    assert pushed[1] < pushed[0] / 2
