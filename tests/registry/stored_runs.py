"""The runs and versions in a tracking store, read from its database and files alone."""

import sqlite3
import urllib.parse
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.engine.files import sha256_file


@dataclass(frozen=True)
class StoredRun:
    """One run.

    Attributes:
        status: MLflow's status.
        name: Name of the run.
        tags: Tags.
        params: Params.
        metrics: Steps and values of each metric, in order of the steps.
        inputs: Data sets.
        files: SHA-256 of each artifact, by path.
    """

    status: str
    name: str
    tags: dict[str, str]
    params: dict[str, str]
    metrics: dict[str, list[tuple[int, float]]]
    inputs: set[tuple[str, ...]]
    files: dict[str, str]


def runs(store: Path) -> dict[str, StoredRun]:
    """Return the runs in `store`, a folder with mlflow.db, by run digest.

    Raises:
        AssertionError: Two runs have the same digest.
    """
    with closing(sqlite3.connect(store / "mlflow.db")) as database:

        def rows(query: str, *values: str) -> list[Any]:
            return database.execute(query, values).fetchall()

        found = {}
        for run, status, name, location in rows(
            "SELECT run_uuid, status, name, artifact_uri FROM runs JOIN tags USING (run_uuid) "
            "WHERE key = 'run_digest' AND lifecycle_stage = 'active'"
        ):
            tags = dict(rows("SELECT key, value FROM tags WHERE run_uuid = ?", run))
            metrics: dict[str, list[tuple[int, float]]] = {}
            for key, step, value in rows(
                "SELECT key, step, value FROM metrics WHERE run_uuid = ? ORDER BY key, step", run
            ):
                metrics.setdefault(key, []).append((step, value))
            inputs = rows(
                "SELECT datasets.name, digest, dataset_source, dataset_profile, input_tags.value "
                "FROM inputs JOIN datasets ON dataset_uuid = source_id "
                "JOIN input_tags USING (input_uuid) WHERE destination_id = ?",
                run,
            )
            assert tags["run_digest"] not in found, f"two runs have {tags['run_digest']}"
            found[tags["run_digest"]] = StoredRun(
                status=status,
                name=name,
                tags=tags,
                params=dict(rows("SELECT key, value FROM params WHERE run_uuid = ?", run)),
                metrics=metrics,
                inputs=set(inputs),
                files=_files(store, location),
            )
    return found


def versions(store: Path) -> dict[str, str]:
    """Return the version of each model digest.

    Raises:
        AssertionError: Two versions have the same digest.
    """
    with closing(sqlite3.connect(store / "mlflow.db")) as database:
        found = database.execute(
            "SELECT tags.value, tags.version FROM model_version_tags AS tags "
            "JOIN model_versions USING (name, version) "
            "WHERE key = 'model_digest' AND current_stage != 'Deleted_Internal'"
        ).fetchall()
    assert len(dict(found)) == len(found), found
    return dict(found)


def complete_runs(store: Path, count: int, judged: int | None = None) -> dict[str, StoredRun]:
    """Return the runs in `store` after checking that they are complete and nothing is doubled.

    Args:
        store: Folder with mlflow.db.
        count: How many runs there must be.
        judged: How many must have test figures and a version of their own; None for all.
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


def _files(store: Path, location: str) -> dict[str, str]:
    """Return the files at an artifact location of an embedded store or of a server's folder."""
    scheme, _, path = location.partition(":")
    folder = (
        store / "artifacts" / path.removeprefix("/")
        if scheme == "mlflow-artifacts"
        else Path(urllib.parse.unquote(urllib.parse.urlparse(location).path))
    )
    return {
        path.relative_to(folder).as_posix(): sha256_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
