"""The promotion rule: figures, comparisons and lineage in, a verdict with its reasons out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reason:
    """One line of a verdict: what was asked, what was found (None: no such figure)."""

    rule: str
    value: float | str | None
    required: float | str
    passed: bool

    def __str__(self) -> str:
        return f"{self.outcome}  {self.rule}: {self.found}"

    @property
    def outcome(self) -> str:
        return "pass" if self.passed else "FAIL"

    @property
    def found(self) -> str:
        if self.value is None:
            return "no such figure"
        return self.value if isinstance(self.value, str) else f"{self.value:.3f}"


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
    A figure that is missing, or undefined on these images, fails: nobody has shown it.
    """
    return tuple(_floor(name, figures.get(name), floor) for name, floor in sorted(required.items()))


def _floor(name: str, figure: Any, floor: float) -> Reason:
    low = _bound(figure, "low")
    passed = low is not None and low >= floor
    return Reason(f"{name}, lower bound at least {floor:g}", low, floor, passed)


def ceiling(name: str, figure: Any, most: float) -> Reason:
    """The upper bound of `figure`, {"value", "low", "high"}, must stay under its ceiling.

    None, or a figure without an interval, fails.
    """
    high = _bound(figure, "high")
    return Reason(
        f"{name}, upper bound at most {most:g}", high, most, high is not None and high <= most
    )


def not_worse(differences: Mapping[str, Any], margins: Mapping[str, float]) -> tuple[Reason, ...]:
    """Challenger less champion on the same images: lower bounds must stay above minus the margins.

    differences: {"sensitivity": {"value", "low", "high"}}, None or missing where the images leave
    one undefined, which fails.
    """
    return tuple(
        _not_worse(name, differences.get(name), margin) for name, margin in sorted(margins.items())
    )


def _not_worse(name: str, difference: Any, margin: float) -> Reason:
    low = _bound(difference, "low")
    passed = low is not None and low > -margin
    return Reason(f"{name} less champion's, lower bound above {-margin:g}", low, -margin, passed)


def same(rule: str, found: str | None, required: str | None) -> Reason:
    """Two names, such as digests, must be the same one; None, for a missing name, never is."""
    return Reason(
        rule, _short(found), _short(required), found is not None and found == required
    )  # fmt: skip


def _bound(figure: Any, name: str) -> float | None:
    return figure.get(name) if isinstance(figure, Mapping) else None


def _short(name: str | None) -> str:
    return "none" if name is None else name[:12]
