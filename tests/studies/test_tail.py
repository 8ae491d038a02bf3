"""The study of the tail: which images a model trains on, and what is made of its answers."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.engine.errors import InputError, InvalidSettings
from stages.images.shards import Role, Shards
from stages.images.shift import kinds
from stages.metrics.ranking import auroc
from stages.studies import tail, tail_blocks, tail_figures, tail_pages, tail_table
from stages.studies.tail_table import BLOCK, COPIES, MATCHED, VAL, TailTable
from tests.metrics.sample_images import OPTIONS
from tests.workspace import ROOT, Workspace, copy_tree

PX = 32
FOLDS = 3


class FakeShards(Shards):
    """Shards in memory: 40 normals of 20 groups and 40 positives of 20, a fifth of both in val."""

    def __init__(self, *, with_tail: bool = False, mixed: bool = False) -> None:
        rng = np.random.default_rng(0)
        rows = []
        for number in range(80):
            label = int(number >= 40)
            group = f"{label}-{number // 2}"
            role = "val" if number // 2 % 5 == 0 else "train"
            if mixed and number == 79:  # a patient with images of both classes
                group, role = "0-1", "train"
            rows.append((f"{number}.png", role, label, group))
        if with_tail:
            rows.append(("80.png", "val_tail", 0, "0-80"))
        frame = pd.DataFrame(rows, columns=["id", "role", "label", "split_group"])
        frame["patient"] = frame["split_group"]
        copies = frame[frame["role"] == "val"].assign(role="val_matched")
        records = pd.concat([frame, copies], ignore_index=True)
        pixels = rng.integers(0, 256, (len(records), PX, PX)).astype(np.uint8)
        super().__init__(Path("data/shards"), {"options": {"seed": 0}}, records)
        self.__dict__["pixels"] = pixels

    def role(self, name: str) -> Role:
        rows = np.flatnonzero(self.records["role"] == name)
        return Role(
            name, self.__dict__["pixels"][rows], self.records.iloc[rows].reset_index(drop=True)
        )


@pytest.mark.parametrize("nuisance", kinds.NUISANCES)
def test_every_normal_is_in_one_block_and_no_group_in_two(nuisance: str) -> None:
    shards = FakeShards()
    blocks = tail_blocks.make_blocks(shards, nuisance, FOLDS)
    held_out = [set(block.normals.records["id"]) for block in blocks]
    assert sorted(name for part in held_out for name in part) == sorted(
        f"{number}.png" for number in range(40)
    )
    groups = [set(block.normals.records["split_group"]) for block in blocks]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 20
    assert {len(part) for part in groups} == {6, 7}


def test_a_model_sees_nobody_of_its_block_and_no_validation_positive() -> None:
    shards = FakeShards(mixed=True)
    for block in tail_blocks.make_blocks(shards, "frame", FOLDS):
        trained, groups = block.train.records, set(block.normals.records["split_group"])
        assert set(trained["role"]) == {"train"}
        assert not groups & set(trained["split_group"])
        assert ("79.png" in set(trained["id"])) == ("0-1" not in groups)
        for role in block.validation:
            normal = role.records["label"] == 0
            assert not groups & set(role.records["split_group"][normal])
            assert len(set(role.records["id"][~normal])) == 8  # all of them judge every model
        assert not set(block.val.records["id"]) & set(trained["id"])


def test_the_first_block_looks_most_like_positives() -> None:
    shards = FakeShards()
    bright = shards.records.index[shards.records["label"] == 1]
    shards.__dict__["pixels"][bright] = 250
    alike = shards.records.index[shards.records["split_group"].isin(["0-3", "0-7"])]
    shards.__dict__["pixels"][alike] = 240
    for nuisance in ("frame", "tone"):
        first = tail_blocks.make_blocks(shards, nuisance, 10)[0]
        assert set(first.normals.records["split_group"]) == {"0-3", "0-7"}, nuisance


@pytest.mark.parametrize(
    ("nuisance", "folds", "message"),
    [
        ("lung", 3, "--nuisance: expected one of frame, tone, texture, shape, received 'lung'"),
        ("frame", 1, "--folds: expected a number from 2 to 20, received 1"),
        ("frame", 20, "expected normals in every block and outside it|received none in"),
    ],
)
def test_blocks_that_there_are_not_are_refused(nuisance: str, folds: int, message: str) -> None:
    shards = FakeShards()
    if folds == 20:  # all normals of one group
        shards.records.loc[shards.records["label"] == 0, "split_group"] = "all"
    with pytest.raises(InputError, match=message):
        tail_blocks.make_blocks(shards, nuisance, folds)


def test_normals_that_are_held_out_already_are_refused() -> None:
    with pytest.raises(InputError, match=r"set preprocess\.tail_fraction to 0"):
        tail_blocks.make_blocks(FakeShards(with_tail=True), "frame", FOLDS)


def test_settings_change_the_section_train_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    assert tail.with_settings(["train.epochs=3"]).train.epochs == 3
    with pytest.raises(InputError, match=r"-S preprocess.image_px=96: expected a key of the sec"):
        tail.with_settings(["train.epochs=3", "preprocess.image_px=96"])
    with pytest.raises(InvalidSettings, match=r"train\.epochs"):
        tail.with_settings(["train.epochs=0"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": 0}, "--seeds: expected a number from 1, received 0"),
        ({"first": 6}, "--first: expected a number from 1 to 5, received 6"),
        ({"first": 0}, "--first: expected a number from 1 to 5, received 0"),
    ],
)
def test_numbers_that_there_are_not_are_refused_first(
    changes: dict[str, int], message: str
) -> None:
    asked: dict[str, Any] = {"seeds": 1, "first": None, "folds": 5, "nuisance": "frame"} | changes
    with pytest.raises(InputError, match=message):
        tail.run(copies=0, stressed=False, against=None, settings=[], **asked)


def _table(seed: int, *, shift: float = 0.0, scale: float = 1.0) -> TailTable:
    """Two models' answers for 60 positives each, 40 normals of their own and 30 others."""
    rng = np.random.default_rng(seed)
    rows = []
    for block in (1, 2):
        sets = {(VAL, 1): (60, 2.0), (BLOCK, 0): (40, shift), (VAL, 0): (30, -1.0)}
        sets |= {(MATCHED, 0): (30, 0.0), (COPIES, 0): (40, shift)}
        for (images, label), (count, middle) in sets.items():
            own = block if images in (BLOCK, COPIES) else 0
            rows += [
                (
                    block,
                    0,
                    images,
                    f"{images}{label}{own}-{n}",
                    label,
                    f"{label}-{own}-{n // 2}",
                    logit,
                )
                for n, logit in enumerate(rng.normal(middle, 1, count) * scale**block)
            ]
    return TailTable(pd.DataFrame(rows, columns=list(tail_table.COLUMNS)), {"folds": 2})


