"""An error that MLflow's scoring server reports without the request's payload."""

from collections.abc import Mapping

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE


class BadImages(MlflowException):  # type: ignore[misc]
    """Some images of a request can't be used: HTTP 400 from `mlflow models serve`.

    The scoring server puts the request's payload, here a patient's image, in front of the message
    of whatever a model raises, by assigning `message`. So the first message stands.

    Attributes:
        reasons: Why an image can't be used, by its position from 1.
    """

    def __init__(self, message: str, reasons: Mapping[int, str]) -> None:
        super().__init__(message, error_code=INVALID_PARAMETER_VALUE)
        self.reasons = dict(reasons)

    @property
    def message(self) -> str:
        """The message given at construction."""
        return self._message

    @message.setter
    def message(self, text: str) -> None:
        self._message = getattr(self, "_message", text)
