"""The model as MLflow loads it: a column of image files in, probabilities and decisions out.

MLflow runs this file when a version is loaded ("models from code"). packaged_code.py puts it and
what it imports into the package, under a name of that version's own; so it imports the rest of the
package inside its methods, when MLflow has made the package importable.
"""

import base64
import json
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE


def image_file(image: bytes) -> bytes:
    """Return the bytes of an image file, decoded if they are its base64 text.

    `mlflow models serve` decodes a binary column in `dataframe_split` and `dataframe_records`, and
    not in `inputs` and `instances`. No image file consists of base64's characters alone.
    """
    try:
        return base64.b64decode(image, validate=True)
    except ValueError:
        return image


class ImageModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Column `image` (the bytes of image files) to `probability`, `decision`, `model_digest`."""

    def load_context(self, context: Any) -> None:
        """Load the network and check that it is the one that was registered."""
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
        negative, positive = facts["classes"]
        pixels = PixelOptions(**facts["pixels"])
        self._classifier = ImageClassifier(network, point, pixels, (negative, positive))

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:
        """Return one row per image; raise if any image can't be used."""
        from stages.registry.classifier import UnusableImagesError
        from stages.registry.mlflow_internals.scoring_server import BadImages

        try:
            images = [image_file(image) for image in model_input["image"]]
            probability = self._classifier.probability(images)
        except UnusableImagesError as error:
            raise BadImages(str(error), error.reasons) from None
        return pd.DataFrame(
            {
                "probability": probability,
                "decision": self._classifier.decisions(probability),
                "model_digest": self._model_digest,
            }
        )


mlflow.models.set_model(ImageModel())
