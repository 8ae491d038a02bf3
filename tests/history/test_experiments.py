"""The experiments that DVC lists."""

from typing import Any

import pytest

from stages.engine.errors import InputError
from stages.history import experiments


def entry(rev: str, name: str, timestamp: str, error: str | None = None) -> dict[str, Any]:
    data = {
        "timestamp": timestamp,
        "params": {"params.yaml": {"data": {"train": {"seed": 1}}}},
        "metrics": {"data/validation.json": {"data": {"val": {}}}},
    }
    return {"rev": rev, "name": name, "data": data, "error": error and {"msg": error, "type": ""}}


def test_finished_queued_and_failed_experiments_are_distinguished() -> None:
    workspace: dict[str, Any] = {
        "rev": "workspace",
        "name": None,
        "data": {},
        "error": None,
        "experiments": None,
    }
    later = entry("d" * 40, "later", "2026-01-03T00:00:00")
    bad = entry("e" * 40, "bad", "2026-01-02T12:00:00", "it broke")
    good = entry("f" * 40, "good", "2026-01-02T11:00:00")
    commit = {
        **entry("c" * 40, "main", "2026-01-01T00:00:00"),
        "experiments": [
            {"revs": [later], "executor": {"state": "queued"}, "name": "later"},
            {"revs": [bad], "executor": {"state": "failed"}, "name": "bad"},
            {"revs": [good], "executor": None, "name": "good"},
        ],
    }
    baseline, found = experiments.parse_listing([workspace, commit])
    assert (baseline.name, baseline.state, baseline.date) == ("main", "", "2026-01-01")
    assert [one.name for one in found] == ["good", "bad", "later"]
    assert [one.state for one in found] == ["", "failed: it broke", "queued"]
    # DVC gives what never ran the figures of the commit.
    assert [one.validation for one in found] == [{"val": {}}, None, None]
    assert found[0].params == {"train": {"seed": 1}}
    with pytest.raises(InputError, match="expected a commit"):
        experiments.parse_listing([workspace])
