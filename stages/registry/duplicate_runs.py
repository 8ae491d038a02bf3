"""Join the runs of one run digest.

There are several where two clients of a server created one each at the same time, or where a run
was deleted on MLflow's pages, logged again from the files, and restored there.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from stages.engine.console import print_note
from stages.registry.circumstances import FILE, NOT_RECORDED
from stages.registry.client import Client
from stages.registry.entities import Run
from stages.registry.runs import find_runs, is_deleted

_OWN = ("complete", "showing", "circumstances")
"""Tags about what was uploaded to a run itself."""


def join_runs(client: Client, run: Run, run_digest: str) -> str | None:
    """Keep one run with this digest, delete the others; return the id of that one, None for none.

    The run that a version belongs to is kept, else the first. It gets the circumstances and tags
    that only the others have; all else is logged from the files. If two clients of a server create
    a run at the same time, the one whose run is not the first may not have seen the other's run
    yet. Both have by the time that they have logged everything, and agree on the first, since the
    order does not depend on who created which run when.

    Args:
        client: Client of the store.
        run: A run with this digest.
        run_digest: The digest.
    """
    from mlflow.exceptions import MlflowException

    found = list(find_runs(client, run.info.experiment_id, run_digest))
    if len(found) < 2:
        return found[0].info.run_id if found else None
    kept = _run_of_a_version(client, found) or found[0]
    for other in found:
        if other.info.run_id == kept.info.run_id:
            continue
        try:
            _adopt(client, kept, other)
            client.delete_run(other.info.run_id)
        except MlflowException:
            if not is_deleted(client, other.info.run_id):  # by another client, a moment ago
                raise
    print_note(
        f"registry: {len(found)} runs had the digest {run_digest[:12]}; {kept.info.run_name} "
        f"(run id {kept.info.run_id}) is kept, the rest is deleted"
    )
    return kept.info.run_id


def _run_of_a_version(client: Client, runs: Sequence[Run]) -> Run | None:
    return next(
        (run for run in runs if client.search_model_versions(f"run_id = '{run.info.run_id}'")), None
    )


def _adopt(client: Client, kept: Run, other: Run) -> None:
    """Give `kept` the circumstances and tags that only `other` has."""
    run_id, present = kept.info.run_id, kept.data.tags
    for key, value in other.data.tags.items():
        missing = key not in present and not key.startswith("mlflow.") and key not in _OWN
        unknown = present.get(key) == NOT_RECORDED != value and key not in _OWN
        if missing or unknown:
            client.set_tag(run_id, key, value)
    circumstances = other.data.tags.get("circumstances", NOT_RECORDED)
    if present.get("circumstances", NOT_RECORDED) == NOT_RECORDED != circumstances:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(client.download_artifacts(other.info.run_id, FILE, folder))
            client.log_artifact(run_id, str(file))
        client.set_tag(run_id, "circumstances", circumstances)
