"""Kill a pipeline at random moments and print a summary."""

import argparse
import tempfile
import time
from pathlib import Path

from tests.interruptions import campaign


def main() -> None:
    """Run a campaign with a line per kill, and print its summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--runs", type=int, help="number of rebuilds, instead of kills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--per-rebuild", type=int, default=9, help="kills before a rebuild finishes"
    )
    parser.add_argument(
        "--default", action="store_true", help="use the default params, not small ones"
    )
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    arguments = parser.parse_args()
    kills = arguments.runs * arguments.per_rebuild if arguments.runs else arguments.kills
    start = time.monotonic()
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="kills-") as folder:
        tally = campaign.run(
            Path(folder),
            kills=kills,
            seed=arguments.seed,
            per_rebuild=arguments.per_rebuild,
            default=arguments.default,
            log=lambda line: print(f"{time.monotonic() - start:6.0f} s  {line}", flush=True),
        )
    print("\n".join(tally.lines()))


if __name__ == "__main__":
    main()
