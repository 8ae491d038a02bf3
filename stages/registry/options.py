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
class RegisterOptions:
    """Section `register`: under which name, and from which figures on.

    name: stem of the experiment's and the registered model's name; the data's own name is
        added, so that a phantom's model never stands for a real one.
    floors: what the test figures must reach before a version becomes `candidate`.
    """

    name: str
    floors: Floors

    def __post_init__(self) -> None:
        # MLflow refuses "/", ":" and "." in a model's name; the rest keeps links and shells simple.
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,79}", self.name):
            raise refuse(
                "register.name", "1 to 80 of a-z, 0-9, '_' and '-', a letter or digit first",
                self.name,
            )  # fmt: skip
