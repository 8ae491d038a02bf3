from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.engine.arrays import GrayImage
from stages.images.shards import Role
from stages.network import wrong_copies
from stages.studies import domain as study
from stages.studies.improper import DRAWN
from stages.studies.improper_changes import HARMLESS, UNSEEN
from tests.metrics.sample_images import OPTIONS

Change = Callable[[GrayImage, np.random.Generator], GrayImage]
CHANGES = {**wrong_copies.KINDS, **UNSEEN, **HARMLESS}
IMAGE = np.random.default_rng(0).integers(0, 256, (60, 48), dtype=np.uint8)


@pytest.mark.parametrize("kind", DRAWN)
def test_a_drawing_is_an_image_that_its_generator_decides(kind: str) -> None:
    first, again, other = (DRAWN[kind](np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.dtype == np.uint8
    assert first.ndim == 2
    assert min(first.shape) > 100
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or (first != other).any()


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_keeps_size_and_type_and_leaves_the_image_alone(kind: str) -> None:
    before = IMAGE.copy()
    changed = CHANGES[kind](IMAGE, np.random.default_rng(1))
    assert changed.shape == IMAGE.shape
    assert changed.dtype == np.uint8
    assert (changed != IMAGE).any()
    np.testing.assert_array_equal(IMAGE, before)
    np.testing.assert_array_equal(changed, CHANGES[kind](IMAGE, np.random.default_rng(1)))


def test_what_is_new_is_not_used_in_fitting() -> None:
    kinds = [*wrong_copies.KINDS, *DRAWN, *UNSEEN, *HARMLESS]
    # "blurred" is wrong where nothing is left to judge, and harmless where it is slight.
    assert sorted({kind for kind in kinds if kinds.count(kind) > 1}) == ["blurred"]


def test_the_interval_of_a_share_is_over_patients() -> None:
    refused = np.repeat([True, False], [10, 90])
    apart = study.share(refused, np.arange(100), OPTIONS)
    together = study.share(refused, np.arange(100) // 10, OPTIONS)
    assert apart.value == together.value == 0.1
    assert together.high - together.low > 1.5 * (apart.high - apart.low)
    none = study.share(np.zeros(50, bool), np.arange(50), OPTIONS)
    assert (none.value, none.low) == (0, 0)
    assert none.high == pytest.approx(1 - 0.025 ** (1 / 50))


def test_roles_are_listed_by_class_with_counts() -> None:
    label = np.repeat([0, 1], [40, 60])
    records = pd.DataFrame({"label": label, "patient": [f"p{n}" for n in range(100)]})
    role = Role("val", np.zeros((100, 4, 4), np.uint8), records)
    refused = {"val": np.arange(100) % 20 == 0}
    *_, row = study.format_roles([role], refused, OPTIONS).splitlines()
    assert row.startswith("| val | 2 of 40: 0.050 (")
    assert "| 3 of 60: 0.050 (" in row
    assert "| +0.000 (" in row


def test_each_kind_is_changed_image_by_image() -> None:
    pixels = np.stack([IMAGE[:48], IMAGE[6:54], IMAGE[12:]])
    records = pd.DataFrame({"label": [0, 1, 1], "patient": ["a", "b", "b"]})
    seen: list[Any] = []

    def refused(images: Any) -> Any:
        seen.append(images)
        return np.array([True, True, False])

    changes = {"mirrored": HARMLESS["mirrored"]}
    (found,) = study._of_changes("group", changes, Role("val", pixels, records), refused, OPTIONS)
    np.testing.assert_array_equal(seen[0], pixels[:, :, ::-1])
    assert (found.group, found.kind, found.images) == ("group", "mirrored", 3)
    assert found.share.value == pytest.approx(2 / 3)
