"""A stand-in for DVC's experiments."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.history import experiments
from stages.history.experiments import Experiment
from stages.studies import seeds
from tests.workspace import ROOT

PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


class Dvc:
    """Experiments that are trained at once."""

    def __init__(self) -> None:
        self.trained: list[str] = []
        self.there: dict[str, Experiment] = {}
        self.judged: set[str] = set()

    def train(self, name: str, settings: list[str], target: str = "train") -> None:
        if target == "evaluate":
            self.judged.add(name)
        figures = {"value": 0.9, "low": 0.8, "high": 1.0}
        tree = seeds.changed(PARAMS, settings)
        self.trained.append(name)
        validation = {"val": {"auroc": figures}}
        self.there[name] = Experiment(name, name, "", tree, validation, "")

    def remove(self, name: str) -> None:
        del self.there[name]

    def metrics_at(self, rev: str) -> dict[str, Any] | None:
        return (
            {"test": {"auroc": {"value": 0.7, "low": 0.6, "high": 0.8}}}
            if rev in self.judged
            else None
        )

    def list_experiments(self, rev: str = "HEAD") -> tuple[Experiment, list[Experiment]]:
        return Experiment("main", "1" * 40, "", PARAMS, None, ""), list(self.there.values())


@pytest.fixture
def dvc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Dvc:
    fake = Dvc()
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    for name in ("train", "list_experiments", "remove", "metrics_at"):
        monkeypatch.setattr(experiments, name, getattr(fake, name))
    monkeypatch.setattr(experiments, "changed_code", lambda _: [])
    return fake
