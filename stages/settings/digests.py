"""Names for a training and a run, made from all that decides them and nothing else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.engine.closure import meaning_digests
from stages.engine.files import digest, read_json, sha256_file
from stages.engine.options import Options
from stages.engine.source_facts import memory
from stages.metrics.options import FigureOptions
from stages.network.options import TrainOptions
from stages.settings import paths

JUDGED = ("fetch", "preprocess", "train", "evaluate")
"""The stages whose files a run consists of."""

_WEIGHTS = ["stages.network.loop", "stages.metrics.monitor", "stages.images.shards"]
"""What decides the weights beside stages/train.py itself: all that these modules reach."""

_AFTER_TRAINING = {"views", "refused_share", "decision_sensitivity"}
"""Params of the section train that decide what is made of the finished weights."""


def training_digest(options: TrainOptions, data_digest: str, root: Path = Path()) -> str:
    """Name of a training: its data, its params, the code that decides weights, the environment.

    Checkpoints and the journal lie under this name, so that no other training resumes from them.
    Code is compared by what it means: a comment or a report's figure does not train again.

    Args:
        options: The section train of params.
        data_digest: Name of the data set (`digest` of the shards' manifest).
        root: Root of the tree with the code, the lock file and data/inputs.json.
    """
    stage = root / "stages/train.py"
    code = meaning_digests(_WEIGHTS, root) | {stage.name: memory().of(stage).meaning}
    return digest(
        {
            "data": data_digest,
            "params": {
                key: value
                for key, value in train_params(options, root).items()
                if key not in _AFTER_TRAINING
            },
            "code": code,
            "lock": sha256_file(root / paths.LOCK),
        }
    )


def train_params(options: TrainOptions, root: Path = Path()) -> dict[str, Any]:
    """The section train; a weights file stands there by its content, as data/inputs.json has it."""
    section = options.model_dump()
    content = outside(root).get("train", {}).get("weights")
    return section | ({"weights": content} if content else {})


def decisive_params(
    options: TrainOptions, figures: FigureOptions, root: Path = Path()
) -> dict[str, Any]:
    """The params that decide model and figures on a given data set."""
    return {
        "train": train_params(options, root),
        "evaluate": figures.model_dump(include=set(FigureOptions.model_fields)),
    }


def judged_params(params: Options) -> dict[str, Any]:
    """The sections fetch to evaluate as nested mappings, for display."""
    return params.model_dump(include=set(JUDGED))


def run_code(root: Path = Path()) -> dict[str, str]:
    """Digest by path of every file that training reaches, comments and positions left out.

    Evaluation computes its figures with the same files; its card and plots are display.
    """
    return meaning_digests(["stages.train"], root)


def outside(root: Path = Path()) -> Mapping[str, Any]:
    """What data/inputs.json records of files outside the repository; empty where it is missing."""
    path = root / paths.INPUTS
    found: Mapping[str, Any] = read_json(path) if path.exists() else {}
    return found
