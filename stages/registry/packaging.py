"""Write the files of a version: the model, and all that it needs to answer and to be judged by.

They are a function of the run's files, the code and the lock file alone: equal bytes whenever and
wherever they are written. docs/tracking.md lists them.
"""

import itertools
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.engine.files import canonical_json, sha256_bytes, sha256_file, write_bytes
from stages.metrics.refusal_keys import REFUSALS
from stages.network.domain import LIMIT
from stages.registry.mlflow_internals.package_format import mlflow_files
from stages.registry.packaged_code import PackagedCode, locked_pins, pack_code, requirements
from stages.registry.record import Record
from stages.registry.sealed_package import CODE, FORMAT, PACKAGE

ENTRY, CARD = "pyfunc_model.py", "model_card.md"


def save(folder: Path, record: Record, *, root: Path, lock: Path) -> str:
    """Write the version of `record` to the new folder `folder`, and return its package digest.

    Args:
        folder: Where to write.
        record: The files of the run.
        root: Repository whose code the model takes along.
        lock: File that pins the packages that this code needs.
    """
    code = pack_code(root)
    texts = {
        **_of_mlflow(record, root, lock),
        ENTRY: code.entry,
        CARD: record.files[f"report/{CARD}"].read_text(encoding="utf-8"),
    }
    for name, text in texts.items():
        write_bytes(folder / name, text.encode())
    write_bytes(folder / CODE, code.archive)
    for path in record.packaged:
        shutil.copyfile(path, folder / "artifacts" / path.name)
    written = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {path.relative_to(folder).as_posix(): sha256_file(path) for path in written}
    content = canonical_json(facts(record, code, files)).encode()
    write_bytes(folder / PACKAGE, content)  # last: without it, the files are no version
    return sha256_bytes(content)


def facts(record: Record, code: PackagedCode, files: Mapping[str, str]) -> dict[str, Any]:
    """Return the content of package.json: what a version knows about itself.

    Args:
        record: The files of the run.
        code: The code that it answers with.
        files: SHA-256 of every other file of the package, by path.
    """
    identity = record.identity
    task = vars(identity.task)
    options = identity.params.get("train", {})
    refusal = {
        "limit": LIMIT,
        "share": options.get("refused_share"),
        "rates": {
            role: tree[REFUSALS] for role, tree in record.figures.items() if REFUSALS in tree
        },
    }
    return {
        "format": FORMAT,
        "files": dict(files),
        "model_digest": record.model,
        "run_digest": identity.run,
        "data_digest": identity.data,
        "code": {"package": code.package, "digest": code.digest},
        "initial_weights": record.initial_weights,
        "source": {key: value for key, value in identity.source.items() if key != "task"},
        "classes": list(identity.task.classes),
        "body_part": identity.task.body_part,
        "pixels": dict(record.pixels),
        "task": {key: value for key, value in task.items() if key not in ("classes", "body_part")},
        "intended_use": identity.task.use,
        "figures": record.figures,
        "processor": {"class": record.instruction_set, "threads": options.get("threads")},
        "refusal": refusal,
    }


def _of_mlflow(record: Record, root: Path, lock: Path) -> dict[str, str]:
    pins = locked_pins(lock)
    [mlflow] = pins["mlflow"]
    metadata = {
        "format": FORMAT,
        "model_digest": record.model,
        "classes": list(record.identity.task.classes),
        "synthetic": record.identity.synthetic,
    }
    return mlflow_files(
        ENTRY,
        metadata,
        mlflow=mlflow.partition("==")[2],
        requirements=requirements(root, lock),
        pins=list(itertools.chain(*pins.values())),
    )
