"""Check that dvc.lock is up to date with the sources: `python -m tests.stale_lock`.

Dependencies, params and commands of every stage up to evaluate must be those in the lock. The data
need not be present, and their bytes may come from a machine of another class. `inputs` and
`register` always run, so they are never stale.
"""

import sys
from typing import Any

STAGES = ("fetch", "preprocess", "train", "evaluate")


def stale(changes: dict[str, list[Any]]) -> list[str]:
    """Return the changes of code, params and commands in `dvc status`, one line each."""
    found = []
    for stage in STAGES:
        for change in changes.get(stage, []):
            if not isinstance(change, dict):
                found.append(f"{stage}: {change}")
                continue
            found += [
                f"{stage}: {name}: {state}"
                for name, state in change.get("changed deps", {}).items()
                if not name.startswith("data/")
            ]
    return found


def main() -> int:
    from dvc.repo import Repo

    with Repo() as repo:
        problems = stale(repo.status())
    if problems:
        print("dvc.lock is stale; run `dvc repro` and commit dvc.lock and data/:", file=sys.stderr)
        print(*problems, sep="\n", file=sys.stderr)
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
