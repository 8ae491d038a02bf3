"""Says whether dvc.lock answers for the sources: run as `python -m tests.stale_lock`.

Deps, params and commands must be those that the lock names for every stage up to evaluate; the
data need not be here, and their bytes may come from a machine of another class. `register`
looks for itself on every run, so it is never stale.
"""

import sys
from typing import Any

STAGES = ("fetch", "preprocess", "train", "evaluate")


def stale(changes: dict[str, list[Any]]) -> list[str]:
    """What of `dvc status`'s answer tells of changed code, params or commands, one line each."""
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
