"""The model as MLflow loads it: a column of image files in, a row of answers per image out.

MLflow runs this file when a version is loaded ("models from code"), and packaging.py puts it beside
the version's other files. They are checked before any code in code.zip is imported; nobody can have
checked this file, or MLmodel, before MLflow reads them (docs/security.md).
"""

import base64
import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

_PACKAGE, _KEY = "PNEUMONIA_PACKAGE", "PNEUMONIA_PUBLIC_KEY"
"""Variables: the package digest that is expected, and the file of a key that must have signed."""

_COLUMNS = ["probability", "decision", "domain_score", "refused", "cautions", "model_digest"]


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
    """Column `image` (the bytes of image files) to the columns that `predict` describes."""

    def load_context(self, context: Any) -> None:  # noqa: ARG002
        """Check the files, import the code in them and load the detector."""
        folder = Path(__file__).resolve().parent
        # An empty value is not the same as none: it must not switch a check off.
        expected, key = os.environ.get(_PACKAGE), os.environ.get(_KEY)
        content = _listing(folder, expected)
        if key is not None:
            _require_signature(folder, content, Path(key).expanduser())
        _make_importable(folder / "artifacts/code.zip")

        from stages.engine.errors import InputError
        from stages.registry.sealed_package import open_sealed

        try:
            package = open_sealed(folder, expected=expected, key=None)
            self._detector = package.detector()
        except InputError as error:
            raise _refused(str(error)) from None
        self._model_digest = package.model_digest

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:
        """Return one row per image.

        Returns:
            Columns `probability` (0 to 1) and `decision` (a class), both None for an image that
            gets no answer; `domain_score` (above 1: refused; None for an image that can't be
            read); `refused` (why there is no answer, or None); `cautions` (a list of texts);
            `model_digest`.
        """
        import numpy as np

        prepared = [self._detector.prepare(image_file(image)) for image in model_input["image"]]
        pixels = [image.pixels for image in prepared if image.pixels is not None]
        answers = iter(self._detector.answer(np.stack(pixels)) if pixels else [])
        rows = []
        for image in prepared:
            row = {
                "probability": None,
                "decision": None,
                "domain_score": None,
                "refused": image.reason,
                "cautions": list(image.cautions),
                "model_digest": self._model_digest,
            }
            rows.append(row if image.pixels is None else row | vars(next(answers)))
        return pd.DataFrame(rows, columns=_COLUMNS, dtype=object)  # a float has no None


def _listing(folder: Path, expected: str | None) -> bytes:
    """Return the bytes of package.json, if they are those expected and list this code.zip."""
    listing, archive = folder / "package.json", folder / "artifacts/code.zip"
    try:
        content = listing.read_bytes()
        listed = json.loads(content)["files"]["artifacts/code.zip"]
        found = hashlib.sha256(archive.read_bytes()).hexdigest()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _refused(f"{folder}: {type(error).__name__}: {error}") from None
    if expected is not None and hashlib.sha256(content).hexdigest() != expected:
        raise _refused(f"{listing}: it is not the package that {_PACKAGE} names")
    if found != listed:
        raise _refused(f"{archive}: its bytes are not those that {listing.name} lists")
    return content


def _require_signature(folder: Path, content: bytes, key: Path) -> None:
    """Raise unless one of the public keys in the file `key` signed `content`.

    registry/signature.py does the same and says more. It is in code.zip, of which nothing is
    imported before this.
    """
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    end = b"-----END PUBLIC KEY-----"
    try:
        signed = json.loads((folder / "signature.json").read_bytes())["signature"]
        signature = base64.b64decode(signed, validate=True)
        blocks = [block + end for block in key.read_bytes().split(end)[:-1]]
        keys = [load_pem_public_key(block.lstrip()) for block in blocks]
    except (OSError, ValueError, KeyError, TypeError, UnsupportedAlgorithm) as error:
        raise _refused(f"{folder}: no signature by a key of {_KEY}={key}: {error}") from None
    for each in keys:
        if isinstance(each, Ed25519PublicKey):
            with contextlib.suppress(InvalidSignature):
                each.verify(signature, content)
                return
    raise _refused(f"{folder}: package.json is not signed by a key of {_KEY}={key}")


def _make_importable(archive: Path) -> None:
    """Put code.zip on the module path."""
    if str(archive) not in sys.path:
        sys.path.insert(0, str(archive))


def _refused(message: str) -> MlflowException:
    return MlflowException(message, error_code=INVALID_PARAMETER_VALUE)


def _forget_bytecode() -> None:
    """Remove what Python wrote beside this file when MLflow ran it: no file of the version."""
    cached = Path(__spec__.cached) if __spec__ and __spec__.cached else None
    if cached is not None and cached.parent.parent == Path(__file__).parent:
        with contextlib.suppress(OSError):
            cached.unlink()
            cached.parent.rmdir()


_forget_bytecode()
mlflow.models.set_model(ImageModel())
