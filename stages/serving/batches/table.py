"""The table of a batch as Parquet or CSV, written in constant memory."""

import io
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

from stages.engine.tables import TableWriter
from stages.serving.batches.row import Row

SUFFIXES = (".parquet", ".csv")
METADATA = "pneumonia"
"""Key of the facts of the table in a Parquet file's metadata, as JSON."""

_ROWS_PER_GROUP = 16_384
_TYPES = {
    "probability": "float64",
    "domain_score": "float64",
    "width": "int32",
    "height": "int32",
    "bytes": "int64",
}
"""Of Parquet's columns; all others are texts."""


def write_table(
    path: Path, suffix: str, rows: Iterable[Row], model: Mapping[str, str | None], facts: object
) -> None:
    """Write a table, and wait until it is on the disk.

    Args:
        path: The file.
        suffix: One of SUFFIXES.
        rows: Read once.
        model: Columns of one value, which say who answered.
        facts: About the table, for the metadata of a Parquet file.
    """
    with path.open("wb") as file:
        if suffix == ".csv":
            _write_csv(file, rows, model)
        else:
            _write_parquet(file, rows, model, facts)
        file.flush()
        os.fsync(file.fileno())


def _write_csv(file: IO[bytes], rows: Iterable[Row], model: Mapping[str, str | None]) -> None:
    text = io.TextIOWrapper(cast(Any, file), encoding="utf-8", newline="")
    table = TableWriter(text, [*Row.__slots__, *model])
    for row in rows:
        table.write({**dict(zip(Row.__slots__, row.values(), strict=True)), **model})
    text.flush()
    text.detach()  # or it would close the file


def _write_parquet(
    file: IO[bytes], rows: Iterable[Row], model: Mapping[str, str | None], facts: object
) -> None:
    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.schema(
        [(name, _TYPES.get(name, "string")) for name in (*Row.__slots__, *model)],
        metadata={METADATA: json.dumps(facts, sort_keys=True)},
    )
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        for group in _groups(rows):
            values = [list(column) for column in zip(*(row.values() for row in group), strict=True)]
            values += [[text] * len(group) for text in model.values()]
            arrays = [
                pyarrow.array(column, kind)
                for column, kind in zip(values, schema.types, strict=True)
            ]
            writer.write_batch(pyarrow.record_batch(arrays, schema=schema))


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    remaining = iter(rows)
    while group := list(itertools.islice(remaining, _ROWS_PER_GROUP)):
        yield group
