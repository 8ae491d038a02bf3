"""Champions come and go by the real commands, in a small repository."""

import json

import pytest

from tests.workspace import Workspace


def champions(workspace: Workspace) -> list[tuple[str, str, str]]:
    lines = json.loads(workspace.run("pneumonia", "history", "--json").stdout)
    return [(line["from"], line["to"], line["by"]) for line in lines if line["alias"] == "champion"]


@pytest.mark.slow
def test_challengers_meet_the_champion_on_the_same_images(copied: Workspace) -> None:
    if not champions(copied):  # the copy may come after another test has promoted
        copied.run("pneumonia", "promote")
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

    # Another split: the champion predicts raw images, without the patients it was trained on.
    copied.params({"preprocess.seed": 1})
    copied.run("dvc", "repro")
    copied.commit()
    judged = copied.run(
        "pneumonia", "promote", "3", "--override", "--reason", "a test wants to see it"
    )
    assert "without the patients that either was trained on" in judged.stdout
    back = copied.run("pneumonia", "rollback", "--reason", "seen")
    assert "champion is now version 2 (before: version 3)" in back.stdout
    assert champions(copied) == [
        ("none", "1", "promote"),
        ("1", "2", "promote"),
        ("2", "3", "promote"),
        ("3", "2", "rollback"),
    ]
