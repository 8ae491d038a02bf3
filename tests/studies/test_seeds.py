"""One recipe with several seeds: the trainings and the table."""

import re
import statistics
from pathlib import Path
from typing import Any

import pytest

from stages.engine.errors import InputError
from stages.history import experiments
from stages.studies import seeds
from stages.studies.seeds import format_table, mean_shift_auroc
from tests.studies.conftest import PARAMS, Dvc
from tests.workspace import Workspace

EPOCHS = PARAMS["train"]["epochs"]


def role(auroc: float, specificity: float | None = 0.5) -> dict[str, Any]:
    def figure(value: float) -> dict[str, float]:
        return {"value": value, "low": value - 0.1, "high": value + 0.1}

    screening = {} if specificity is None else {"specificity": figure(specificity)}
    return {
        "auroc": figure(auroc),
        "decision": {"sensitivity": figure(0.8), "specificity": figure(0.7)},
        "screening": screening,
    }


def cells(table: str, *start: str) -> list[str]:
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()]
    (found,) = [row for row in rows if row[: len(start)] == list(start)]
    return found


def test_mean_and_spread_are_those_of_the_values_with_each_ones_interval_beside() -> None:
    values = {"seed-0": 0.80, "seed-1": 0.90, "seed-2": 0.85}
    table = format_table({name: {"val": role(value)} for name, value in values.items()})
    found = cells(table, "val", "AUROC")
    assert found[2:6] == [
        f"{statistics.mean(values.values()):.3f}",
        f"{statistics.stdev(values.values()):.3f}",
        "0.800",
        "0.900",
    ]
    intervals = ["0.800 (0.700 to 0.900)", "0.900 (0.800 to 1.000)", "0.850 (0.750 to 0.950)"]
    assert found[6:] == intervals
    assert cells(table, "Role")[6:] == list(values)


def test_one_seed_has_no_spread() -> None:
    table = format_table({"seed-0": {"val": role(0.8)}})
    assert cells(table, "val", "AUROC")[2:4] == ["0.800", "one only"]


def test_a_figure_that_one_training_leaves_out_has_no_mean() -> None:
    table = format_table({"a": {"val": role(0.8)}, "b": {"val": role(0.8, specificity=None)}})
    found = cells(table, "val", "Specificity at screening sensitivity")
    assert found[2:] == ["undefined"] * 4 + ["0.500 (0.400 to 0.600)", "undefined"]


def test_the_shift_is_the_mean_over_the_shift_validations() -> None:
    validation = {"val": role(0.99), "val_matched": role(0.9), "val_tail": role(0.8)}
    assert mean_shift_auroc(validation) == pytest.approx(0.85)
    assert mean_shift_auroc({"val": role(0.99)}) is None
    table = format_table({"a": validation, "b": validation})
    assert cells(table, "shift")[2:] == ["0.850", "0.000", "0.850", "0.850", "0.850", "0.850"]


def test_settings_change_a_copy_of_the_params_and_nothing_unknown() -> None:
    found = seeds.changed(PARAMS, ["train.seed=7", "train.augment.area=[0.5, 1.0]"])
    assert found["train"]["seed"] == 7
    assert found["train"]["augment"]["area"] == [0.5, 1.0]
    assert PARAMS["train"]["seed"] == 0
    for bad in ("train.sed=7", "train.seed", "train.seed.deep=1", "seed=1"):
        with pytest.raises(InputError, match=re.escape(f"-S {bad}: expected section.key=value")):
            seeds.changed(PARAMS, [bad])


def test_what_is_trained_is_not_trained_again(dvc: Dvc) -> None:
    seeds.run(2, "seed", [])
    seeds.run(3, "seed", [])
    assert dvc.trained == ["seed-0", "seed-1", "seed-2"]


def test_the_test_split_is_read_only_on_request(dvc: Dvc) -> None:
    assert "| test |" not in seeds.run(2, "seed", [])
    assert dvc.judged == set()
    table = seeds.run(2, "seed", [], test=True)
    assert "| test | AUROC | 0.700 | 0.000 |" in table
    assert dvc.trained == ["seed-0", "seed-1", "seed-0", "seed-1"]  # DVC has the trainings
    assert seeds.run(2, "seed", [], test=True) == table
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
