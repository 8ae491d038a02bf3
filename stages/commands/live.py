"""Logs a training in MLflow while it runs. A process that the stage `train` starts.

It reads one JSON message per line: an epoch's row, or {"figures": ...} by role. What happens to it
does not affect the training.
"""

import json
import sys

from stages.engine import journal
from stages.engine.root import project_root
from stages.engine.stage import run
from stages.registry.identity import read_identity
from stages.registry.live import live_run
from stages.registry.store import find_store
from stages.settings import digests, params, paths


def main() -> None:
    """Log messages until stdin ends."""
    settings = params.load()
    identity = read_identity(
        paths.SHARDS,
        paths.SOURCE,
        params=digests.judged_params(settings),
        decisive=digests.decisive_params(settings.train, settings.evaluate),
        code=digests.run_code(),
        lock=paths.LOCK,
        task=settings.task,
    )
    store = find_store(project_root())
    circumstances = {"train": journal.circumstances()}
    with live_run(store, settings.register.name, identity, circumstances) as live:
        for line in sys.stdin:
            message = json.loads(line)
            if "figures" in message:
                live.log_figures(message["figures"])
            else:
                live.log_epoch(message)


if __name__ == "__main__":
    run(main)
