"""The pointing game of saliency maps and lesions."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.engine.errors import InputError
from stages.engine.files import write_json
from stages.settings import params, paths
from stages.studies import pointing
from tests.metrics.sample_images import OPTIONS
from tests.workspace import ROOT

SIDE = 100


def masks() -> np.ndarray:
    """Three lesions of 10 x 10 pixels, bool (3, 100, 100): left, right, low."""
    found = np.zeros((3, SIDE, SIDE), bool)
    for lesion, (y, x) in zip(found, ((40, 20), (40, 70), (80, 45)), strict=True):
        lesion[y : y + 10, x : x + 10] = True
    return found


def peaks(*places: tuple[int, int]) -> np.ndarray:
    """Maps, float32 (N, 100, 100), with their maximum at each (y, x)."""
    found = np.zeros((len(places), SIDE, SIDE), np.float32)
    for one, place in zip(found, places, strict=True):
        one[place] = 1
    return found


def test_a_maximum_hits_on_the_lesion_and_within_the_tolerance() -> None:
    # The tolerance is 3 pixels here: 3 left of the lesion is near, 4 right of its last is not.
    played = pointing.play(peaks((45, 25), (45, 67), (85, 58)), masks())
    assert played["hit"].tolist() == [True, True, False]


def test_chance_is_the_area_of_the_grown_mask() -> None:
    grown = pointing.grow(masks(), 3)
    naive = np.zeros_like(grown[0])
    ys, xs = np.mgrid[:SIDE, :SIDE]
    for y, x in zip(*np.nonzero(masks()[0]), strict=True):
        naive |= (ys - y) ** 2 + (xs - x) ** 2 <= 9
    assert np.abs(grown[0].sum() - naive.sum()) <= 12  # OpenCV's distances are within 2%
    assert grown[0][masks()[0]].all()
    played = pointing.play(peaks((0, 0), (0, 0), (0, 0)), masks())
    assert played["chance"].tolist() == pytest.approx(grown.mean(axis=(1, 2)).tolist())


def test_random_maxima_hit_as_often_as_the_area_says() -> None:
    rng = np.random.default_rng(0)
    lesions = np.repeat(masks()[:1], 2000, axis=0)
    played = pointing.play(rng.random(lesions.shape, np.float32), lesions)
    assert played["hit"].mean() == pytest.approx(played["chance"].mean(), abs=0.02)


def test_pointing_at_one_place_always_is_no_better_than_its_own_chance() -> None:
    played = pointing.play(peaks((45, 25), (45, 25), (45, 25)), masks())
    assert played["hit"].mean() == pytest.approx(played["elsewhere"].mean())


def test_an_image_without_a_lesion_is_refused() -> None:
    blank = masks()
    blank[1] = False
    with pytest.raises(ValueError, match="a lesion in every mask"):
        pointing.play(peaks((0, 0), (0, 0), (0, 0)), blank)
    assert not pointing.grow(blank, 3)[1].any()
    with pytest.raises(ValueError, match="expected maps like masks"):
        pointing.play(peaks((0, 0)), masks())


def test_the_table_has_rate_and_chance_by_group() -> None:
    records = pd.DataFrame({"patient": ["a", "b", "c"]})
    played = pointing.play(peaks((45, 25), (45, 75), (0, 0)), masks())
    groups = {"all": np.array([True, True, True]), "left": np.array([True, False, False])}
    lines = pointing.format_table(records, played, groups, OPTIONS).splitlines()
    assert lines[2].startswith("| all | 3 | 0.667 (")
    assert lines[3].startswith("| left | 1 | 1.000 (0.025 to 1.000) |")


def test_real_images_have_no_masks_and_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = params.load(ROOT / "params.yaml")
    monkeypatch.chdir(tmp_path)
    write_json(paths.SOURCE, {"name": "archive", "synthetic": False})
    monkeypatch.setattr(pointing, "open_shards", lambda _: None)
    with pytest.raises(InputError, match=r"expected phantoms, .* received images of archive"):
        pointing.run(settings)
