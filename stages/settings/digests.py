"""Names for what a stage is about to do, from all that decides its outcome."""

import dataclasses
from pathlib import Path
from typing import Any

from stages.engine.closure import code_digests
from stages.engine.files import digest, sha256_file
from stages.settings import paths
from stages.settings.params import Params

JUDGED = ("fetch", "preprocess", "train", "evaluate")
"""The stages whose params and code decide what a run's files hold."""


def training_digest(params: Params, data_digest: str, root: Path = Path()) -> str:
    """Name of a training: its data, its params, the code that it reaches, the locked environment.

    Checkpoints and the journal lie under this name, so that no other training takes them up.
    root: of the tree whose code and lock it is.
    """
    return digest(
        {
            "data": data_digest,
            "params": dataclasses.asdict(params.train),
            "code": code_digests(["stages.train"], root),
            "lock": sha256_file(root / paths.LOCK),
        }
    )


def judged_params(params: Params) -> dict[str, Any]:
    """The sections fetch to evaluate as nested mappings."""
    return {name: dataclasses.asdict(getattr(params, name)) for name in JUDGED}


def judged_code(root: Path = Path()) -> dict[str, str]:
    """SHA-256 of every file that the stages fetch to evaluate reach, by path."""
    return code_digests([f"stages.{name}" for name in JUDGED], root)
