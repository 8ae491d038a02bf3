"""A registered model that needs nothing but itself and its pinned requirements.

Beside the network lie its operating point, its pixel options and the code that joins them:
the import closure of `pyfunc_model`, copied under a package name made from its contents, so
that versions with different code live in one process and none takes this repository's.
"""

import ast
import io
import itertools
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from stages.engine.closure import PACKAGE, code_digests, import_closure
from stages.engine.errors import InputError
from stages.engine.files import digest, read_json, write_json, write_text
from stages.engine.pins import read_pins
from stages.registry.digests import model_digest
from stages.registry.record import Record

MODULE = f"{PACKAGE}.registry.pyfunc_model"
FORMAT = 1
CARD = Path("report/model_card.md")
# Where the name under which a distribution is pinned is not the one it is imported by.
_DISTRIBUTIONS = {
    "cv2": ("opencv-python-headless",),
    "PIL": ("pillow",),
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
}


def save(folder: Path, record: Record, *, root: Path, lock: Path, mlflow_model: Any = None) -> None:
    """Write the model of `record` to the new folder `folder` as an MLflow pyfunc.

    The run's model card lies beside it. root: of the repository, whose code is taken along. lock:
    the file that pins what the code needs. mlflow_model: MLflow's own record of where the model
    will live, if it has one.
    """
    import mlflow

    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        package = copy_code(root, scratch / "code")
        write_json(scratch / "facts.json", facts(record))
        write_text(scratch / "constraints.txt", "\n".join(itertools.chain(*_pins(lock).values())))
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
            input_example=_example(),
            # What these in turn require is held by the constraints to what the lock says too.
            pip_requirements=[*requirements(root, lock), f"-c {scratch / 'constraints.txt'}"],
            metadata=facts(record),
            mlflow_model=mlflow_model,
        )
    write_text(folder / CARD.name, record.files[CARD.as_posix()].read_text(encoding="utf-8"))


def check(package: Path, model: str) -> None:
    """Raises InputError where the files in `package` are not those of `model`, a model digest."""
    pixels = read_json(member(package, "facts.json"))["pixels"]
    found = model_digest(
        member(package, "model.keras"), member(package, "operating_point.json"), pixels
    )
    if found != model:
        raise InputError(
            f"{package}: expected the model {model[:12]}, found {found[:12]}; register it again"
        )


def member(package: Path, name: str) -> Path:
    """The one file in `package` that has this name, InputError where it is not one."""
    found = sorted(package.rglob(name))
    if len(found) != 1:
        raise InputError(f"{package}: expected one {name}, found {len(found)}; register it again")
    return found[0]


def facts(record: Record) -> dict[str, Any]:
    """What a packaged model knows of itself."""
    return {
        "format": FORMAT,
        "model_digest": record.model,
        "run_digest": record.identity.run,
        "data_digest": record.identity.data,
        "source": dict(record.identity.source),
        "pixels": dict(record.pixels),
    }


def copy_code(root: Path, into: Path) -> str:
    """Copy what MODULE reaches below `into` under a package name of its own; that name.

    Imports are rewritten to the new name, nothing else is.
    """
    package = f"pneumonia_{digest(code_digests([MODULE], root))[:12]}"
    for path in import_closure(MODULE, root):
        text = (root / path).read_text(encoding="utf-8")
        renamed = re.sub(
            rf"^(\s*(?:from|import) ){PACKAGE}\b", rf"\g<1>{package}", text, flags=re.MULTILINE
        )
        write_text(into / package / path.relative_to(PACKAGE), renamed)
    return package


def requirements(root: Path, lock: Path) -> list[str]:
    """The lock's pins, with their platform markers, of all that the packaged code imports.

    Raises ValueError where it imports what the lock does not pin.
    """
    pins = _pins(lock)
    wanted = [
        distribution
        for module in _imports([root / path for path in import_closure(MODULE, root)])
        for distribution in _DISTRIBUTIONS.get(module, (module,))
    ]
    unpinned = [name for name in wanted if name not in pins]
    if unpinned:
        raise ValueError(f"{lock}: expected pins of {', '.join(unpinned)}, found none")
    return [pin for name in wanted for pin in pins[name]]


def _pins(lock: Path) -> dict[str, list[str]]:
    """The lock's pins by distribution, one for each of its platforms, without their hashes."""
    pins: dict[str, list[str]] = {}
    for pin in read_pins(lock.read_text(encoding="utf-8")):
        pins.setdefault(pin.name, []).append(pin.requirement)
    return pins


def _imports(paths: Sequence[Path]) -> list[str]:
    """Top-level names that these files import from other distributions, sorted."""
    found = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    return sorted(found - set(sys.stdlib_module_names) - {PACKAGE})


def _signature() -> Any:
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


def _example() -> Any:
    """One small picture, a PNG of a slope from black to white: no patient's image."""
    import pandas as pd

    slope = np.linspace(0, 255, 64).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(np.broadcast_to(slope, (64, 64)).copy()).save(buffer, format="PNG")
    return pd.DataFrame({"image": [buffer.getvalue()]})
