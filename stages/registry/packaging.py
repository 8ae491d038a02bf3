"""Write a registered model that needs nothing but itself and its pinned requirements.

With the network go its operating point, its pixel options and the code that uses them
(packaged_code.py).
"""

import io
import itertools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from stages.engine.files import write_json, write_text
from stages.registry.packaged_code import copy_code, locked_pins, requirements
from stages.registry.record import Record

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
"""Of facts.json."""

CARD = Path("report/model_card.md")


def save(
    folder: Path, record: Record, *, root: Path, lock: Path, mlflow_model: object = None
) -> None:
    """Write the model of `record` to the new folder `folder` as an MLflow pyfunc.

    Args:
        folder: Where to write; the run's model card is copied there too.
        record: The files of the run.
        root: Repository whose code the model takes along.
        lock: File that pins the packages that this code needs.
        mlflow_model: MLflow's metadata of the place where the model will be stored
            (`mlflow.models.Model`), if there is one.
    """
    import mlflow

    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        package = copy_code(root, scratch / "code")
        pins = itertools.chain(*locked_pins(lock).values())
        write_json(scratch / "facts.json", facts(record))
        write_text(scratch / "constraints.txt", "\n".join(pins))
        mlflow.pyfunc.save_model(
            folder,
            python_model=scratch / "code" / package / "registry" / "pyfunc_model.py",
            code_paths=[str(scratch / "code" / package)],
            artifacts={
                "model": str(record.model_file),
                "operating_point": str(record.operating_point),
                "facts": str(scratch / "facts.json"),
            },
            signature=_signature(),
            input_example=_input_example(),
            # The constraints hold the requirements' own dependencies to the lock file as well.
            pip_requirements=[*requirements(root, lock), f"-c {scratch / 'constraints.txt'}"],
            metadata=facts(record),
            mlflow_model=mlflow_model,
        )
    card = record.files[CARD.as_posix()].read_text(encoding="utf-8")
    write_text(folder / CARD.name, card)


def facts(record: Record) -> dict[str, Any]:
    """Return what a packaged model knows about itself."""
    return {
        "format": FORMAT,
        "model_digest": record.model,
        "run_digest": record.identity.run,
        "data_digest": record.identity.data,
        "source": dict(record.identity.source),
        "classes": list(record.identity.task.classes),
        "body_part": record.identity.task.body_part,
        "pixels": dict(record.pixels),
    }


def _signature() -> object:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    return ModelSignature(
        inputs=Schema([ColSpec(DataType.binary, "image")]),
        outputs=Schema(
            [
                ColSpec(DataType.double, "probability"),
                ColSpec(DataType.string, "decision"),
                ColSpec(DataType.string, "model_digest"),
            ]
        ),
    )


def _input_example() -> "pd.DataFrame":
    """Return one small PNG, a gradient from black to white: no patient's image."""
    import pandas as pd

    gradient = np.linspace(0, 255, 64).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(np.broadcast_to(gradient, (64, 64)).copy()).save(buffer, format="PNG")
    return pd.DataFrame({"image": [buffer.getvalue()]})
