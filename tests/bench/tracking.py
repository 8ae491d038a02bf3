"""Measure what tracking costs: `python -m tests.bench.tracking [--default] [--runs 50]`.

Prints one line each for `dvc repro` with and without tracking, with a tracking server and with a
server that is killed during training, and for `pneumonia sync` of many runs, into a fresh store and
again. Everything runs in copies of this tree in a temporary folder, on small phantoms, or with
--default with params.yaml as it is (then each `dvc repro` takes minutes).
"""

import argparse
import json
import os
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from stages.engine import checksums
from stages.engine.files import read_json
from stages.history.lock_file import dvc_md5
from tests.registry.server import Server
from tests.registry.stored_runs import complete_runs, runs
from tests.workspace import ROOT, Workspace, copy_tree

EPOCHS = {"train.epochs": 60}


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def tree(folder: Path, *, default: bool) -> Workspace:
    """Return a copy of this tree with params for the benchmark, committed."""
    workspace = copy_tree(folder)
    if default:
        (workspace.folder / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    else:
        workspace.params(EPOCHS)
    workspace.commit()
    return workspace


def remove_tracking(workspace: Workspace) -> None:
    """Remove what reports to the store: the sidecar's program, and the call in `register`."""
    (workspace.folder / "stages/commands/live.py").write_text("", encoding="utf-8")
    path = workspace.folder / "stages/register.py"
    text, count = re.subn(r"\n    print\(publish\(.*", "", path.read_text(encoding="utf-8"))
    assert count == 1
    path.write_text(text, encoding="utf-8")


def waited(workspace: Workspace) -> float:
    """Return the seconds that stages have waited for a server."""
    budgets = (workspace.folder / ".cache/wait_budget").glob("*.json")
    return float(sum(read_json(path)["spent_s"] for path in budgets))


def pipeline(folder: Path, *, default: bool) -> Workspace:
    """Time the pipeline with and without tracking and with a server; return the first workspace."""
    tracked = tree(folder / "tracked", default=default)
    untracked = tree(folder / "untracked", default=default)
    remove_tracking(untracked)
    with_it = seconds(lambda: tracked.run("dvc", "repro", seconds=3600))
    without = seconds(lambda: untracked.run("dvc", "repro", seconds=3600))
    print(f"dvc repro: {with_it:.1f} s with tracking, {without:.1f} s without")
    again = seconds(lambda: tracked.run("dvc", "repro"))
    without = seconds(lambda: untracked.run("dvc", "repro"))
    print(f"dvc repro again: {again:.1f} s with tracking, {without:.1f} s without", flush=True)
    server = Server(folder / "server")
    try:
        server.start()
        for name, end in (("stays up", None), ("is killed during training", server.kill)):
            workspace = tree(folder / name, default=default)
            workspace.params({"train.seed": 1 if end is None else 2})
            _with_server(workspace, server, name, end)
    finally:
        server.kill()
    return tracked


def _with_server(
    workspace: Workspace, server: Server, name: str, end: Callable[[], None] | None
) -> None:
    def training(_: str) -> bool:
        incomplete = [run for run in runs(server.folder).values() if "complete" not in run.tags]
        return any(len(run.metrics.get("learning/loss", [])) > 2 for run in incomplete)

    start = time.perf_counter()
    if end is None:
        output = workspace.run("dvc", "repro", seconds=3600, MLFLOW_TRACKING_URI=server.uri).stdout
    else:
        status, output = workspace.interrupt(
            training, lambda _: end(), MLFLOW_TRACKING_URI=server.uri
        )
        assert status == 0, output
    took = time.perf_counter() - start
    print(f"dvc repro, a server that {name}: {took:.1f} s, {waited(workspace):.1f} s of waiting")
    for line in re.findall(r"^(?:tracking|registry): .*", output, flags=re.MULTILINE):
        print(f"    {line}", flush=True)


def history(workspace: Workspace, count: int) -> None:
    """Time `pneumonia sync` for `count` commits that differ in seed and operating point."""
    workspace.commit()
    cache = workspace.folder / ".dvc/cache/files/md5"
    lock = workspace.folder / "dvc.lock"
    for seed in range(1, count):
        folder = workspace.folder / "data/model"
        was = dvc_md5(folder)
        point = folder / "operating_point.json"
        point.write_text(point.read_text(encoding="utf-8") + " ", encoding="utf-8")
        _update_checksums(folder)
        now = dvc_md5(folder)
        assert was is not None
        assert now is not None
        files = [{"md5": dvc_md5(path), "relpath": path.name} for path in sorted(folder.iterdir())]
        for path in (point, folder / checksums.CHECKSUMS):
            _keep(cache, str(dvc_md5(path)), path.read_bytes())
        _keep(cache, now, json.dumps(files, sort_keys=True).encode())
        workspace.params({"train.seed": seed})
        text = lock.read_text(encoding="utf-8").replace(was, now)
        text = re.sub(r"(\n +train:\n +seed: )\d+", rf"\g<1>{seed}", text)
        lock.write_text(text, encoding="utf-8")
        workspace.commit()
    took = seconds(lambda: workspace.run("pneumonia", "sync", seconds=3600))
    again = seconds(lambda: workspace.run("pneumonia", "sync"))
    complete_runs(workspace.folder / "mlruns", count)
    print(f"pneumonia sync: {took:.1f} s for {count - 1} runs, {again:.1f} s when all are there")


def _update_checksums(folder: Path) -> None:
    """List the folder's files as they are now."""
    facts = read_json(folder / checksums.CHECKSUMS)
    listed = [Path(os.path.normpath(folder / name)) for name in facts["files"]]
    checksums.write(folder, listed, **facts["provenance"])


def _keep(cache: Path, name: str, content: bytes) -> None:
    path = cache / name[:2] / name[2:]
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        path.write_bytes(content)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.tracking")
    parser.add_argument("--default", action="store_true", help="params.yaml as it is")
    parser.add_argument("--runs", type=int, default=50)
    arguments = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        workspace = pipeline(Path(folder), default=arguments.default)
        history(workspace, arguments.runs)
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
