"""Records of the pipeline with one thing spoiled each, and the cause that `verify` must name.

`python -m tests.spoiled` prints the words for each over this repository's own dvc.lock.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from stages.history import causes

HERE = causes.Machine("x86-64 avx512, Intel", "x86-64 avx512, Intel", (), "phantom")
Record = dict[str, Any]


@dataclass(frozen=True)
class Spoiled:
    """How to spoil a record (the `stages` of a dvc.lock), and what must be named."""

    spoil: Callable[[Record], None]
    stage: str
    kind: str
    says: str
    machine: Callable[[causes.Machine], causes.Machine] = lambda machine: machine


def _out(record: Record, stage: str) -> None:
    record[stage]["outs"][0]["md5"] = "0" * 32


def _param(section: str, key: str, value: Any) -> Callable[[Record], None]:
    def spoil(record: Record) -> None:
        record[section]["params"]["params.yaml"][section][key] = value
        _out(record, section)

    return spoil


def _dep(stage: str, path: str) -> Callable[[Record], None]:
    def spoil(record: Record) -> None:
        (found,) = [dep for dep in record[stage]["deps"] if dep["path"] == path]
        found["md5"] = "f" * 32
        _out(record, stage)

    return spoil


def _only(stage: str) -> Callable[[Record], None]:
    return lambda record: _out(record, stage)


CASES = {
    "params": Spoiled(_param("train", "seed", 41), "train", "params", "train.seed is 41 on record"),
    "params of the first stage": Spoiled(
        _param("fetch", "hash_names", True), "fetch", "params", "fetch.hash_names is True"
    ),
    "code": Spoiled(
        _dep("train", "stages/network/loop.py"), "train", "code", "stages/network/loop.py changed"
    ),
    "data": Spoiled(_dep("preprocess", "data/raw"), "preprocess", "data", "another data/raw"),
    "data: an archive that is another by now": Spoiled(
        _only("fetch"), "fetch", "data", "the source (archive) holds something else",
        lambda machine: replace(machine, source="archive"),
    ),
    "environment: the lock file": Spoiled(
        _dep("fetch", "requirements.lock"), "fetch", "environment", "requirements.lock changed"
    ),
    "environment: what is installed": Spoiled(
        _only("train"), "train", "environment", "numpy is 1.0, pinned 2.0",
        lambda machine: replace(machine, packages=["numpy is 1.0, pinned 2.0"]),
    ),
    "thread count": Spoiled(
        _param("train", "threads", 41), "train", "thread count", "train.threads is 41 on record"
    ),
    "instruction set": Spoiled(
        _only("train"), "train", "instruction set", "x86-64 of old on record, x86-64",
        lambda machine: replace(machine, recorded="x86-64 of old"),
    ),
    "unexplained": Spoiled(_only("train"), "train", "unexplained", "are equal"),
    "unexplained: no instruction set moves images": Spoiled(
        _only("preprocess"), "preprocess", "unexplained", "are equal",
        lambda machine: replace(machine, recorded="x86-64 of old"),
    ),
    "unexplained: the instruction set is not known": Spoiled(
        _only("evaluate"), "evaluate", "unexplained", "on record: not known here",
        lambda machine: replace(machine, recorded=None),
    ),
}  # fmt: skip


def spoiled(record: Record, case: Spoiled) -> Record:
    """A copy of `record`, spoiled."""
    changed = copy.deepcopy(record)
    case.spoil(changed)
    return changed


def main() -> None:
    """Print the words for each case."""
    record = yaml.safe_load(Path("dvc.lock").read_text(encoding="utf-8"))["stages"]
    for name, case in CASES.items():
        cause = causes.first_cause(spoiled(record, case), record, case.machine(HERE))
        print(f"{name}\n    different from {cause and cause.stage} on; {cause}")


if __name__ == "__main__":
    main()
