"""Stage `register`: show the finished run in the tracking store, offer its model as a version.

DVC cannot see a registry, so this stage always runs, looks for itself and mostly confirms.
"""

import dataclasses
from pathlib import Path
from typing import Any

from stages.engine import journal
from stages.engine.files import sha256_file, write_json
from stages.engine.root import project_root
from stages.engine.stage import run
from stages.registry.offer import Offer, offer, release
from stages.registry.record import Record, read_identity, read_record
from stages.registry.rule import Verdict, floors
from stages.registry.store import find_store
from stages.settings import digests, params, paths


def main() -> None:
    """Write data/release.json from the files alone; then have the store show what they say."""
    released, offered = finished(params.load())
    write_json(paths.RELEASE, released)
    print(offer(offered, find_store(project_root())))


def finished(everything: params.Params, root: Path = Path()) -> tuple[dict[str, Any], Offer]:
    """The run whose files lie under `root`: what release.json holds, and the store is offered."""
    options = everything.register
    record, circumstances = left(everything, root)
    verdict = Verdict(floors(record.figures["test"], dataclasses.asdict(options.floors)))
    offered = Offer(record, verdict, options.name, circumstances, root, root / paths.LOCK)
    return release(record, verdict), offered


def left(
    everything: params.Params, root: Path = Path(), *, judged: bool = True
) -> tuple[Record, dict[str, Any]]:
    """What the stages left under `root`, and what the journal tells of it.

    judged: whether evaluate has run. Raises InputError where something is missing.
    """
    shards, report = root / paths.SHARDS, root / paths.REPORT
    identity = read_identity(
        shards,
        params=digests.judged_params(everything),
        code=digests.judged_code(root),
        lock=root / paths.LOCK,
    )
    record = read_record(
        identity,
        shards=shards,
        audit=root / paths.AUDIT,
        model=root / paths.MODEL,
        validation=root / paths.VALIDATION,
        report=report if judged else None,
        pixels=dataclasses.asdict(everything.preprocess.pixels),
    )
    last = [root / paths.RAW / "index.csv", shards / "manifest.json", report / "metrics.json"]
    keys = [sha256_file(path) for path in last if path.exists()]
    told: dict[str, Any] = {}
    for key in (*keys, digests.training_digest(everything, identity.data, root)):
        told |= journal.read(key)
    return record, told


if __name__ == "__main__":
    run(main)
