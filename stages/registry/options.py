"""Params of the registry room."""

import re
from dataclasses import dataclass

from stages.engine.check import between, refuse


@dataclass(frozen=True)
class Floors:
    """What a model must reach to be offered: least lower bounds of its intervals, 0 to 1.

    auroc: area under the ROC curve. sensitivity, specificity: at the decision threshold.
    """

    auroc: float
    sensitivity: float
    specificity: float

    def __post_init__(self) -> None:
        between("register.floors.auroc", self.auroc, 0, 1)
        between("register.floors.sensitivity", self.sensitivity, 0, 1)
        between("register.floors.specificity", self.specificity, 0, 1)


@dataclass(frozen=True)
class RuleOptions:
    """What `promote` asks beyond the floors, all of it on validation images.

    ece: most that the upper bound of the expected calibration error at the stated prior may be.
    margin_sensitivity, margin_specificity: how much worse than the champion, on the same images
        of the shift validations, a challenger may at most be (0.03: three points).
    margin_tail: the same for specificity on val_tail, which has fewer normals.
    confidence: of each bound of that comparison, taken alone. draws, seed: of its resampling.
    """

    ece: float
    margin_sensitivity: float
    margin_specificity: float
    margin_tail: float
    confidence: float
    draws: int
    seed: int

    def __post_init__(self) -> None:
        between("register.rule.ece", self.ece, 0, 1)
        between("register.rule.margin_sensitivity", self.margin_sensitivity, 0, 1)
        between("register.rule.margin_specificity", self.margin_specificity, 0, 1)
        between("register.rule.margin_tail", self.margin_tail, 0, 1)
        between("register.rule.confidence", self.confidence, 0.5, 0.999)
        between("register.rule.draws", self.draws, 100, 100_000)
        between("register.rule.seed", self.seed, 0, 2**31 - 1)


@dataclass(frozen=True)
class RegisterOptions:
    """Section `register`: under which name, and from which figures on.

    name: stem of the experiment's and the registered model's name; the data's own name is
        added, so that a phantom's model never stands for a real one.
    floors: what the test figures must reach before a version becomes `candidate`.
    rule: what else a version must show before it becomes `champion`.
    """

    name: str
    floors: Floors
    rule: RuleOptions

    def __post_init__(self) -> None:
        # MLflow refuses "/", ":" and "." in a model's name; the rest keeps links and shells simple.
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,79}", self.name):
            raise refuse(
                "register.name", "1 to 80 of a-z, 0-9, '_' and '-', a letter or digit first",
                self.name,
            )  # fmt: skip
