"""A probe finds the cue it is made for, and gives no figure where it has no meaning."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stages.audit import probes
from stages.audit.collector import RoleImages
from stages.images.shards import Record


def role_images(patients: int = 60, *, cue: str = "", seed: int = 0, **facts: Any) -> RoleImages:
    """Make two noise images of each patient, in which only `cue` depends on the class."""
    draws = np.random.default_rng(seed)
    images = RoleImages()
    for number in range(2 * patients):
        label = number // 2 % 2
        pixels = draws.integers(0, 200, (48, 48), dtype=np.uint8)
        if cue == "frame" and label:
            pixels[:, :4] += 40
        encoding: dict[str, Any] = {
            "width": int(draws.integers(90, 110)) + (40 if cue == "shape" and label else 0),
            "height": 100,
            "bytes": int(draws.integers(4000, 6000)),
            "icc": 0,
            "jpeg_table_mean": 30.0 if cue == "encoding" and label else 20.0,
        }
        record = Record(
            id=f"f{number}",
            source="test",
            role="val",
            row=number,
            label=label,
            kind="",
            patient=f"p{number // 2}",
            split_group=f"p{number // 2}",
            source_split="",
            mode="L",
            **{**encoding, **facts},
        )
        images.add(record, pixels)
    return images


def values(images: RoleImages) -> dict[str, float]:
    figures = probes.probe({"val": images}, seed=0)["val"]
    return {name: figure["value"] for name, figure in figures.items() if figure}


@pytest.mark.parametrize("cue", ["encoding", "shape", "frame"])
def test_each_probe_finds_its_cue_and_no_other(cue: str) -> None:
    figures = probes.probe({"val": role_images(cue=cue)}, seed=0)["val"]
    figure = figures[cue]
    assert figure is not None
    assert figure["value"] > 0.95
    assert figure["low"] <= figure["value"] <= figure["high"]
    for other in {"encoding", "shape", "frame"} - {cue}:
        other_figure = figures[other]
        assert other_figure is not None
        if (other, cue) != ("encoding", "shape"):  # bytes per pixel depend on the shape too
            assert other_figure["low"] < 0.55, other


def test_a_probe_without_a_meaning_is_none() -> None:
    assert values(role_images(18)) == {}  # nine patients of each class
    assert "encoding" not in values(role_images(bytes=None))  # copies that were never a file
    alike = values(role_images(width=100))
    assert alike["shape"] == 0.5


def test_at_most_so_many_images_are_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "MAX_IMAGES", 80)
    images = role_images(cue="frame")
    chosen = probes._choose_rows(images, "salt")
    assert chosen == sorted(set(chosen))
    assert len(chosen) == 80
    assert len({images.records[row].patient for row in chosen}) == 40  # whole patients
    assert values(images)["frame"] > 0.9


def test_the_source_is_probed_where_there_are_several() -> None:
    one, other, third = (role_images(seed=seed) for seed in range(3))
    one.records = [replace(record, source=f"site-{record.label}") for record in one.records]
    other.records = [replace(record, source=f"site-{record.row % 3}") for record in other.records]
    found = probes.probe({"train": one, "val": other, "test": third}, seed=0)
    assert values(third).keys() == {"encoding", "shape", "frame", "thumbnail"}
    given_away, by_chance = found["train"]["source"], found["val"]["source"]
    assert given_away is not None
    assert by_chance is not None
    assert given_away["value"] > 0.99
    assert by_chance["low"] < 0.55
    assert found["test"]["source"] is None  # of one source
