"""What the stage train reads: kept beside its model, since dvc.lock may name something else.

DVC records params and code as they are after a stage has run, and `dvc commit` as they are now.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stages.engine import checksums
from stages.engine.errors import InputError
from stages.engine.files import digest, sha256_file, write_json
from stages.engine.root import from_root
from stages.metrics.options import EvaluateOptions, FigureOptions
from stages.network.options import TrainOptions
from stages.network.pretrained import published
from stages.network.pretrained.origin import origin_of
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
        section.refuse_changes(self.inputs, read_training().inputs)
        write_json(paths.TRAINED_WITH, self.inputs)


def read_training() -> Training:
    """Read params, code and the name of the data set of a training, params first."""
    options = section.load(TrainOptions, "train")
    figures: FigureOptions = section.load(EvaluateOptions, "evaluate")
    _require_weights(options)
    data = checksums.read_digested(paths.SHARDS / "manifest.json")["digest"]
    first = origin_of(options, digests.outside().get("train", {}).get("weights"))
    inputs = {
        "format": _FORMAT,
        "data": data,
        "params": digests.decisive_params(options, figures),
        "code": digest(digests.run_code()),
        "lock": sha256_file(paths.LOCK),
        "initial_weights": first.facts() if first else None,
    }
    return Training(options, figures, digests.training_digest(options, data), inputs)


def _require_weights(options: TrainOptions) -> None:
    """Raise InputError where the file of weights is not the one that data/inputs.json records."""
    recorded = digests.outside().get("train", {}).get("weights")
    published.require(options, recorded, str(paths.INPUTS))
    if options.weights_file is None or not (file := from_root(options.weights_file)).is_file():
        return  # the network's builder names a missing file
    if (found := sha256_file(file)) != recorded:
        raise InputError(
            f"{options.weights_file}: expected the weights that {paths.INPUTS} records "
            f"({recorded}), received {found}; run the whole `dvc repro`"
        )
