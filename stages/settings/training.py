"""What the stage train reads: kept beside its model, since dvc.lock may name something else.

DVC records params and code as they are after a stage has run, and `dvc commit` as they are now.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stages.engine import checksums
from stages.engine.files import digest, sha256_file, write_json
from stages.metrics.options import EvaluateOptions, FigureOptions
from stages.network.options import TrainOptions
from stages.settings import digests, paths, section

_FORMAT = 1
"""Of trained_with.json."""


@dataclass(frozen=True)
class Training:
    """What a training reads.

    Attributes:
        options: The section train of params.
        figures: How figures on validation images are computed.
        digest: Name of the training (`digests.training_digest`).
        inputs: The content of trained_with.json: what the run is named by.
    """

    options: TrainOptions
    figures: FigureOptions
    digest: str
    inputs: Mapping[str, Any]

    def write_inputs(self) -> None:
        """Write trained_with.json.

        Raises:
            InvalidSettings: Params, code or data were changed while the training ran.
        """
        data = checksums.read_digested(paths.SHARDS / "manifest.json")["digest"]
        section.refuse_changes(self.inputs, read_training(data).inputs)
        write_json(paths.TRAINED_WITH, self.inputs)


def read_training(data: str) -> Training:
    """Read params and code of a training.

    Args:
        data: Name of the data set (`digest` of the shards' manifest).
    """
    options = section.load(TrainOptions, "train")
    figures: FigureOptions = section.load(EvaluateOptions, "evaluate")
    inputs = {
        "format": _FORMAT,
        "data": data,
        "params": digests.decisive_params(options, figures),
        "code": digest(digests.run_code()),
        "lock": sha256_file(paths.LOCK),
    }
    return Training(options, figures, digests.training_digest(options, data), inputs)
