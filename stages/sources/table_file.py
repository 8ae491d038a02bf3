"""Read a CSV file that a person made, and say what it is instead where it is none."""

import csv
import io
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from stages.engine.errors import InputError
from stages.sources.patient_ids import cleaned

_MARKS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
"""How a file starts that states its encoding; the longer ones first."""

_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def open_table(
    path: Path, required: Sequence[str], optional: Sequence[str] | None, *, key: str
) -> "csv.DictReader[str]":
    """Open the CSV file at `path`, in UTF-8 with commas, for reading row by row.

    Names of columns may have capital letters, and spaces around them.

    Args:
        path: The file.
        required: Columns that it must have.
        optional: Columns that it may have, and no others; None: any.
        key: What names it in params, for messages.

    Raises:
        InputError: The file is missing, is not such a table, or has other columns.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(
            f"{key}: expected a table, found no file at {path}; give its path, absolute or "
            "relative to the repository's root"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: expected a CSV file, can't read it: {error}") from None
    table = csv.DictReader(io.StringIO(_text(path, data), newline=""), strict=True)
    try:
        given = list(table.fieldnames or [])
    except csv.Error as error:
        raise InputError(f"{path}: expected a CSV file, received another: {error}") from None
    columns = [cleaned(name).lower() for name in given]
    known = {*required, *(columns if optional is None else optional)}
    names = [name for name in columns if optional is not None or name in required]
    if not set(required) <= set(columns) <= known or len(set(names)) < len(names):
        expected = ",".join(required) + "".join(f"[,{name}]" for name in optional or ())
        raise InputError(
            f"{path}: expected the columns {expected}, received "
            f"{repr(','.join(given))[1:-1] or 'an empty file'}{_delimiter_hint(given, known)}"
        )
    table.fieldnames = columns
    return table


def read_rows(path: Path, table: "csv.DictReader[str]") -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the line and the cells of each row; None stands for a cell that is not there.

    Raises:
        InputError: The file is no CSV from here on.
    """
    try:
        for row in table:
            yield table.line_num, row
    except csv.Error as error:
        raise InputError(
            f"{path}: from line {table.line_num + 1} on: expected a CSV file, received another: "
            f"{error}"
        ) from None


def _text(path: Path, data: bytes) -> str:
    """Return the text of a file in UTF-8, without a mark at its start."""
    if data.startswith(_WORKBOOKS):
        raise InputError(
            f"{path}: expected a CSV file in UTF-8, received a workbook of a spreadsheet program; "
            "save it there as CSV, in UTF-8"
        )
    mark = next((mark for mark in _MARKS if data.startswith(mark)), None)
    if mark:
        raise _other_encoding(path, _MARKS[mark], _MARKS[mark])
    for name, second in (("UTF-16BE", 0), ("UTF-16LE", 1)):  # which has a zero in each letter
        if data[:2].count(0) == 1 and data[second] == 0:
            raise _other_encoding(path, f"perhaps {name}", name)
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise InputError(
            f"{path}: line {line}: expected a CSV file, received one with the byte 0x00; remove it"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _other_encoding(
            path,
            f"perhaps Windows-1252 or Latin-1 (line {line} has the byte 0x{data[error.start]:02x})",
            "WINDOWS-1252",
        ) from None


def _other_encoding(path: Path, received: str, name: str) -> InputError:
    source, target = (
        shlex.quote(str(each)) for each in (path, path.with_stem(f"{path.stem}-utf8"))
    )
    return InputError(
        f"{path}: expected a CSV file in UTF-8, received one in another encoding, {received}; "
        f"save it in UTF-8, or convert it: `iconv -f {name} -t UTF-8 {source} > {target}`"
    )


def _delimiter_hint(given: Sequence[str], known: set[str]) -> str:
    """Return what to do about a header that other characters than commas separate, or ""."""
    header = ",".join(given)
    if header.lower().startswith("sep="):
        return "; remove this line and separate the columns by commas"
    for delimiter, words in _OTHER_DELIMITERS.items():
        if delimiter in header and known & {
            cleaned(name).lower() for name in header.split(delimiter)
        }:
            return f"; it is separated by {words}: save it with commas"
    return ""
