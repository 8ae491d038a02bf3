"""Stage `register`: show the finished run in the tracking store, offer its model as a version.

DVC cannot see a registry, so this stage always runs, looks for itself and mostly confirms.
"""

import dataclasses
from pathlib import Path
from typing import Any

from stages import digests, layout, params
from stages.engine import journal
from stages.engine.files import write_json
from stages.engine.stage import run
from stages.metrics.promotion import Verdict, floors
from stages.registry.offer import Offer, offer, release
from stages.registry.record import read_identity, read_record
from stages.registry.store import find_store, project_root


def main() -> None:
    """Write data/release.json from the files alone; then have the store show what they say."""
    released, offered = finished(params.load())
    write_json(layout.RELEASE, released)
    print(offer(offered, find_store(project_root())))


def finished(everything: params.Params) -> tuple[dict[str, Any], Offer]:
    """The run that lies under data/: what release.json holds, and what the store is offered."""
    options = everything.register
    identity = read_identity(
        layout.SHARDS,
        params=digests.judged_params(everything),
        code=digests.judged_code(),
        lock=layout.LOCK,
    )
    record = read_record(
        identity,
        shards=layout.SHARDS,
        audit=layout.AUDIT,
        model=layout.MODEL,
        validation=layout.VALIDATION,
        report=layout.REPORT,
        pixels=dataclasses.asdict(everything.preprocess.pixels),
    )
    verdict = Verdict(floors(record.figures["test"], dataclasses.asdict(options.floors)))
    offered = Offer(
        record=record,
        verdict=verdict,
        stem=options.name,
        journal=journal.read(digests.training_digest(everything, identity.data)),
        root=Path(),
        lock=layout.LOCK,
    )
    return release(record, verdict), offered


if __name__ == "__main__":
    run(main)
