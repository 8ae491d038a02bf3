"""Champions come and go by the real commands, in a small repository."""

import json
import re

import pytest

from tests.test_pipeline import ran
from tests.workspace import NO_ROLES, Workspace


def champions(workspace: Workspace) -> list[tuple[str, str, str]]:
    lines = json.loads(workspace.run("pneumonia", "history", "--json").stdout)
    return [(line["from"], line["to"], line["by"]) for line in lines if line["alias"] == "champion"]


@pytest.mark.slow
def test_challengers_meet_the_champion_on_the_same_images(copied: Workspace) -> None:
    if not champions(copied):  # the copy may come after another test has promoted
        promoted = copied.run("pneumonia", "promote")
    else:  # and that test takes the frozen roles back
        promoted = copied.run("pneumonia", "promote")
        assert "version 1 is the champion already" in promoted.stdout
    assert "groups of patients are frozen (train " in promoted.stdout
    assert copied.run("git", "diff", "--name-only").stdout.split() == ["data/roles.csv"]
    lines = copied.text("data/roles.csv").splitlines()
    assert len(lines) > 40
    assert all(
        re.fullmatch(r"[0-9a-f]{20},(train|val|test),1,[0-9a-f]{8}", line) for line in lines[1:]
    )
    # Nothing refuses before the pipeline has run with it, nor does it train.
    for command in ("results", "sync"):
        assert "of other code" not in copied.run("pneumonia", command).stdout
    copied.run("dvc", "repro", "--single-item", "register")
    copied.commit()
    again = copied.run("pneumonia", "promote", expect=1)
    assert "version 1 is the champion already; nothing to do" in again.stderr
    tracked = ("data/validation.json", "data/report/metrics.json", "data/release.json")
    before = [copied.text(name) for name in tracked]
    assert ran(copied.run("dvc", "repro")) == ["inputs", "preprocess", "register"]
    assert [copied.text(name) for name in tracked] == before
    copied.commit()
    # So few images can't prove that a model is not worse: with these margins any passes.
    wide = {f"register.rule.margin_{name}": 1.0 for name in ("sensitivity", "specificity", "tail")}

    copied.params({"train.seed": 1, **wide})
    copied.run("dvc", "repro")
    refused = copied.run("pneumonia", "promote", expect=1)
    assert "data/model is what HEAD's dvc.lock names" in refused.stdout
    assert refused.stderr.startswith("error: pneumonia-phantom version 2 stays where it is: ")
    copied.commit()
    promoted = copied.run("pneumonia", "promote")
    assert "sensitivity minus champion's" in promoted.stdout
    assert "as stored in the shards" in promoted.stdout
    assert "champion is now version 2 (before: version 1)" in promoted.stdout

    # Another seed moves nobody whose role is frozen.
    copied.params({"preprocess.seed": 2})
    done = copied.run("dvc", "repro", "preprocess")
    assert "groups of patients in another role than seed, fractions and name give" in done.stdout
    assert copied.text("data/roles.csv").splitlines() == lines
    # Without them, the champion predicts raw images, without the patients it was trained on.
    (copied.folder / "data/roles.csv").write_text(NO_ROLES)
    copied.run("dvc", "repro")
    copied.commit()
    judged = copied.run(
        "pneumonia", "promote", "3", "--override", "--reason", "a test wants to see it"
    )
    assert "without the patients that either was trained on" in judged.stdout
    assert copied.text("data/roles.csv").splitlines()[1:] != lines[1:]
    back = copied.run("pneumonia", "rollback", "--reason", "seen")
    assert "champion is now version 2 (before: version 3)" in back.stdout
    assert champions(copied) == [
        ("none", "1", "promote"),
        ("1", "2", "promote"),
        ("2", "3", "promote"),
        ("3", "2", "rollback"),
    ]
