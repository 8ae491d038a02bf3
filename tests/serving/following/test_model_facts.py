"""What an answer says of its version, from the files of the version."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.engine.errors import InputError
from stages.serving.following import model_facts
from stages.serving.following.reasons import in_public
from tests.serving.running import served_model


def test_headline_figures_come_with_their_intervals() -> None:
    auroc = {"value": 0.9, "low": 0.8, "high": 0.95}
    figures = {"test": {"auroc": auroc, "sensitivity": {"value": 0.9}, "images": 7}, "val": {}}
    assert model_facts.headline(figures) == {"test": {"auroc": auroc}}
    assert model_facts.headline({"val": {"auroc": auroc}}) == {}
    assert model_facts.headline({}) == {}


@pytest.mark.parametrize("content", ["{}", "[]", '{"prior": 0.5, "thresholds": {}}', "no"])
def test_an_operating_point_without_its_numbers_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "operating_point.json").write_text(content)
    with pytest.raises(InputError, match="expected"):
        model_facts.read_point(tmp_path / "operating_point.json")


def reference(tmp_path: Path, **roles: tuple[int, list[float]]) -> Path:
    content: dict[str, Any] = {
        "format": 1,
        "roles": {
            name: {"quantiles": {"domain_score": {"known": known, "values": values}}}
            for name, (known, values) in roles.items()
        },
    }
    (tmp_path / "reference.json").write_text(json.dumps(content))
    return tmp_path / "reference.json"


def test_the_percentile_is_among_validation_images_of_all_roles(tmp_path: Path) -> None:
    drawn = np.random.default_rng(0)
    small, large = np.sort(drawn.gamma(2, 0.1, 400)), np.sort(drawn.gamma(6, 0.1, 800))
    at = (2 * np.arange(200) + 1)[:, None]
    path = reference(
        tmp_path,
        train=(5000, [0.0] * 200),
        val=(400, small[(at * 400 // 400)[:, 0]].tolist()),
        val_matched=(800, large[(at * 800 // 400)[:, 0]].tolist()),
    )
    served = served_model(domain_scores=model_facts.domain_scores(path))
    pooled = np.concatenate([small, large])
    for score in (0.05, 0.2, 0.5, 0.8, 1.2):
        expected = 100 * (pooled < score).mean()
        assert served.percentile(score) == pytest.approx(expected, abs=1)


def test_without_validation_roles_or_values_there_is_what_there_is(tmp_path: Path) -> None:
    assert len(model_facts.domain_scores(reference(tmp_path, train=(2, [0.1, 0.2])))) == 200
    assert model_facts.domain_scores(reference(tmp_path, val=(0, []))) == ()
    assert model_facts.domain_scores(reference(tmp_path)) == ()
    assert served_model(domain_scores=()).percentile(0.5) is None


class PackagedError(Exception):
    """Stands for the InputError of a version's own code."""


PackagedError.__name__ = "InputError"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InputError("/tmp/kept/versions/ab/model.keras: damaged"), "model.keras: damaged"),
        (PackagedError("file:///srv/x/y.json is missing"), "y.json is missing"),
        (InputError("https://u:p@host/a/b: no"), "https://host/a/b: no"),
        (InputError("two\nlines"), r"two\nlines"),
        (KeyError("/home/person"), "it fails with KeyError"),
        (PermissionError(13, "Permission denied", "/home/person/x"), "x: permission denied"),
    ],
)
def test_a_reason_has_no_path_and_no_secret(error: Exception, expected: str) -> None:
    assert in_public(error).startswith(expected)
    assert len(in_public(InputError("x" * 9999))) < 500
