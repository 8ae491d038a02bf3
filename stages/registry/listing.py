"""Short tables of what the tracking store holds: runs and versions, as texts by column."""

import datetime
from typing import Any

from stages.registry.record import NOT_RECORDED

RUN_COLUMNS = ("run", "name", "data", "status", "auroc", "sensitivity", "specificity", "begun",
               "git_commit")  # fmt: skip
VERSION_COLUMNS = ("model", "version", "aliases", "auroc", "sensitivity", "specificity", "floors",
                   "gate", "model_digest")  # fmt: skip
_FIGURES = ("auroc", "sensitivity", "specificity")


def runs(client: Any, stem: str) -> list[dict[str, str]]:
    """The runs of every data set, newest first; figures are those on test."""
    experiments = [
        found.experiment_id for found in client.search_experiments()
        if found.name.startswith(f"{stem}-")
    ]  # fmt: skip
    found = []
    token = None
    while experiments:
        page = client.search_runs(
            experiments, filter_string="tags.run_digest != ''", max_results=1000, page_token=token,
            order_by=["attributes.start_time DESC"],
        )  # fmt: skip
        found += [_run(run) for run in page]
        token = page.token
        if not token:
            break
    return found


def versions(client: Any, stem: str) -> list[dict[str, str]]:
    """The versions of every data set's model, newest first; figures are those on test."""
    found = []
    for model in client.search_registered_models(f"name LIKE '{stem}-%'"):
        aliases: dict[str, list[str]] = {}
        for alias, number in model.aliases.items():
            aliases.setdefault(str(number), []).append(alias)
        of_model = client.search_model_versions(f"name = '{model.name}'")
        for version in sorted(of_model, key=lambda one: -int(one.version)):
            tags = client.get_model_version(model.name, str(version.version)).tags
            found.append({
                "model": model.name, "version": str(version.version),
                "aliases": ", ".join(sorted(aliases.get(str(version.version), []))),
                **{name: tags.get(f"test_{name}", "") for name in _FIGURES},
                "floors": tags.get("floors", NOT_RECORDED), "gate": tags.get("gate", "not asked"),
                "model_digest": tags.get("model_digest", "")[:12],
            })  # fmt: skip
    return found


def _run(run: Any) -> dict[str, str]:
    tags, metrics = run.data.tags, run.data.metrics
    begun = datetime.datetime.fromtimestamp(run.info.start_time / 1000, datetime.UTC)
    return {
        "run": tags.get("run_digest", "")[:12],
        "name": str(run.info.run_name),
        "data": f"{tags.get('source', '')} {tags.get('data_digest', '')[:8]}".strip(),
        "status": str(run.info.status) if "complete" in tags else f"{run.info.status}, incomplete",
        **{name: f"{metrics[f'test/{name}']:.3f}" if f"test/{name}" in metrics else ""
           for name in _FIGURES},
        "begun": begun.isoformat(timespec="seconds"),
        "git_commit": tags.get("git_commit", NOT_RECORDED)[:12],
    }  # fmt: skip
