"""Which changes that `dvc status` reports make dvc.lock stale."""

from typing import Any

import pytest

from tests.stale_lock import stale
from tests.workspace import Workspace


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        # Data that is missing, or was made on a machine of another class.
        ({"train": [{"changed deps": {"data/shards": "deleted"}}]}, []),
        ({"train": [{"changed outs": {"data/model": "not in cache"}}]}, []),
        # These always run.
        ({"inputs": ["always changed"]}, []),
        ({"register": ["always changed"]}, []),
        ({"register": [{"changed deps": {"stages/register.py": "modified"}}]}, []),
        (
            {
                "train": [
                    {"changed deps": {"data/shards": "deleted", "stages/train.py": "modified"}}
                ]
            },
            ["train: stages/train.py: modified"],
        ),
        (
            {"fetch": [{"changed deps": {"params.yaml": {"fetch": "modified"}}}]},
            ["fetch: params.yaml: {'fetch': 'modified'}"],
        ),
        ({"evaluate": ["changed command"]}, ["evaluate: changed command"]),
    ],
)
def test_only_code_params_and_commands_make_the_lock_stale(
    changes: dict[str, list[Any]], found: list[str]
) -> None:
    assert stale(changes) == found


@pytest.mark.slow
def test_changed_code_params_and_command_are_named(copied: Workspace) -> None:
    for path, change in (
        ("stages/train.py", lambda text: f"{text}\n"),
        ("params.yaml", lambda text: text.replace("draws: 100", "draws: 101")),
        ("dvc.yaml", lambda text: text.replace("-m stages.fetch", "-Wd -m stages.fetch")),
    ):
        changed = change(copied.text(path))
        assert changed != copied.text(path)
        (copied.folder / path).write_text(changed, encoding="utf-8")
    refused = copied.run("python", "-m", "tests.stale_lock", expect=1)
    for named in ("train: stages/train.py: modified", "evaluate: params.yaml", "fetch: changed"):
        assert named in refused.stderr
