"""Short tables of the runs and versions in a store, as text by column."""

import datetime
from collections.abc import Iterator

from stages.registry.circumstances import NOT_RECORDED
from stages.registry.client import Client
from stages.registry.connection import is_store_failure
from stages.registry.entities import ModelVersion, RegisteredModel, Run
from stages.registry.experiments import TAG
from stages.registry.runs import search_all_runs
from stages.registry.stored_package import is_loadable
from stages.registry.text import plain

_FIGURES = ("auroc", "sensitivity", "specificity")
RUN_COLUMNS = ("run", "name", "data", "status", *_FIGURES, "started", "git_commit")
VERSION_COLUMNS = (
    "model",
    "version",
    "aliases",
    *_FIGURES,
    "floors",
    "gate",
    "model_digest",
)


def list_runs(client: Client, stem: str) -> list[dict[str, str]]:
    """Return the runs on every data set, newest first, with their test figures."""
    return [_run(run) for run in find_runs(client, stem)]


def find_runs(client: Client, stem: str) -> Iterator[Run]:
    """Yield the runs on every data set, newest first."""
    experiments = [
        experiment.experiment_id
        for experiment in client.search_experiments()
        if experiment.tags.get(TAG, experiment.name).startswith(f"{stem}-")
    ]
    return search_all_runs(
        client,
        experiments,
        order_by=["attributes.start_time DESC"],
        filter_string="tags.run_digest != ''",
    )


def list_versions(client: Client, stem: str) -> list[dict[str, str]]:
    """Return the versions of every data set's model, newest first, with their test figures.

    `stored` tells whether MLflow still has the network: "yes", "no" or "unknown".
    """
    rows = []
    for model in client.search_registered_models(f"name LIKE '{stem}-%'"):
        found = client.search_model_versions(f"name = '{model.name}'")
        numbers = sorted((int(version.version) for version in found), reverse=True)
        rows += [
            _version(model, client.get_model_version(model.name, str(number))) for number in numbers
        ]
    return rows


def _run(run: Run) -> dict[str, str]:
    tags, metrics = run.data.tags, run.data.metrics
    started = datetime.datetime.fromtimestamp(run.info.start_time / 1000, datetime.UTC)
    figures = {name: metrics.get(f"test/{name}") for name in _FIGURES}
    return {
        "run": tags.get("run_digest", "")[:12],
        "name": run.info.run_name,
        "data": f"{tags.get('source', '')} {tags.get('data_digest', '')[:8]}".strip(),
        "status": run.info.status if "complete" in tags else f"{run.info.status}, incomplete",
        **{name: "" if value is None else f"{value:.3f}" for name, value in figures.items()},
        "started": started.isoformat(timespec="seconds"),
        "git_commit": tags.get("git_commit", NOT_RECORDED)[:12],
    }


def _stored(name: str, number: str) -> str:
    """Return "yes" or "no"; "unknown" if the place of the artifacts does not answer."""
    try:
        return plain(is_loadable(name, number))
    except Exception as error:
        if not is_store_failure(error):
            raise
        return "unknown"


def _version(model: RegisteredModel, version: ModelVersion) -> dict[str, str]:
    number, tags = str(version.version), version.tags
    aliases = [alias for alias, target in model.aliases.items() if str(target) == number]
    return {
        "model": model.name,
        "version": number,
        "aliases": ", ".join(sorted(aliases)),
        **{name: tags.get(f"test_{name}", "") for name in _FIGURES},
        "floors": tags.get("floors", NOT_RECORDED),
        "gate": tags.get("gate", "not assessed"),
        "model_digest": tags.get("model_digest", "")[:12],
        "stored": _stored(model.name, number),
    }
