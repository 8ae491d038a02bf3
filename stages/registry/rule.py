"""The promotion rule as pure functions: figures, comparisons and digests in, reasons out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from stages.metrics.trees import Figures


@dataclass(frozen=True)
class Reason:
    """One line of a verdict.

    Attributes:
        rule: What is required, in words.
        value: What was found; None if there is no such figure.
        required: The bound, or the value that was expected.
        passed: Whether `value` meets it.
    """

    rule: str
    value: float | str | None
    required: float | str
    passed: bool

    def __str__(self) -> str:
        return f"{self.outcome}  {self.rule}: {self.found}"

    @property
    def outcome(self) -> str:
        """The outcome in one word, "pass" or "FAIL"."""
        return "pass" if self.passed else "FAIL"

    @property
    def found(self) -> str:
        """The value as text."""
        if self.value is None:
            return "no such figure"
        return self.value if isinstance(self.value, str) else f"{self.value:.3f}"


@dataclass(frozen=True)
class Verdict:
    """Passed if every reason passed and there is at least one."""

    reasons: tuple[Reason, ...]

    @property
    def passed(self) -> bool:
        """Whether every reason passed."""
        return bool(self.reasons) and all(reason.passed for reason in self.reasons)

    def __str__(self) -> str:
        return "\n".join(map(str, self.reasons)) or "FAIL  no rule was given"


def floors(figures: Figures, required: Mapping[str, float]) -> tuple[Reason, ...]:
    """Require the lower bound of each named figure to reach its floor.

    A figure that is missing, or undefined on these images, fails.

    Args:
        figures: The figures of one role as in metrics.json, {"auroc": {"value", "low", "high"}}.
        required: The floor of each figure.
    """
    return tuple(_floor(name, figures.get(name), floor) for name, floor in sorted(required.items()))


def ceiling(name: str, figure: Mapping[str, float] | None, maximum: float) -> Reason:
    """Require the upper bound of `figure`, {"value", "low", "high"}, to be at most `maximum`.

    None, or a figure without an interval, fails.
    """
    high = _bound(figure, "high")
    passed = high is not None and high <= maximum
    return Reason(f"{name}, upper bound at most {maximum:g}", high, maximum, passed)


def not_worse(differences: Figures, margins: Mapping[str, float]) -> tuple[Reason, ...]:
    """Require the lower bound of each difference to be above minus its margin.

    Args:
        differences: Challenger minus champion on the same images, {"sensitivity": {"value", "low",
            "high"}}. One that is missing, or None because it is undefined on these images, fails.
        margins: How much worse the challenger may be, by the name of the difference.
    """
    return tuple(
        _not_worse(name, differences.get(name), margin) for name, margin in sorted(margins.items())
    )


def not_worse_in(
    source: str, differences: Figures, alike: Figures, margins: Mapping[str, float]
) -> tuple[Reason, ...]:
    """Require `not_worse` of the images of one source, as far as they are enough.

    Where even a challenger that decides exactly as the champion would fail, a source has too few
    patients to prove anything: its difference is reported, and required of all sources together.

    Args:
        source: Its name.
        differences: As of `not_worse`.
        alike: The differences of such a challenger.
        margins: As of `not_worse`.
    """
    reasons = []
    for name, margin in sorted(margins.items()):
        low = _bound(alike.get(name), "low")
        if low is None or low <= -margin:
            few = "too few patients, not required"
            reasons.append(Reason(f"{name} in {source} minus champion's", few, -margin, True))
            continue
        judged = _not_worse(name, differences.get(name), margin)
        reasons.append(replace(judged, rule=judged.rule.replace(name, f"{name} in {source}", 1)))
    return tuple(reasons)


def same(rule: str, found: str | None, required: str | None) -> Reason:
    """Require two names, such as digests, to be equal; None, for a missing name, fails."""
    passed = found is not None and found == required
    return Reason(rule, _short(found), _short(required), passed)


def _floor(name: str, figure: object, floor: float) -> Reason:
    low = _bound(figure, "low")
    passed = low is not None and low >= floor
    return Reason(f"{name}, lower bound at least {floor:g}", low, floor, passed)


def _not_worse(name: str, difference: object, margin: float) -> Reason:
    low = _bound(difference, "low")
    passed = low is not None and low > -margin
    return Reason(f"{name} minus champion's, lower bound above {-margin:g}", low, -margin, passed)


def _bound(figure: object, name: str) -> float | None:
    return figure.get(name) if isinstance(figure, Mapping) else None


def _short(name: str | None) -> str:
    if name is None:
        return "none"
    return name[:12] if re.match(r"[0-9a-f]{32}", name) else name
