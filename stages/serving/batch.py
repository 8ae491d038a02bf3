"""Predictions for a folder, an archive or a list of images, as a table with one row per image.

However often a batch is killed, the same command continues it, to the bytes of an uninterrupted
one. Memory does not grow with the images, but for their list: about half a kilobyte each.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from stages.engine.arrays import GrayImages
from stages.engine.console import print_note
from stages.engine.errors import InputError, UnusableImage
from stages.engine.files import add_filename, digest
from stages.engine.locks import locked, user_folder
from stages.engine.parallel import map_in_order, prefer_threads
from stages.engine.progress import image_progress
from stages.serving import batch_table
from stages.serving.batch_inputs import BatchInputs, Load, list_images
from stages.serving.batch_journal import BatchJournal, append
from stages.serving.batch_row import ANSWERED, REFUSED, UNUSABLE, Row, as_text
from stages.sources.archives.members import Member

if TYPE_CHECKING:
    from stages.network.detector import Answer, Prepared

_CHUNK = 8
"""Images that a thread prepares at a time: the network's batch."""
_AHEAD = 16
"""Chunks prepared ahead of the network; their pixels are in memory."""
_AHEAD_IN_ORDER = 4
"""The same where their files are in memory as well."""


class Detecting(Protocol):
    """What prepares images and answers them: `network.detector.Detector`, of whatever version.

    A version of the registry has classes of its own, so only what is used of them counts.
    """

    def prepare(self, image: bytes) -> "Prepared":
        """Decode an image file and measure it; called by several threads at a time."""

    def answer(self, pixels: GrayImages) -> "list[Answer]":
        """Answer prepared pixels, uint8 (N, H, W)."""


@dataclass(frozen=True)
class BatchModel:
    """The model of a batch.

    Attributes:
        detector: Prepares and answers.
        columns: Columns of one value, which say in each row who answered.
        circumstances: What else decides the bits of an answer, such as the class of processor.
        synthetic: Whether it was trained on synthetic images; None if that is not known.
    """

    detector: Detecting
    columns: Mapping[str, str | None]
    circumstances: Mapping[str, object]
    synthetic: bool | None


@dataclass
class Summary:
    """What is in a finished table.

    Attributes:
        images: Number of rows.
        left_out: Number of files without a row.
        statuses: Number of rows by status.
        decisions: Number of rows by decision.
    """

    images: int = 0
    left_out: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    decisions: dict[str, int] = field(default_factory=dict)

    def count(self, row: Row) -> Row:
        """Count a row and return it."""
        self.images += 1
        self.statuses[row.status] = self.statuses.get(row.status, 0) + 1
        if row.decision is not None:
            self.decisions[row.decision] = self.decisions.get(row.decision, 0) + 1
        return row


