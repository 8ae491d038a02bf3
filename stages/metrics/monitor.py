"""The few figures that are computed after every epoch, and that choose one."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stages.engine.arrays import Floats, GrayImage, GrayImages, Labels
from stages.engine.errors import InvalidSettings
from stages.engine.files import DECIMALS
from stages.images.shards import Role
from stages.metrics.ranking import auroc
from stages.metrics.shift import SHIFT_AUROC, shift_roles

Logits: TypeAlias = NDArray[np.float32]
Network: TypeAlias = Callable[[GrayImages], Logits]
"""From images, uint8 (N, H, W), 0 to 255, to logits, float32 (N,)."""


class Monitor:
    """Evaluates a network on the validation roles, each image once however many roles hold it."""

    def __init__(self, roles: Sequence[Role]) -> None:
        place: dict[str, int] = {}
        images: list[GrayImage] = []
        self._places: dict[str, NDArray[np.intp]] = {}
        for role in roles:
            for row, name in enumerate(role.records["id"]):
                if name not in place:
                    place[name] = len(images)
                    images.append(role.pixels[row])
            self._places[role.name] = np.array([place[name] for name in role.records["id"]])
        self._labels = {role.name: role.records["label"].to_numpy() for role in roles}
        self._images = np.stack(images)

    def logits(self, network: Network) -> dict[str, Logits]:
        """Compute the network's logits, float32 (N,), by role."""
        logits = network(self._images)
        return {role: logits[places] for role, places in self._places.items()}

    def logits_and_scores(
        self, answer: Callable[[GrayImages], tuple[Logits, Floats]]
    ) -> dict[str, tuple[Logits, Floats]]:
        """Compute the network's logits and domain scores, float64 (N,), by role."""
        logits, scores = answer(self._images)
        return {role: (logits[places], scores[places]) for role, places in self._places.items()}

    @property
    def quantities(self) -> tuple[str, ...]:
        """Names of what a call returns."""
        shift = [SHIFT_AUROC] if shift_roles(self._places) else []
        return (*(f"{role}_auroc" for role in self._places), "val_loss", *shift)

    def require(self, quantity: str) -> None:
        """Check that `quantity` can choose the epoch.

        Raises:
            InvalidSettings: It is not one of `quantities`: there is no shift validation.
        """
        if quantity not in self.quantities:
            raise InvalidSettings(
                f"params.yaml: train.monitor: expected one of {', '.join(self.quantities)} with "
                f"these validation roles, received {quantity!r}; name one of them, or set "
                "preprocess.matched_donors or preprocess.tail_fraction above 0"
            )

    def __call__(self, network: Network) -> dict[str, float]:
        """Compute the AUROC of every role, the log loss on "val", and the mean shift AUROC.

        The last, "shift_auroc", is the mean over the shift validations where there are some. All
        are rounded, since they are compared: an epoch must not be chosen by the last bit of a log.
        """
        logits = self.logits(network)
        row = {f"{role}_auroc": self._auroc(role, logits[role]) for role in logits}
        row["val_loss"] = _log_loss(self._labels["val"], logits["val"])
        shifts = [row[f"{role}_auroc"] for role in shift_roles(logits)]
        row |= {SHIFT_AUROC: float(np.mean(shifts))} if shifts else {}
        return {name: round(value, DECIMALS) for name, value in row.items()}

    def _auroc(self, role: str, logits: Logits) -> float:
        weight = np.ones((1, len(logits)))
        return float(auroc(self._labels[role], logits, weight)[0])


def _log_loss(labels: Labels, logits: Logits) -> float:
    z = logits.astype(np.float64)
    return float(np.mean(np.logaddexp(0, z) - labels * z))
