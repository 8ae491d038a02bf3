"""Save a `.keras` file whose bytes depend on the model alone.

Keras writes a date, zip times and `shared_object_id`s (Python ids) into the file, so two saves of
one model differ and DVC would run everything after it again.
"""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from stages.engine.files import write_bytes

_EPOCH = (1980, 1, 1, 0, 0, 0)


def save(model: Any, path: Path) -> None:
    """Write a `keras.Model` to `path` (.keras): equal models give equal bytes."""
    scratch = path.with_name(f".{path.stem}.scratch.keras")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        model.save(scratch)
        data = canonical_bytes(scratch.read_bytes())
    finally:
        scratch.unlink(missing_ok=True)
    write_bytes(path, data)


def canonical_bytes(keras_file: bytes) -> bytes:
    """Return the archive with fixed dates, renumbered ids and sorted members."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(keras_file)) as received,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as written,
    ):
        for name in sorted(received.namelist()):
            data = received.read(name)
            if name == "config.json":
                numbers: dict[int, int] = {}
                data = json.dumps(_renumbered(json.loads(data), numbers), sort_keys=True).encode()
            elif name == "metadata.json":
                facts = {**json.loads(data), "date_saved": "1980-01-01@00:00:00"}
                data = json.dumps(facts, sort_keys=True).encode()
            written.writestr(zipfile.ZipInfo(name, _EPOCH), data)
    return buffer.getvalue()


def _renumbered(value: Any, numbers: dict[int, int]) -> Any:
    """Replace every `shared_object_id` by its order of first appearance."""
    if isinstance(value, dict):
        return {
            key: numbers.setdefault(item, len(numbers) + 1)
            if key == "shared_object_id"
            else _renumbered(item, numbers)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_renumbered(item, numbers) for item in value]
    return value
