"""A version of format 1, which MLflow loads with the code that the version brings along.

It has no detector, no domain and no digest of its code: it answers as it did when it was
registered, one image at a time, and refuses none.
"""

import contextlib
import importlib
import re
import shutil
import struct
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stages.engine.arrays import GrayImage, GrayImages
from stages.engine.errors import InputError
from stages.engine.task import EARLIER_BODY_PART, EARLIER_CLASSES
from stages.network.detector import Answer
from stages.network.preparing import Prepared
from stages.registry.champion import Champion
from stages.registry.earlier_package import checked_copy
from stages.registry.signature import UntrustedVersionError
from stages.registry.stored_package import REMEDY
from stages.sources.header import read_header

_ANSWER = struct.Struct("<d?")
"""Probability, and whether the decision is the positive class."""


_UNCHECKED = (
    "its code and files were never sealed, so whoever can write to the store may have changed them"
)


class EarlierDetector:
    """A loaded version of format 1, by the interface of a detector.

    Its own code has one step from an image file to an answer. So `prepare` takes it, and what it
    returns in the place of pixels is that answer, which `answer` unpacks.

    Attributes:
        facts: What it knows about itself, as facts.json.
        package: Name of the package of its own code.
        classes: Names of the labels 0 and 1.
        caution: What makes it doubtful, in words.
    """

    def __init__(self, champion: Champion, *, signed: bool) -> None:
        """Check a copy of the files of a version, and load the copy.

        Args:
            champion: The version.
            signed: Whether versions have to be signed.

        Raises:
            InputError: Its files were changed, it can't be loaded, or has to be signed.
        """
        if signed:
            raise UntrustedVersionError(
                f"{champion}: expected a signed version, found one of format 1, which can't be "
                "signed; promote a version of format 2, or require no signature"
            )
        folder = Path(tempfile.mkdtemp())
        weakref.finalize(self, _remove, folder)  # by the end of the process at the latest
        copy = folder / "version"
        digest = champion.package_digest
        try:
            checked_copy(champion.package, copy, model=champion.model_digest, expected=digest)
        except InputError as error:
            raise InputError(f"{champion}: {error}") from None
        self._model = _load(copy, str(champion))
        self.package = _import_all(copy)
        self.facts: Mapping[str, Any] = self._model.metadata.metadata
        self.classes: tuple[str, str] = self.facts.get("classes", EARLIER_CLASSES)
        self._one_at_a_time = threading.Lock()
        checked = "its files are those that were promoted" if digest else _UNCHECKED
        self.caution = (
            f"{champion} is of format 1: {checked}, and no image is refused for being unlike those "
            "that it was trained on; train and promote a version of format 2"
        )

    def prepare(self, image: bytes) -> Prepared:
        """Answer for an image file; a bad one has a reason instead."""
        import pandas as pd
        from mlflow.exceptions import MlflowException

        try:
            with self._one_at_a_time:
                answer = self._model.predict(pd.DataFrame({"image": [image]}))
        except MlflowException as error:
            return Prepared(None, reason=_reason(error))
        positive = str(answer["decision"][0]) == self.classes[1]
        packed = _ANSWER.pack(float(answer["probability"][0]), positive)
        cautions = read_header(image, self.facts.get("body_part", EARLIER_BODY_PART)).cautions
        return Prepared(np.frombuffer(packed, np.uint8)[None], cautions=cautions)

    def answer(self, pixels: GrayImages) -> list[Answer]:
        """Return the answers that `prepare` has packed, uint8 (N, 1, B)."""
        unpacked = [_ANSWER.unpack(one.tobytes()) for one in pixels]
        return [
            Answer(probability, self.classes[positive], None, None)
            for probability, positive in unpacked
        ]

    def overlay(self, _: GrayImage) -> bytes:
        """Raise InputError: the format has none."""
        raise InputError(
            "overlay: expected a version of format 2, received one of format 1, which draws none; "
            "train and promote a version of the present format"
        )


def _load(package: Path, label: str) -> Any:
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        return mlflow.pyfunc.load_model(str(package))
    except (MlflowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{label}: can't be loaded ({reason}); {REMEDY}") from None


def _import_all(package: Path) -> str:
    """Import all of a version's own code, and return the name of its package.

    A version with equal code shares these modules, and may outlive the files that they are from.
    """
    code = package / "code"
    names = [path.name for path in sorted(code.glob("pneumonia_*")) if path.is_dir()]
    for path in sorted(code.rglob("*.py")):
        module = path.relative_to(code).with_suffix("")
        parts = module.parts[:-1] if module.name == "__init__" else module.parts
        if parts[0] in names and module.name != "pyfunc_model":  # that one MLflow has run
            with contextlib.suppress(ImportError):  # of what only some images need
                importlib.import_module(".".join(parts))
    return names[0] if names else ""


def _remove(folder: Path) -> None:
    """Remove the files of a version, and what MLflow added to the module path for them."""
    sys.path[:] = [place for place in sys.path if not place.startswith(f"{folder}/")]
    shutil.rmtree(folder, ignore_errors=True)


def _reason(error: Any) -> str:
    """Return why the only image of a batch can't be used, from the packaged code's exception."""
    reasons: dict[int, str] | None = getattr(error, "reasons", None)
    if reasons:
        return reasons[1]
    # Some packages have it in the message alone, after the image's number.
    return re.sub(r"^(film|image) 1 of 1: ", "", error.message)
