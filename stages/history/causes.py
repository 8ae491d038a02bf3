"""Where two builds of the pipeline part, told from what DVC locked of each. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.settings import paths
from stages.settings.differences import differences
from stages.settings.digests import JUDGED

THREADS = "train.threads"
COMPUTED = ("train", "evaluate")
"""The stages whose last bits a class of instruction set may move."""


@dataclass(frozen=True)
class Out:
    """An out of a stage and the digests that DVC names it by; None where it was not made."""

    stage: str
    path: str
    recorded: str | None
    rebuilt: str | None

    @property
    def equal(self) -> bool:
        return self.recorded == self.rebuilt


@dataclass(frozen=True)
class Machine:
    """The environment of the rebuild, as far as dvc.lock tells nothing of it.

    instruction_set: that of the rebuild. recorded: that of the record; None where it is not
    known. packages: what is installed otherwise than the lock file pins. source: fetch.source.
    """

    instruction_set: str
    recorded: str | None
    packages: Sequence[str]
    source: str


@dataclass(frozen=True)
class Cause:
    """The first place that a difference comes from.

    kind: params, code, data, environment, thread count, instruction set or unexplained.
    """

    stage: str
    kind: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"


def outs(recorded: Mapping[str, Any], rebuilt: Mapping[str, Any]) -> list[Out]:
    """Every out of the judged stages, in flow order; both are the `stages` of a dvc.lock."""
    found = []
    for stage in JUDGED:
        then, now = _by_path(recorded, stage, "outs"), _by_path(rebuilt, stage, "outs")
        found += [Out(stage, path, then.get(path), now.get(path)) for path in then | now]
    return found


def first_cause(
    recorded: Mapping[str, Any], rebuilt: Mapping[str, Any], machine: Machine
) -> Cause | None:
    """Why the first stage that differs does; None where every out is equal.

    recorded, rebuilt: the `stages` of a dvc.lock. What the record itself shows comes before what
    can only be suspected, which is a source that changed unseen and the instruction set.
    """
    stage = next((out.stage for out in outs(recorded, rebuilt) if not out.equal), None)
    if stage is None:
        return None
    then, now = recorded.get(stage, {}), rebuilt.get(stage, {})
    changed = differences(
        *({**side.get("params", {})}.get("params.yaml", {}) for side in (then, now))
    )
    settings = [f"{key} is {was!r} on record, {has!r} now" for key, (was, has) in changed.items()]
    had, have = _by_path(recorded, stage, "deps"), _by_path(rebuilt, stage, "deps")
    deps = sorted(path for path in had | have if had.get(path) != have.get(path))
    code = [path for path in deps if path.endswith(".py")]
    code += ["its command"] if then.get("cmd") != now.get("cmd") else []
    data = [path for path in deps if path.startswith("data/")]
    lock = [f"{paths.LOCK} changed since"] if paths.LOCK.as_posix() in deps else []
    environment = [*lock, *machine.packages]
    if settings and set(changed) != {THREADS}:
        return Cause(stage, "params", _some(settings))
    if code:
        return Cause(stage, "code", f"{_some(code)} changed since")
    if data:
        return Cause(stage, "data", f"the record was made from another {_some(data)}")
    if environment:
        return Cause(stage, "environment", _some(environment))
    if settings:
        return Cause(stage, "thread count", _some(settings))
    if stage == "fetch" and machine.source != "phantom":
        return Cause(stage, "data", f"the source ({machine.source}) holds something else by now")
    if stage in COMPUTED and machine.recorded not in (None, machine.instruction_set):
        told = f"{machine.recorded} on record, {machine.instruction_set} here"
        return Cause(stage, "instruction set", told)
    told = (
        "params, code, data and environment are equal; instruction set on record: "
        f"{machine.recorded or 'not known here'}, of the rebuild: {machine.instruction_set}"
    )
    return Cause(stage, "unexplained", told)


def _by_path(stages: Mapping[str, Any], stage: str, part: str) -> dict[str, str]:
    return {one["path"]: str(one["md5"]) for one in stages.get(stage, {}).get(part, ())}


def _some(told: Sequence[str], most: int = 3) -> str:
    more = f" and {len(told) - most} more" if len(told) > most else ""
    return "; ".join(told[:most]) + more
