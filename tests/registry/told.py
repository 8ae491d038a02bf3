"""What a tracking store shows, read from its database and its artifacts' folder alone."""

import sqlite3
import urllib.parse
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.engine.files import sha256_file


@dataclass(frozen=True)
class Told:
    """One run. metrics: (step, value) by name, in order; files: SHA-256 by path."""

    status: str
    name: str
    tags: dict[str, str]
    params: dict[str, str]
    metrics: dict[str, list[tuple[int, float]]]
    inputs: set[tuple[str, ...]]
    files: dict[str, str]


def runs(store: Path) -> dict[str, Told]:
    """The runs in `store` (a folder with mlflow.db) by run digest; none may be there twice."""
    with closing(sqlite3.connect(store / "mlflow.db")) as database:

        def ask(query: str, *values: str) -> list[Any]:
            return database.execute(query, values).fetchall()

        found = {}
        for run, status, name, place in ask(
            "SELECT run_uuid, status, name, artifact_uri FROM runs JOIN tags USING (run_uuid) "
            "WHERE key = 'run_digest' AND lifecycle_stage = 'active'"
        ):
            tags = dict(ask("SELECT key, value FROM tags WHERE run_uuid = ?", run))
            metrics: dict[str, list[tuple[int, float]]] = {}
            for key, step, value in ask(
                "SELECT key, step, value FROM metrics WHERE run_uuid = ? ORDER BY key, step", run
            ):
                metrics.setdefault(key, []).append((step, value))
            inputs = ask(
                "SELECT datasets.name, digest, dataset_source, dataset_profile, input_tags.value "
                "FROM inputs JOIN datasets ON dataset_uuid = source_id "
                "JOIN input_tags USING (input_uuid) WHERE destination_id = ?", run,
            )  # fmt: skip
            assert tags["run_digest"] not in found, f"{tags['run_digest']} is there twice"
            found[tags["run_digest"]] = Told(
                status, name, tags, dict(ask("SELECT key, value FROM params WHERE run_uuid = ?",
                run)), metrics, set(inputs), _files(store, place),
            )  # fmt: skip
    return found


def versions(store: Path) -> dict[str, str]:
    """Version by model digest; none may be there twice."""
    with closing(sqlite3.connect(store / "mlflow.db")) as database:
        found = database.execute(
            "SELECT told.value, told.version FROM model_version_tags AS told "
            "JOIN model_versions USING (name, version) "
            "WHERE key = 'model_digest' AND current_stage != 'Deleted_Internal'"
        ).fetchall()
    assert len(dict(found)) == len(found), found
    return dict(found)


def whole(store: Path, count: int, judged: int | None = None) -> dict[str, Told]:
    """The runs in `store`: `count` of them, complete, none doubled nor any part of one.

    judged: how many were judged on test, each with a version of its own; default, all.
    """
    found = runs(store)
    assert len(found) == count, [run.tags for run in found.values()]
    for run in found.values():
        assert run.status == "FINISHED"
        assert "complete" in run.tags, run.tags
        for points in run.metrics.values():
            assert len(points) == len(dict(points)), points
        assert {
            "data/manifest.json",
            "model/history.csv",
            "circumstances.json",
            "figures.html",
        } <= set(run.files)
        assert run.inputs
        assert any(key.startswith("learning/") for key in run.metrics)
        assert ("test/auroc" in run.metrics) == (run.tags["judged"] == "yes")
        assert ("report/model_card.md" in run.files) == (run.tags["judged"] == "yes")
    models = {run.tags["model_digest"] for run in found.values() if run.tags["judged"] == "yes"}
    assert len(models) == (count if judged is None else judged)
    assert set(versions(store)) == models
    return found


def _files(store: Path, place: str) -> dict[str, str]:
    """Files below an artifact location: an embedded store's, or a server's own folder."""
    scheme, _, path = place.partition(":")
    folder = (
        store / "artifacts" / path.removeprefix("/")
        if scheme == "mlflow-artifacts"
        else Path(urllib.parse.unquote(urllib.parse.urlparse(place).path))
    )
    return {
        path.relative_to(folder).as_posix(): sha256_file(path)
        for path in sorted(folder.rglob("*")) if path.is_file()
    }  # fmt: skip
