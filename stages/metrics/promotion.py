"""The promotion rule: figures and a rule in, a verdict with its reasons out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reason:
    """One line of a verdict: what was asked, what was found (None: no such figure)."""

    rule: str
    value: float | None
    required: float
    passed: bool

    def __str__(self) -> str:
        found = "no such figure" if self.value is None else f"{self.value:.3f}"
        return f"{'pass' if self.passed else 'FAIL'}  {self.rule}: {found}"


@dataclass(frozen=True)
class Verdict:
    """Passed only where every reason did, and there is at least one."""

    reasons: tuple[Reason, ...]

    @property
    def passed(self) -> bool:
        return bool(self.reasons) and all(reason.passed for reason in self.reasons)

    def __str__(self) -> str:
        return "\n".join(map(str, self.reasons)) or "FAIL  no rule was given"


def floors(figures: Mapping[str, Any], required: Mapping[str, float]) -> tuple[Reason, ...]:
    """The lower bound of each named figure must reach its floor.

    figures: one split's figures as metrics.json holds them, {"auroc": {"value", "low", "high"}}.
    A figure that is missing, or undefined on these films, fails: nobody has shown it.
    """
    return tuple(_floor(name, figures.get(name), floor) for name, floor in sorted(required.items()))


def _floor(name: str, figure: Any, floor: float) -> Reason:
    low = figure.get("low") if isinstance(figure, Mapping) else None
    passed = low is not None and low >= floor
    return Reason(f"{name}, lower bound at least {floor:g}", low, floor, passed)
