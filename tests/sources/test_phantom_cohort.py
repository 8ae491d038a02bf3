"""The cohort: `confound` sets how site and class depend on each other; names reveal neither."""

import re
from collections import Counter, defaultdict

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from stages.sources import names
from stages.sources.phantom.cohort import PlannedImage, plan, site_shares
from stages.sources.phantom.options import PhantomOptions


def _plan(confound: float, seed: int = 1) -> list[PlannedImage]:
    return plan(PhantomOptions(seed=seed, patients_train=490, patients_test=240, confound=confound))


def _share(images: list[PlannedImage], split: str, label: int, site: str) -> float:
    """Return the share of the patients of a class in a split that a site images."""
    sites = {
        image.view.patient: image.site
        for image in images
        if image.path.startswith(split) and (image.view.grade > 0) == bool(label)
    }
    return Counter(sites.values())[site] / len(sites)


@pytest.mark.parametrize("confound", [0.0, 0.5, 0.9, 1.0])
def test_site_depends_on_class_as_configured(confound: float) -> None:
    images = _plan(confound)
    difference = _share(images, "train", 1, "B") - _share(images, "train", 0, "B")
    assert difference == pytest.approx(confound, abs=0.01)
    difference = _share(images, "train", 0, "A") - _share(images, "train", 1, "A")
    assert difference == pytest.approx(confound, abs=0.01)
    for label in (0, 1):
        assert sum(site_shares("train", label, confound).values()) == pytest.approx(1)


def test_test_split_does_not_depend_on_confound() -> None:
    high, zero = ({f for f in _plan(c) if f.path.startswith("test")} for c in (0.9, 0.0))
    assert high == zero
    images = list(high)
    assert _share(images, "test", 1, "B") == 1
    assert _share(images, "test", 0, "B") == pytest.approx(0.5, abs=0.01)
    assert _share(images, "test", 0, "C") == pytest.approx(0.5, abs=0.01)


def test_size_and_mix_of_the_cohort() -> None:
    images = _plan(0.9)
    assert 1400 < len(images) < 1700
    per_patient = Counter(image.view.patient for image in images)
    assert len(per_patient) == 730
    assert set(per_patient.values()) == set(range(1, 7))
    grades = Counter(image.view.grade for image in images if image.view.grade)
    assert set(grades) == {1, 2, 3}


def test_patient_has_one_name_one_split_and_one_site() -> None:
    seen = defaultdict(set)
    for image in _plan(0.5):
        facts = names.parse(image.path)
        seen[image.view.patient].add((facts.patient, facts.source_split, facts.kind, image.site))
    assert all(len(found) == 1 for found in seen.values())
    assert len({next(iter(found))[0] for found in seen.values()}) == len(seen)


def _number(image: PlannedImage) -> int:
    """Return the number in the image's name."""
    group = names.parse(image.path).split_group
    return int(re.sub(r"^NORMAL2-IM-|^IM-|^person", "", group))


def test_file_numbers_and_series_reveal_neither_site_nor_split() -> None:
    scores = defaultdict(list)
    for seed in range(6):
        images = _plan(0.5, seed)
        for kind in ("normal", "bacterial", "viral"):
            of_kind = [image for image in images if image.view.kind == kind]
            number = [_number(image) for image in of_kind]
            at_b = [image.site == "B" for image in of_kind]
            in_test = [image.path.startswith("test") for image in of_kind]
            scores["site by number"].append(roc_auc_score(at_b, number))
            if kind == "normal":
                second = ["NORMAL2" in image.path for image in of_kind]
                scores["site by series"].append(roc_auc_score(at_b, second))
            scores["split by number"].append(roc_auc_score(in_test, number))
    for what, values in scores.items():
        assert np.mean(values) == pytest.approx(0.5, abs=0.06), what
