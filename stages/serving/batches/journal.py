"""What is done of a batch, in a hidden folder beside its table, so that a killed one continues.

    .<table>.partial/journal.json    what is being computed: model, images, machine
                     rows.jsonl      the rows so far, in order, each with a checksum
                     table           the table, until it is renamed to its place
                     finished.json   its checksum and summary, written before that

A kill may cut the last line of rows.jsonl, and a power cut may spoil more: what follows the last
row that is whole is computed again.
"""

import contextlib
import json
import os
import shutil
import stat
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from stages.engine.errors import InputError
from stages.engine.files import read_json, sha256_file, write_json
from stages.serving.batches.row import Row

_FORMAT = 1


class BatchJournal:
    """The folder of a batch.

    Attributes:
        out: The table to be written.
        table: Where it is written first.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self._folder = out.with_name(f".{out.name}.partial")
        self._journal = self._folder / "journal.json"
        self._rows = self._folder / "rows.jsonl"
        self._finished = self._folder / "finished.json"
        self.table = self._folder / "table"

    def exists(self) -> bool:
        """Return whether a batch was started and its end is not known; else remove what it left.

        Raises:
            InputError: The folder is another user's, or a link: its files may lead anywhere.
        """
        with contextlib.suppress(FileNotFoundError):
            status = self._folder.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
                raise InputError(
                    f"{self._folder}: expected a folder of your own, with what is done of "
                    f"{self.out.name}, found a link, a file or a folder of user {status.st_uid}; "
                    "remove it, or choose another --out"
                )
        if self._journal.is_file() or self._finished.is_file():
            return True
        self.remove()
        return False

    def finished(self, facts: Mapping[str, object]) -> dict[str, Any] | None:
        """Return the summary if a batch of these facts was killed after its table was in place."""
        if not self._finished.is_file() or not self.out.is_file():
            return None
        found = read_json(self._finished)
        if found["sha256"] != sha256_file(self.out):
            return None
        self.remove()
        return dict(found["summary"]) if found["facts"] == facts else None

    def start(self, facts: Mapping[str, object], *, restart: bool) -> int:
        """Begin a batch, or continue one.

        Args:
            facts: What decides the rows, by the words that name it in messages.
            restart: Begin anew, whatever is there.

        Returns:
            The number of rows that are done.

        Raises:
            InputError: The rows that are done are of other facts.
        """
        facts = {"format of the journal": _FORMAT, **facts}
        if restart or not self._journal.is_file():
            self.remove()
            self._folder.mkdir(mode=0o700, parents=True)
            write_json(self._journal, facts)
            return 0
        before = read_json(self._journal)
        if before != facts:
            names = [name for name in {**before, **facts} if before.get(name) != facts.get(name)]
            listed = "; ".join(
                f"{name}: {before.get(name)} then, {facts.get(name)} now" for name in names
            )
            raise InputError(
                f"{self.out}: a batch was started that differs from this one ({listed}); let that "
                "one end by its own command, or give it up with --restart"
            )
        return self._keep_whole_rows()

    def _keep_whole_rows(self) -> int:
        """Cut off what follows the last whole row; return the number of rows."""
        if not self._rows.is_file():
            return 0
        count = length = 0
        with self._rows.open("r+b") as file:
            for line in file:
                if _row(line) is None:
                    break
                count, length = count + 1, length + len(line)
            file.truncate(length)
        return count

    def appender(self) -> IO[bytes]:
        """Open the rows for `append`."""
        return self._rows.open("ab")

    def rows(self) -> Iterator[Row]:
        """Yield the rows that are done, in order.

        Raises:
            InputError: They have changed since they were written.
        """
        with self._rows.open("rb") as file:
            for line in file:
                row = _row(line)
                if row is None:
                    raise InputError(
                        f"{self._rows}: changed since it was written; run the same command again"
                    )
                yield row

    def finish(self, facts: Mapping[str, object], summary: Mapping[str, object]) -> None:
        """Put the table in its place and remove the folder."""
        sha256 = sha256_file(self.table)
        write_json(self._finished, {"facts": facts, "sha256": sha256, "summary": summary})
        self.table.replace(self.out)
        self.remove()

    def remove(self) -> None:
        """Remove the folder, the file that says that it is finished last."""
        for path in (self._journal, self._rows, self.table, self._finished):
            path.unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)


def append(file: IO[bytes], rows: Iterable[Row]) -> None:
    """Write rows, and pass them to the operating system, which keeps them after a kill."""
    file.write(b"".join(map(_line, rows)))
    file.flush()


def _line(row: Row) -> bytes:
    text = json.dumps(row.values()).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _row(line: bytes) -> Row | None:
    """Return the row of a line; None if it isn't what was written."""
    checksum, _, text = line.partition(b" ")
    if not text.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text[:-1]):
        return None
    return Row(*json.loads(text))
