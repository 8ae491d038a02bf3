"""Params of the phantom source (`fetch.phantom`)."""

from dataclasses import dataclass

from stages.engine import check


@dataclass(frozen=True)
class PhantomOptions:
    """How many synthetic children are drawn, and how tightly site and class are tied.

    seed: 0 to 2^32 - 1; the same seed gives the same bytes on every machine.
    patients_train, patients_test: children in either official split; about 2.1 images each.
    confound: 0 (site independent of class in training) to 1 (site tells the class).
    """

    seed: int
    patients_train: int
    patients_test: int
    confound: float

    def __post_init__(self) -> None:
        check.between("fetch.phantom.seed", self.seed, 0, 2**32 - 1)
        check.between("fetch.phantom.patients_train", self.patients_train, 4, 100_000)
        check.between("fetch.phantom.patients_test", self.patients_test, 4, 100_000)
        check.between("fetch.phantom.confound", self.confound, 0, 1)
