"""Records of the pipeline with one corruption each, and the cause that `verify` must name.

`python -m tests.history.corrupted_records` prints the cause of each for this repository's dvc.lock.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from stages.history import causes
from stages.history.lock_file import LockFile, StageRecord

HERE = causes.Machine("x86-64-v3", "x86-64-v3", (), ("phantom",))
Corruption = Callable[[LockFile], LockFile]


@dataclass(frozen=True)
class Case:
    """A corruption of a record and the cause that must be named. detail: a part of it."""

    corrupt: Corruption
    stage: str
    kind: str
    detail: str
    machine: Callable[[causes.Machine], causes.Machine] = lambda machine: machine


def with_stage(record: LockFile, name: str, stage: StageRecord) -> LockFile:
    return LockFile({**record.stages, name: stage})


def another_out(name: str) -> Corruption:
    def corrupt(record: LockFile) -> LockFile:
        stage = record.stages[name]
        changed = dict.fromkeys(list(stage.outs)[:1], "0" * 32)
        return with_stage(record, name, replace(stage, outs={**stage.outs, **changed}))

    return corrupt


def another_param(name: str, key: str, value: Any) -> Corruption:
    def corrupt(record: LockFile) -> LockFile:
        stage = record.stages[name]
        params = stage.params["params.yaml"]
        params = {**params, name: {**params[name], key: value}}
        changed = replace(stage, params={**stage.params, "params.yaml": params})
        return another_out(name)(with_stage(record, name, changed))

    return corrupt


def another_dep(name: str, path: str) -> Corruption:
    def corrupt(record: LockFile) -> LockFile:
        stage = record.stages[name]
        assert path in stage.deps
        changed = replace(stage, deps={**stage.deps, path: "f" * 32})
        return another_out(name)(with_stage(record, name, changed))

    return corrupt


def another_outside_file(name: str, key: str) -> Corruption:
    def corrupt(record: LockFile) -> LockFile:
        stage = record.stages[name]
        changed = replace(
            stage, params={**stage.params, "data/inputs.json": {name: {key: "f" * 64}}}
        )
        return another_out(name)(with_stage(record, name, changed))

    return corrupt


def another_command(name: str) -> Corruption:
    def corrupt(record: LockFile) -> LockFile:
        changed = replace(record.stages[name], command="python something_else.py")
        return another_out(name)(with_stage(record, name, changed))

    return corrupt


CASES = {
    "params": Case(
        another_param("train", "seed", 41), "train", "params", "train.seed is 41 on record"
    ),
    "params of the first stage": Case(
        another_param("fetch", "hash_names", True), "fetch", "params", "fetch.hash_names is True"
    ),
    "code": Case(
        another_dep("train", "stages/network/loop.py"),
        "train",
        "code",
        "stages/network/loop.py changed",
    ),
    "code: the command": Case(another_command("train"), "train", "code", "its command changed"),
    "data": Case(another_dep("preprocess", "data/raw"), "preprocess", "data", "another data/raw"),
    "data: an archive with other content": Case(
        another_outside_file("fetch", "path"),
        "fetch",
        "data",
        "another file in fetch",
    ),
    "data: a file of weights with other content": Case(
        another_outside_file("train", "weights"),
        "train",
        "data",
        "another file in train",
    ),
    "data: an archive that has changed unseen": Case(
        another_out("fetch"),
        "fetch",
        "data",
        "the source (archive) holds something else",
        lambda machine: replace(machine, sources=("archive",)),
    ),
    "environment: the lock file": Case(
        another_dep("fetch", "requirements.lock"),
        "fetch",
        "environment",
        "requirements.lock changed",
    ),
    "environment: an installed package": Case(
        another_out("train"),
        "train",
        "environment",
        "numpy is 1.0, pinned 2.0",
        lambda machine: replace(machine, packages=["numpy is 1.0, pinned 2.0"]),
    ),
    "thread count": Case(
        another_param("train", "threads", 41), "train", "thread count", "train.threads is 41"
    ),
    "instruction set": Case(
        another_out("train"),
        "train",
        "instruction set",
        "arm64 on record, x86-64-v3 here",
        lambda machine: replace(machine, recorded="arm64"),
    ),
    "instruction set: a record of before all x86-64 was one class": Case(
        another_out("train"),
        "train",
        "instruction set",
        "x86-64 avx512, Intel on record, x86-64-v3 here",
        lambda machine: replace(machine, recorded="x86-64 avx512, Intel"),
    ),
    "unexplained": Case(another_out("train"), "train", "unexplained", "python -m tests.same_bytes"),
    "unexplained: no instruction set changes images": Case(
        another_out("preprocess"),
        "preprocess",
        "unexplained",
        "are equal",
        lambda machine: replace(machine, recorded="x86-64 of old"),
    ),
    "unexplained: the instruction set is unknown": Case(
        another_out("evaluate"),
        "evaluate",
        "unexplained",
        "on record: not known here",
        lambda machine: replace(machine, recorded=None),
    ),
}


def main() -> None:
    """Print the cause of each case."""
    record = LockFile.read()
    for name, case in CASES.items():
        cause = causes.first_cause(case.corrupt(record), record, case.machine(HERE))
        print(f"{name}\n    different from {cause and cause.stage} on; {cause}")


if __name__ == "__main__":
    main()