def _score(table: TailTable, images: str) -> dict[str, float]:
    score = tail_figures.scorer(table.rows, images)
    return {name: float(v[0]) for name, v in score(np.ones((1, len(table.rows)))).items()}


def test_figures_agree_with_loops_over_models() -> None:
    table = _table(0)
    areas, spared, thresholds = [], [], []
    for block in (1, 2):
        mine = table.rows[table.rows["block"] == block]
        sick = mine[(mine["images"] == VAL) & (mine["label"] == 1)]["logit"].to_numpy()
        well = mine[mine["images"] == BLOCK]["logit"].to_numpy()
        label = np.repeat([1, 0], [len(sick), len(well)])
        areas.append(auroc(label, np.concatenate([sick, well]), np.ones((1, len(label))))[0])
        cut = next(c for c in sorted(sick, reverse=True) if np.mean(sick >= c) >= 0.95)
        spared += list(well < cut)
        thresholds.append((sick, well))
    found = _score(table, BLOCK)
    assert found["auroc"] == pytest.approx(np.mean(areas))
    assert found["specificity"] == pytest.approx(np.mean(spared))
    gaps = []
    for level in np.linspace(0.5, 1, 501):
        cuts = [np.quantile(sick, 1 - level, method="lower") for sick, _ in thresholds]
        right = [well < cut for cut, (_, well) in zip(cuts, thresholds, strict=True)]
        gaps.append((abs(np.mean(right) - level), level))
    assert found["equal"] == pytest.approx(min(gaps)[1], abs=0.02)


