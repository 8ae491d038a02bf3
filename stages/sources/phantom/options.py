"""Params of the phantom source (`fetch.phantom`)."""

from typing import Annotated

from pydantic import Field

from stages.engine.options import Options, Seed, Share

Patients = Annotated[int, Field(ge=4, le=100_000)]


class PhantomOptions(Options):
    """How many synthetic children are drawn, and how tightly site and class are tied."""

    seed: Seed
    """The same seed gives the same bytes on every machine."""

    patients_train: Patients
    """Children in the training split; each has about 2.1 images."""

    patients_test: Patients
    """Children in the test split."""

    confound: Share
    """From 0, where the acquisition site is independent of the class in training, to 1, where it
    gives the class away."""
