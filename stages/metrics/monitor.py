"""The few figures that are looked at after every epoch, and that choose one."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.engine.errors import InvalidSettings
from stages.images.shards import Role
from stages.metrics import scores


class Monitor:
    """Judges a network on the validation roles, each image once however many roles hold it."""

    def __init__(self, roles: Sequence[Role]) -> None:
        place: dict[str, int] = {}
        images: list[NDArray[np.uint8]] = []
        self._places: dict[str, NDArray[np.intp]] = {}
        for role in roles:
            for row, name in enumerate(role.records["id"]):
                if name not in place:
                    place[name] = len(images)
                    images.append(role.pixels[row])
            self._places[role.name] = np.array([place[name] for name in role.records["id"]])
        self._labels = {role.name: role.records["label"].to_numpy() for role in roles}
        self._images = np.stack(images)

    def logits(self, network: Callable[[NDArray[np.uint8]], Any]) -> dict[str, NDArray[Any]]:
        """The network's logits, float32 (N,), by role."""
        every = network(self._images)
        return {name: every[places] for name, places in self._places.items()}

    @property
    def quantities(self) -> tuple[str, ...]:
        """The names of what a call gives."""
        names = [f"{name}_auroc" for name in self._places]
        return (*names, "val_loss", *(["shift_auroc"] if len(names) > 1 else []))

    def require(self, quantity: str) -> None:
        """Check that `quantity` can choose the epoch.

        Raises:
            InvalidSettings: It isn't one of `quantities`, for want of a shift validation.
        """
        if quantity not in self.quantities:
            raise InvalidSettings(
                f"params.yaml: train.monitor: expected one of {', '.join(self.quantities)}, which "
                f"preprocess made roles for, received {quantity!r}"
            )

    def __call__(self, network: Callable[[NDArray[np.uint8]], Any]) -> dict[str, float]:
        """AUROC of every role, log loss on "val", and "shift_auroc", the mean AUROC of the
        shift validations where there are some."""
        logits = self.logits(network)
        row = {f"{name}_auroc": self._auroc(name, logits[name]) for name in logits}
        row["val_loss"] = _log_loss(self._labels["val"], logits["val"])
        shifts = [row[f"{name}_auroc"] for name in logits if name != "val"]
        return row | ({"shift_auroc": float(np.mean(shifts))} if shifts else {})

    def _auroc(self, role: str, logits: NDArray[Any]) -> float:
        weight = np.ones((1, len(logits)))
        return float(scores.auroc(self._labels[role], logits, weight)[0])


def _log_loss(labels: NDArray[Any], logits: NDArray[Any]) -> float:
    z = logits.astype(np.float64)
    return float(np.mean(np.logaddexp(0, z) - labels * z))
