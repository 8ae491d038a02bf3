"""Params of the registry."""

from typing import Annotated

from pydantic import Field

from stages.engine.options import Options, Share
from stages.metrics.options import Confidence, Draws, ResamplingSeed


class Floors(Options):
    """Section `register.floors`: what a model must reach to become the candidate.

    Each is the least lower bound of an interval on test.
    """

    auroc: Share
    """Area under the ROC curve."""

    sensitivity: Share
    """Sensitivity at the decision threshold."""

    specificity: Share
    """Specificity at the decision threshold."""


class RuleOptions(Options):
    """Section `register.rule`: what `promote` requires beyond the floors, on validation images."""

    ece: Share
    """Highest upper bound of the expected calibration error, at the stated prior."""

    margin_sensitivity: Share
    """How much lower than the champion's the sensitivity may be, on the same images of the shift
    validations (0.03: three points)."""

    margin_specificity: Share
    """The same for specificity."""

    margin_tail: Share
    """The same for specificity on val_tail, which has fewer normals."""

    confidence: Confidence
    """Level of each bound of that comparison, taken alone."""

    draws: Draws
    """Resamples behind each bound of that comparison."""

    seed: ResamplingSeed
    """Seed of that resampling."""


class RegisterOptions(Options):
    """Section `register`: the name of the model, and which figures it must reach."""

    # MLflow refuses "/", ":" and "." in a model's name; the rest keeps links and shells simple.
    name: Annotated[
        str,
        Field(
            pattern="^[a-z0-9][a-z0-9_-]{0,79}$",
            json_schema_extra={
                "allowed": "1 to 80 of a-z, 0-9, '_' and '-', a letter or digit first"
            },
        ),
    ]
    """Stem of the experiment's and the registered model's name. The data's own name is added, so
    that a phantom's model is never taken for a real one."""

    floors: Floors
    """What the test figures must reach before a version becomes `candidate`."""

    rule: RuleOptions
    """What else is required before a version becomes `champion`."""

    public_key: (
        Annotated[str, Field(min_length=1, json_schema_extra={"allowed": "the path of a file"})]
        | None
    )
    """File with the Ed25519 public keys, in PEM, of which one must have signed a version that is to
    be promoted or to answer; null: none. It decides nothing that is trained."""
