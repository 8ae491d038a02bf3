from typing import Any

import numpy as np
import pytest

from stages.audit import probes
from stages.audit.census import Seen
from stages.images.shards import Record


def seen(patients: int = 60, *, cue: str = "", seed: int = 0, **facts: Any) -> Seen:
    """Two noise images of each patient, whose `cue` alone tells the class."""
    draws = np.random.default_rng(seed)
    role = Seen()
    for number in range(2 * patients):
        label = number // 2 % 2
        pixels = draws.integers(0, 200, (48, 48), dtype=np.uint8)
        if cue == "frame" and label:
            pixels[:, :4] += 40
        told: dict[str, Any] = {
            "width": int(draws.integers(90, 110)) + (40 if cue == "shape" and label else 0),
            "height": 100, "bytes": int(draws.integers(4000, 6000)), "icc": 0,
            "jpeg_table_mean": 30.0 if cue == "encoding" and label else 20.0,
        }  # fmt: skip
        role.add(
            Record(
                id=f"f{number}", role="val", row=number, label=label, kind="",
                patient=f"p{number // 2}", split_group=f"p{number // 2}", source_split="", mode="L",
                **{**told, **facts},
            ),
            pixels,
        )  # fmt: skip
    return role


def values(role: Seen) -> dict[str, float]:
    found = probes.probe({"val": role}, seed=0)["val"]
    return {name: figure["value"] for name, figure in found.items() if figure}


@pytest.mark.parametrize("cue", ["encoding", "shape", "frame"])
def test_each_probe_sees_its_cue_and_no_other(cue: str) -> None:
    found = probes.probe({"val": seen(cue=cue)}, seed=0)["val"]
    figure = found[cue]
    assert figure is not None
    assert figure["value"] > 0.95
    assert figure["low"] <= figure["value"] <= figure["high"]
    for other in {"encoding", "shape", "frame"} - {cue}:
        blind = found[other]
        assert blind is not None
        if (other, cue) != ("encoding", "shape"):  # bytes per pixel tell the pixels too
            assert blind["low"] < 0.55, other


def test_where_a_probe_has_no_meaning_it_says_none() -> None:
    assert values(seen(18)) == {}  # nine patients of each class
    assert "encoding" not in values(seen(bytes=None))  # copies that were never a file
    alike = values(seen(width=100))
    assert alike["shape"] == 0.5


def test_the_most_images_bound_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "MOST_IMAGES", 80)
    role = seen(cue="frame")
    chosen = probes._chosen(role, "salt")
    assert chosen == sorted(set(chosen))
    assert len(chosen) == 80
    assert len({role.records[row].patient for row in chosen}) == 40  # whole patients
    assert values(role)["frame"] > 0.9
