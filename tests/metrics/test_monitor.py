"""The figures that choose the epoch."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.engine.errors import InvalidSettings
from stages.images.shards import Role
from stages.metrics.monitor import Monitor


def role(name: str, grey: list[int], labels: list[int], ids: list[str]) -> Role:
    pixels = np.array(grey, np.uint8)[:, None, None] * np.ones((1, 2, 2), np.uint8)
    return Role(name, pixels, pd.DataFrame({"id": ids, "label": labels}))


def brightness(images: Any) -> Any:
    return images.mean(axis=(1, 2)).astype(np.float32)


def test_an_image_of_two_roles_is_judged_once() -> None:
    seen = []

    def network(images: Any) -> Any:
        seen.append(len(images))
        return brightness(images)

    val = role("val", [1, 2, 3, 4], [0, 1, 0, 1], ["a", "b", "c", "d"])
    matched = role("val_matched", [9, 2, 4], [0, 1, 1], ["a#0", "b", "d"])
    row = Monitor([val, matched])(network)
    assert seen == [5]
    assert row["val_auroc"] == 0.75
    assert row["val_matched_auroc"] == row["shift_auroc"] == 0
    z = np.array([1.0, 2, 3, 4])
    assert row["val_loss"] == round(np.mean(np.log1p(np.exp(z)) - np.array([0, 1, 0, 1]) * z), 6)


def test_quantities_that_differ_in_their_last_bits_are_equal() -> None:
    monitor = Monitor([role("val", [1, 2, 3, 4], [0, 1, 0, 1], ["a", "b", "c", "d"])])
    assert monitor(brightness) == monitor(lambda images: brightness(images) * np.float32(1 + 2e-7))


@pytest.mark.parametrize("names", [["val"], ["val", "val_matched", "val_tail"]])
def test_quantities_are_the_names_of_what_a_call_returns(names: list[str]) -> None:
    monitor = Monitor([role(name, [1, 2], [0, 1], ["a", "b"]) for name in names])
    assert set(monitor(brightness)) == set(monitor.quantities)


def test_the_shift_auroc_needs_a_shift_validation() -> None:
    val = role("val", [1, 2], [0, 1], ["a", "b"])
    Monitor([val, role("val_matched", [1, 2], [0, 1], ["a", "b"])]).require("shift_auroc")
    with pytest.raises(InvalidSettings, match=r"train\.monitor: .* received 'shift_auroc'"):
        Monitor([val]).require("shift_auroc")
