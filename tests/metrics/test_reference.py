"""The reference distributions of a role, against naive ones."""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.engine.answers import Answers
from stages.engine.arrays import GrayImages
from stages.engine.files import canonical_json
from stages.images.facts import NUMBERS
from stages.images.shards import Role
from stages.metrics import reference as module
from stages.metrics.reference import QUANTILES, reference
from tests.metrics.sample_images import make


def answer(images: GrayImages) -> Answers:
    """Answers that depend on the pixels of each image alone."""
    score = images.mean(axis=(1, 2)) / 100
    return Answers(score.astype(np.float32), score / 10, score, score > 1)


def role(name: str = "val", patients: int = 150) -> Role:
    records, _ = make(3, patients, patients)
    records = records.assign(role=name, mode=np.where(records["label"] == 1, "L", "RGB"))
    generator = np.random.default_rng(0)
    shape = (len(records), 16, 16)
    pixels = generator.integers(0, generator.integers(60, 256, (shape[0], 1, 1)), shape)
    return Role(name, pixels.astype(np.uint8), records)


def of(given: Role) -> dict[str, Any]:
    found: dict[str, Any] = reference([given], answer)["roles"][given.name]
    return found


def naive_quantiles(values: "pd.Series[float]") -> list[float]:
    """For each share, the first value with more than that share of all up to it."""
    ordered = sorted(values.dropna())
    chosen = []
    for number in range(QUANTILES):
        share = (number + 0.5) / QUANTILES
        chosen.append(next(v for at, v in enumerate(ordered, 1) if at / len(ordered) > share))
    return chosen


def test_quantiles_equal_naive_ones() -> None:
    given = role()
    found = of(given)
    expected = {
        "width": given.records["width"],
        "bytes_per_pixel": given.records["bytes"]
        / (given.records["width"] * given.records["height"]),
        "jpeg_table_mean": given.records["jpeg_table_mean"],
        "mean": pd.Series([image.mean() for image in given.pixels]),
        "domain_score": pd.Series([image.mean() / 100 for image in given.pixels]),
    }
    assert set(found["quantiles"]) == {*NUMBERS, "domain_score", "probability"}
    for name, values in expected.items():
        assert found["quantiles"][name]["known"] == values.notna().sum()
        assert found["quantiles"][name]["values"] == pytest.approx(
            naive_quantiles(values), abs=6e-7
        ), name


def test_counts_are_those_of_a_plain_loop() -> None:
    given = role()
    found = of(given)
    assert found["images"] == found["measured"] == len(given.records)
    labels = Counter(given.records["label"])
    assert found["classes"] == {"negative": labels[0], "positive": labels[1]}
    assert found["mode"] == Counter(given.records["mode"])
    assert found["refused"] == sum(image.mean() > 100 for image in given.pixels) > 0


def test_nothing_names_an_image_or_a_patient() -> None:
    given = role()
    text = canonical_json(reference([given], answer))
    assert canonical_json(reference([given], answer)) == text
    assert not [name for key in ("id", "patient") for name in given.records[key] if name in text]


def test_a_large_role_is_measured_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    given = role()
    whole = of(given)
    monkeypatch.setattr(module, "_AT_ONCE", 7)  # in how many parts makes no difference
    assert of(given) == whole
    monkeypatch.setattr(module, "MAX_IMAGES", 100)
    part = of(given)
    assert (part["images"], part["measured"]) == (len(given.records), 100)
    assert sum(part["classes"].values()) == 100
    assert abs(part["classes"]["positive"] / 100 - given.records["label"].mean()) < 0.02
    middle = part["quantiles"]["mean"]["values"][100]
    assert middle == pytest.approx(whole["quantiles"]["mean"]["values"][100], rel=0.2)


def test_a_fact_that_no_image_has_has_no_quantiles() -> None:
    given = role(patients=3)
    copies = given.records.assign(bytes=np.nan, jpeg_table_mean=np.nan)
    found = of(Role("val", given.pixels, copies))
    assert found["quantiles"]["bytes_per_pixel"] == {"known": 0, "values": []}