def predict_batch(
    source: Path,
    out: Path,
    load_model: Callable[[], BatchModel],
    *,
    restart: bool = False,
    force: bool = False,
    workers: int | None = None,
) -> tuple[Summary, BatchModel]:
    """Write the table of a batch, or continue one that was killed.

    Args:
        source: Folder, archive or CSV file (see `batch_inputs`).
        out: The table: `.parquet` or `.csv`.
        load_model: Is called once the images are listed.
        restart: Give up what a killed batch left, whatever it was of.
        force: Replace a table that is there.
        workers: Threads that prepare images; all cores by default.

    Returns:
        What is in the table, and the model that answered.

    Raises:
        InputError: The table is there already, another process writes it, or it was started with
            other images or another model.
    """
    suffix = out.suffix.lower()
    if suffix not in batch_table.SUFFIXES:
        raise InputError(f"{out}: expected a name that ends in .parquet or .csv; change --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    journal = BatchJournal(out)
    with _only_writer(out):
        if not journal.exists():
            _require_absent(out, force)
        inputs = list_images(source)
        model = load_model()
        images = f"{len(inputs.images)}, {inputs.digest()}"
        answers = {**model.columns, **model.circumstances}
        facts = {**answers, "images": images}
        finished = journal.finished(facts)
        if finished is not None:
            return Summary(**finished), model
        _require_absent(out, force)
        done = journal.start(facts, restart=restart)
        if done:
            print_note(f"continues after {done:,} of {len(inputs.images):,} images")
        try:
            _compute(journal, inputs, model.detector, done, workers)
            summary = Summary(left_out=inputs.left_out)
            rows = map(summary.count, journal.rows())
            about = {**answers, "synthetic": model.synthetic, "note": "not a diagnosis"}
            batch_table.write_table(journal.table, suffix, rows, model.columns, about)
            _require_absent(out, force)
            journal.finish(facts, asdict(summary))
        except OSError as error:
            add_filename(error, out)
            raise
        return summary, model


@contextlib.contextmanager
def _only_writer(out: Path) -> Iterator[None]:
    """Keep other processes of this user on this host from writing the same table."""

    def refuse() -> None:
        raise InputError(
            f"{out}: another process is writing it; wait until that one ends, or choose another "
            "--out"
        )

    place = str(out.parent.resolve() / out.name)
    with locked(user_folder() / f"batch-{digest(place)[:16]}.lock", when_held=refuse):
        yield


def _require_absent(out: Path, force: bool) -> None:
    if out.exists() and not force:
        raise InputError(f"{out}: there is a table already; choose another --out, or add --force")


_Loaded: TypeAlias = tuple[Member, Load]


def _compute(
    journal: BatchJournal,
    inputs: BatchInputs,
    detector: Detecting,
    done: int,
    workers: int | None,
) -> None:
    """Append the rows that are missing. Threads prepare images while the network answers others."""

    def prepared(chunk: Sequence[_Loaded]) -> "list[_Ready]":
        return [_prepare(detector, *loaded) for loaded in chunk]

    window = _AHEAD_IN_ORDER if inputs.in_order else _AHEAD
    total = len(inputs.images)
    with (
        inputs.loads(done) as loads,
        journal.appender() as file,
        prefer_threads(),
        image_progress(label="predict", total=total, done=done) as advance,
    ):
        chunks = map_in_order(prepared, _chunks(loads), label=None, workers=workers, window=window)
        with contextlib.closing(chunks):
            for chunk in chunks:
                append(file, _answer(detector, chunk))
                advance(len(chunk))


def _chunks(loads: Iterator[_Loaded]) -> Iterator[list[_Loaded]]:
    while chunk := list(itertools.islice(loads, _CHUNK)):
        yield chunk


_Ready: TypeAlias = "tuple[Member, Prepared | str]"
"""An image, prepared, or why it can't be read."""


def _prepare(detector: Detecting, image: Member, load: Load) -> _Ready:
    try:
        data = load()
    except UnusableImage as error:
        return image, str(error)
    return image, detector.prepare(data)


def _answer(detector: Detecting, chunk: Sequence[_Ready]) -> list[Row]:
    pixels = [
        prepared.pixels
        for _, prepared in chunk
        if not isinstance(prepared, str) and prepared.pixels is not None
    ]
    answers = iter(detector.answer(np.stack(pixels)) if pixels else ())
    return [_row(image, prepared, answers) for image, prepared in chunk]


def _row(image: Member, prepared: "Prepared | str", answers: "Iterator[Answer]") -> Row:
    """Return the row of an image; the next of `answers` is its own, if it has pixels."""
    facts: dict[str, Any] = {
        **dict.fromkeys(("probability", "decision", "domain_score", "reason", "cautions")),
        **dict.fromkeys(("width", "height")),
        "path": as_text(image.name),
        "status": UNUSABLE,
        "bytes": image.size,
    }
    if isinstance(prepared, str):
        return Row(**{**facts, "reason": as_text(prepared)})
    for side in ("width", "height"):
        number = prepared.facts.get(side)
        facts[side] = None if number is None else int(number)
    facts["cautions"] = as_text("; ".join(prepared.cautions)) or None
    if prepared.pixels is None:
        return Row(**{**facts, "reason": as_text(str(prepared.reason))})
    answer = next(answers)
    facts["status"] = ANSWERED if answer.refused is None else REFUSED
    facts["reason"] = answer.refused
    facts["decision"] = answer.decision
    for name in ("probability", "domain_score"):
        number = getattr(answer, name)
        facts[name] = None if number is None else float(number)
    return Row(**facts)
