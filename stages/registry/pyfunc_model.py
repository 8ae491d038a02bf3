"""The model as MLflow loads it: a column of image files in, probabilities and decisions out.

MLflow runs this file when a version is loaded ("models from code"); `packaged` puts it and
all that it imports beside the model, under a package name of that version's own.
"""

import json
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE


class BadImages(MlflowException):  # type: ignore[misc]
    """Which images are no usable images, and why; HTTP 400 from a server, with a short text."""

    def __init__(self, message: str) -> None:
        super().__init__(message, error_code=INVALID_PARAMETER_VALUE)

    # MLflow's scoring server puts the request's payload, here a patient's image, before the
    # message of whatever is raised; the first message stands.
    @property
    def message(self) -> str:
        return self._message

    @message.setter
    def message(self, text: str) -> None:
        self._message = getattr(self, "_message", text)


class PneumoniaModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Column `image` (the bytes of image files) to `probability`, `decision`, `model_digest`."""

    def load_context(self, context: Any) -> None:
        from stages.images.options import PixelOptions
        from stages.registry.classifier import ImageClassifier
        from stages.registry.digests import model_digest

        facts = json.loads(Path(context.artifacts["facts"]).read_text(encoding="utf-8"))
        self._model_digest = facts["model_digest"]
        network = Path(context.artifacts["model"])
        point = Path(context.artifacts["operating_point"])
        if model_digest(network, point, facts["pixels"]) != self._model_digest:
            raise MlflowException(
                f"{network.parent}: {network.name}, {point.name} or the pixel options are not "
                f"those of the model {self._model_digest[:12]}; register it again",
                error_code=INVALID_PARAMETER_VALUE,
            )
        self._classifier = ImageClassifier(network, point, PixelOptions(**facts["pixels"]))

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:
        from stages.engine.errors import InputError

        try:
            probability = self._classifier.probability(list(model_input["image"]))
        except InputError as error:
            raise BadImages(str(error)) from None
        return pd.DataFrame(
            {
                "probability": probability,
                "decision": self._classifier.decisions(probability),
                "model_digest": self._model_digest,
            }
        )


mlflow.models.set_model(PneumoniaModel())
