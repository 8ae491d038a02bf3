"""A section of a report: figures that are computed of the same images."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from stages.metrics.intervals import Score

Facts: TypeAlias = Mapping[str, float | Mapping[str, int]]
"""Numbers without an interval, such as {"threshold": 0.5, "counts": {"tp": 3, ...}}."""


@dataclass(frozen=True)
class Section:
    """Figures that stand together in a report.

    Attributes:
        keys: Where they stand, one key a level; none at the top.
        score: From weights (B, N) of the images to scores by name.
        patients: Independent patients behind scores that are shares (see `Draws.figures`).
        facts: Numbers without an interval that stand beside the figures.
    """

    keys: tuple[str, ...]
    score: Score
    patients: Mapping[str, int] = field(default_factory=dict)
    facts: Facts = field(default_factory=dict)
