"""What DVC tells of experiments, and the commands that train and list them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.engine.errors import InputError
from stages.engine.keys import differences
from stages.history import experiments
from stages.history.experiments import Experiment
from stages.studies import ablation, seeds
from tests.workspace import ROOT, Workspace

PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
EPOCHS = PARAMS["train"]["epochs"]


def entry(rev: str, name: str, timestamp: str, error: str | None = None) -> dict[str, Any]:
    data = {
        "timestamp": timestamp,
        "params": {"params.yaml": {"data": {"train": {"seed": 1}}}},
        "metrics": {"data/validation.json": {"data": {"val": {}}}},
    }
    return {"rev": rev, "name": name, "data": data, "error": error and {"msg": error, "type": ""}}


def test_finished_queued_and_failed_experiments_are_told_apart() -> None:
    shown = [
        {"rev": "workspace", "name": None, "data": {}, "error": None, "experiments": None},
        {
            **entry("c" * 40, "main", "2026-01-01T00:00:00"),
            "experiments": [
                {"revs": [entry("d" * 40, "later", "2026-01-03T00:00:00")],
                 "executor": {"state": "queued"}, "name": "later"},
                {"revs": [entry("e" * 40, "bad", "2026-01-02T12:00:00", "it broke")],
                 "executor": {"state": "failed"}, "name": "bad"},
                {"revs": [entry("f" * 40, "good", "2026-01-02T11:00:00")],
                 "executor": None, "name": "good"},
            ],
        },
    ]  # fmt: skip
    baseline, found = experiments.parse_listing(shown)
    assert (baseline.name, baseline.state, baseline.date) == ("main", "", "2026-01-01")
    assert [one.name for one in found] == ["good", "bad", "later"]
    assert [one.state for one in found] == ["", "failed: it broke", "queued"]
    # DVC shows the figures of the commit beside what never ran.
    assert [one.validation for one in found] == [{"val": {}}, None, None]
    assert found[0].params == {"train": {"seed": 1}}
    with pytest.raises(InputError, match="expected a commit"):
        experiments.parse_listing(shown[:1])


def test_settings_change_a_copy_of_the_params_and_nothing_unknown() -> None:
    found = seeds.changed(PARAMS, ["train.seed=7", "train.augment.area=[0.5, 1.0]"])
    assert found["train"]["seed"] == 7
    assert found["train"]["augment"]["area"] == [0.5, 1.0]
    assert PARAMS["train"]["seed"] == 0
    for bad in ("train.sed=7", "train.seed", "train.seed.deep=1", "seed=1"):
        with pytest.raises(InputError, match=re.escape(f"-S {bad}: expected section.key=value")):
            seeds.changed(PARAMS, [bad])


def test_differences_name_the_dotted_keys() -> None:
    other = seeds.changed(PARAMS, ["train.seed=7", "train.augment.flip=false"])
    assert differences(PARAMS, other) == {
        "train.augment.flip": (True, False),
        "train.seed": (0, 7),
    }
    assert differences(PARAMS, PARAMS) == {}


class Dvc:
    """Experiments that are there at once."""

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


def test_what_is_trained_is_not_trained_again(dvc: Dvc) -> None:
    seeds.run(2, "seed", [])
    seeds.run(3, "seed", [])
    assert dvc.trained == ["seed-0", "seed-1", "seed-2"]


def test_the_test_split_is_read_where_it_is_asked_for_and_not_before(dvc: Dvc) -> None:
    assert "| test |" not in seeds.run(2, "seed", [])
    assert dvc.judged == set()
    told = seeds.run(2, "seed", [], test=True)
    assert "| test | AUROC | 0.700 | 0.000 |" in told
    assert dvc.trained == ["seed-0", "seed-1", "seed-0", "seed-1"]  # DVC has the trainings
    assert seeds.run(2, "seed", [], test=True) == told
    assert len(dvc.trained) == 4


def test_a_name_taken_by_another_recipe_is_refused_before_anything_is_trained(
    dvc: Dvc, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds.run(2, "seed", [])
    with pytest.raises(InputError, match=rf"train.epochs is {EPOCHS} there and 9 here"):
        seeds.run(3, "seed", ["train.epochs=9"])
    monkeypatch.setattr(experiments, "changed_code", lambda _: ["stages/train.py"])
    with pytest.raises(InputError, match=r"stages/train.py has changed since"):
        seeds.run(3, "seed", [])
    assert dvc.trained == ["seed-0", "seed-1"]


def test_bad_params_are_refused_before_anything_is_trained(dvc: Dvc) -> None:
    with pytest.raises(InputError, match=r"train.epochs: expected"):
        seeds.run(2, "seed", ["train.epochs=0"])
    with pytest.raises(InputError, match="expected a number from 1"):
        seeds.run(0, "seed", [])
    assert dvc.trained == []


def test_a_failed_training_leaves_the_workspace_as_it_was(
    dvc: Dvc, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Path("params.yaml").read_bytes()

    def fail(name: str, settings: list[str], target: str) -> None:
        Path("params.yaml").write_text("changed", encoding="utf-8")
        Path("dvc.lock").write_text("new", encoding="utf-8")
        raise InputError(f"{name}: it broke")

    monkeypatch.setattr(experiments, "train", fail)
    with pytest.raises(InputError, match="seed-0: it broke"):
        seeds.run(1, "seed", [])
    assert Path("params.yaml").read_bytes() == before
    assert not Path("dvc.lock").exists()


def test_no_experiments_make_no_table(dvc: Dvc) -> None:
    from stages.settings import params

    with pytest.raises(InputError, match="HEAD: expected experiments that start from it"):
        ablation.run(params.load(), "HEAD", paired=False)
    seeds.run(1, "seed", [])
    with pytest.raises(InputError, match=r"--paired: expected a trained baseline, received main"):
        ablation.run(params.load(), "HEAD", paired=True)
    with pytest.raises(InputError, match=r"--against other: .* \(seed-0\)"):
        ablation.run(params.load(), "HEAD", against="other", paired=False)


def test_changes_are_told_against_the_baseline_that_is_named(dvc: Dvc) -> None:
    from stages.settings import params

    seeds.run(2, "seed", ["train.epochs=9"])
    told = ablation.run(params.load(), "HEAD", against="seed-0", paired=False).splitlines()
    assert told[2].startswith("|  | seed-0 | none: the baseline |")
    assert told[3].startswith("|  | seed-1 | train.seed 0 → 1 |")
    assert len(told) == 4  # the commit itself is no row beside another baseline


@pytest.mark.slow
def test_seeds_and_their_ablation_table(copied: Workspace) -> None:
    model = (copied.folder / "data/model/model.keras").read_bytes()
    words = ("pneumonia", "study", "seeds", "2", "--name", "short", "-S", "train.epochs=2")
    first = copied.run(*words)
    assert first.stdout.startswith("| Role | Figure | Mean | SD | Least | Greatest | short-0 |")
    assert copied.run("git", "status", "--porcelain").stdout == ""
    assert (copied.folder / "data/model/model.keras").read_bytes() == model

    again = copied.run(*words)
    assert again.stdout == first.stdout
    assert "Reproducing" not in again.stderr
    refused = copied.run("pneumonia", "study", "seeds", "1", "--name", "short", expect=1)
    assert "train.epochs is 2 there and 15 here" in refused.stderr

    judged = copied.run(*words, "--test")
    assert "| test | AUROC |" in judged.stdout
    assert "epoch 1/2" not in judged.stderr  # nothing is trained again
    assert (
        first.stdout.splitlines()[2:]
        == judged.stdout.splitlines()[-len(first.stdout.splitlines()) + 2 :]
    )
    assert copied.run("git", "status", "--porcelain").stdout == ""

    copied.run("pneumonia", "study", "ablation", "--paired", "--write", "docs/log.md")
    log = copied.text("docs/log.md")
    assert re.search(r"\| short-1 \| train.epochs 15 → 2; train.seed 0 → 1 \|", log)
    assert re.search(r"\| \d+\.\d min at \d+ images/s \|", log)
    assert "shift_auroc against the first row" in log
