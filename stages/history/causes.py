"""Explain why two builds of the pipeline differ, from their dvc.lock files. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass

from stages.engine.keys import differences
from stages.history.lock_file import LockFile
from stages.settings import paths
from stages.settings.digests import JUDGED

THREADS = "train.threads"
FLOATING_POINT = ("train", "evaluate")
"""The stages whose last bits another instruction set may change."""


@dataclass(frozen=True)
class Out:
    """An out of a stage with DVC's MD5 of it in both builds; None where it was not made."""

    stage: str
    path: str
    recorded: str | None
    rebuilt: str | None

    @property
    def equal(self) -> bool:
        """Whether both builds gave the same bytes."""
        return self.recorded == self.rebuilt


@dataclass(frozen=True)
class Machine:
    """What decides a build and is not in dvc.lock.

    instruction_set: the one that rebuilt. recorded: the one that made the record; None where it is
    unknown. packages: what is installed in another version than the lock file pins, one text each.
    sources: the kinds of sources that params name.
    """

    instruction_set: str
    recorded: str | None
    packages: Sequence[str]
    sources: Sequence[str]


@dataclass(frozen=True)
class Cause:
    """Where the first difference comes from.

    kind: params, code, data, environment, thread count, instruction set or unexplained.
    """

    stage: str
    kind: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"


def compare_outs(recorded: LockFile, rebuilt: LockFile) -> list[Out]:
    """Return every out of the stages fetch to evaluate, in the order in which they run."""
    found = []
    for stage in JUDGED:
        then, now = recorded.stage(stage).outs, rebuilt.stage(stage).outs
        found += [Out(stage, path, then.get(path), now.get(path)) for path in {**then, **now}]
    return found


def first_cause(recorded: LockFile, rebuilt: LockFile, machine: Machine) -> Cause | None:
    """Return why the first stage that differs does so; None where all outs are equal.

    What the lock files prove comes before what can only be suspected: that a source outside the
    repository changed, or that another instruction set rounds otherwise.
    """
    outs = compare_outs(recorded, rebuilt)
    stage = next((out.stage for out in outs if not out.equal), None)
    if stage is None:
        return None
    then, now = recorded.stage(stage), rebuilt.stage(stage)
    changed, outside = (
        differences(then.params.get(path.as_posix(), {}), now.params.get(path.as_posix(), {}))
        for path in (paths.PARAMS, paths.INPUTS)
    )
    params = [f"{key} is {was!r} on record, {has!r} now" for key, (was, has) in changed.items()]
    deps = sorted(
        path for path in {**then.deps, **now.deps} if then.deps.get(path) != now.deps.get(path)
    )
    code = [path for path in deps if path.endswith(".py")]
    code += ["its command"] if then.command != now.command else []
    data = [path for path in deps if path.startswith("data/")]
    data += [
        f"{'text of' if key.startswith('task') else 'file in'} {key} ({paths.INPUTS})"
        for key in outside
    ]
    lock = [f"{paths.LOCK} changed since"] if paths.LOCK.as_posix() in deps else []
    environment = [*lock, *machine.packages]
    if params and set(changed) != {THREADS}:
        return Cause(stage, "params", _first(params))
    if code:
        return Cause(stage, "code", f"{_first(code)} changed since")
    if data:
        return Cause(stage, "data", f"the record was made from another {_first(data)}")
    if environment:
        return Cause(stage, "environment", _first(environment))
    if params:
        return Cause(stage, "thread count", _first(params))
    received = [source for source in machine.sources if source != "phantom"]
    if stage == "fetch" and received:
        held = f"the source ({', '.join(received)}) holds something else by now"
        return Cause(stage, "data", held)
    if stage in FLOATING_POINT and machine.recorded not in (None, machine.instruction_set):
        detail = f"{machine.recorded} on record, {machine.instruction_set} here"
        return Cause(stage, "instruction set", detail)
    detail = (
        "params, code, data and environment are equal; instruction set on record: "
        f"{machine.recorded or 'not known here'}, of the rebuild: {machine.instruction_set}"
    )
    if stage in FLOATING_POINT:
        detail += "; `python -m tests.same_bytes` names the computation that differs"
    return Cause(stage, "unexplained", detail)


def _first(texts: Sequence[str], most: int = 3) -> str:
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return "; ".join(texts[:most]) + more
