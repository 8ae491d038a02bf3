"""Which commands make a record committed and a version promotable."""

import json
import subprocess
from pathlib import Path

import pytest

from stages.history import lineage, remedies
from stages.registry.assessment import PINNED, TRAINED, WEIGHTS_PINNED
from tests.history import test_lineage

repository = test_lineage.repository


def release_by(machine: str) -> None:
    facts = {"model_digest": test_lineage.MODEL, "instruction_set": machine}
    Path("data/release.json").write_text(json.dumps(facts))


def commit() -> None:
    test_lineage.write_lock()
    subprocess.run(["git", "add", "data/release.json"], check=True)
    test_lineage.commit()


def test_a_machine_of_another_class_commits_its_record(repository: Path) -> None:
    assert remedies.of_another_class() is None  # HEAD has no release.json
    release_by("x86-64-v3")
    commit()
    assert remedies.of_another_class() is None
    Path("data/model/model.keras").write_text("another")
    assert remedies.of_another_class() is None  # another training here
    release_by("aarch64")
    words = remedies.of_another_class()
    assert words is not None
    assert "(x86-64-v3; this one: aarch64)" in words
    assert "data/model, data/release.json" in words
    assert words.endswith(remedies.listed(remedies.COMMIT))
    commit()
    assert remedies.of_another_class() is None


def test_outside_a_repository_there_are_no_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert remedies.of_another_class() is None


def commands(*failed: str, closed: bool = True) -> list[str]:
    text = remedies.of_refusal(
        failed,
        closed=closed,
        pinned={PINNED: "", WEIGHTS_PINNED: "WEIGHTS.h5"},
        trained=TRAINED,
        again="pneumonia promote",
    )
    return [line.strip() for line in text.splitlines() if line]


def test_a_refusal_ends_with_the_commands_that_help(repository: Path) -> None:
    committed, *_ = lineage.compare_with_head("")[0]
    assert commands(committed) == [*remedies.COMMIT, "pneumonia promote"]
    assert commands(committed, closed=False)[0] == "dvc repro"
    assert commands(TRAINED) == [
        "dvc repro --force --single-item train",
        "dvc repro",
        *remedies.COMMIT,
        "pneumonia promote",
    ]
    # Without a path it pins what params name, one archive or several.
    assert commands(PINNED)[:2] == ["pneumonia data pin", "dvc repro"]
    assert commands(WEIGHTS_PINNED)[0] == "pneumonia data pin WEIGHTS.h5"
    assert commands("auroc, lower bound at least 0.9") == []