def test_figures_do_not_depend_on_the_scale_of_a_models_logits() -> None:
    assert _score(_table(0), BLOCK) == _score(_table(0, scale=7.0), BLOCK)


def test_weights_count_as_copies_of_images() -> None:
    table = _table(0)
    weight = np.random.default_rng(1).integers(0, 3, len(table.rows))
    score = tail_figures.scorer(table.rows, BLOCK)
    weighted = score(weight[None].astype(np.float64))
    rows = table.rows.loc[np.repeat(np.arange(len(weight)), weight)].reset_index(drop=True)
    copied = tail_figures.scorer(rows, BLOCK)(np.ones((1, len(rows))))
    for name, value in weighted.items():
        assert value[0] == pytest.approx(copied[name][0], abs=1e-12 if name != "equal" else 0.01)


def test_the_pages_name_every_block_and_compare_recipes() -> None:
    text = tail_pages.tables(_table(0), OPTIONS, _table(0, shift=1.0))
    first, compared = text.split("\n\n")
    titles = [line.split(" | ")[0] for line in first.splitlines()[2:]]
    expected = ["| block 1", "| block 2", "| all blocks"]
    assert titles == [*expected, "| other normals of val, by the same models"]
    gain = next(line for line in compared.splitlines() if line.startswith("| all blocks |"))
    assert gain.split(" | ")[1].startswith("+0.")  # the other recipe's normals lie higher
    other = _table(0)
    other.rows["id"] += "x"
    with pytest.raises(InputError, match="--against: expected answers on the same images"):
        tail_pages.tables(_table(0), OPTIONS, other)


def test_answers_are_read_as_they_were_kept(tmp_path: Path) -> None:
    table = _table(0)
    table.save(tmp_path / "kept.npz")
    found = tail_table.load(tmp_path / "kept.npz")
    assert found.facts == table.facts
    expected = table.rows.astype({"logit": np.float32})
    pd.testing.assert_frame_equal(found.rows, expected, check_dtype=False)
    (tmp_path / "other.npz").write_bytes(b"no archive")
    for name in ("other.npz", "missing.npz"):
        with pytest.raises(InputError, match="expected the answers that `pneumonia study tail`"):
            tail_table.load(tmp_path / name)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Shards of some phantoms, and no model."""
    workspace = copy_tree(tmp_path_factory.mktemp("tail") / "repository")
    workspace.params(
        {
            "fetch.phantom.patients_train": 120,
            "preprocess.matched_donors": 1,
            "preprocess.audit.leaks": "warn",
            "train.epochs": 2,
        }
    )
    workspace.run("dvc", "repro", "preprocess")
    return workspace


@pytest.mark.slow
def test_the_command_judges_phantoms_and_trains_nothing_twice(workspace: Workspace) -> None:
    command = ["pneumonia", "study", "tail", "--folds", "2", "--copies", "1"]
    first = workspace.run(*command)
    assert "block 2: " in first.stderr
    again = workspace.run(*command)
    assert again.stdout == first.stdout
    assert "to train on" in first.stderr
    assert "to train on" not in again.stderr
    assert "epoch" not in first.stdout  # a table alone, so that it can be kept
    kept = again.stderr.split("answers are kept in ")[1].strip()
    other = workspace.run(
        *command, "--no-stress", "--against", kept, "-S", "train.label_smoothing=0.1"
    )
    assert "| This less the other recipe |" in other.stdout
    views = workspace.run(*command, "--no-stress", "--against", kept, "-S", "train.views=2")
    assert "to train on" not in views.stderr  # the same weights, other answers
    assert "| all blocks | +0.000 (+0.000 to +0.000)" not in views.stdout
    refused = workspace.run(*command, "-S", "preprocess.image_px=32", expect=1)
    assert "expected a key of the section train" in refused.stderr
