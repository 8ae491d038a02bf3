"""Predictions for a folder, an archive or a list of images, as a table with one row per image.

However often a batch is killed, the same command continues it, to the bytes of an uninterrupted
one. Memory does not grow with the images, but for their list: 0.4 kB each, 1.1 kB in a zip.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeAlias

from stages.engine.console import print_note
from stages.engine.errors import InputError, UnusableImage
from stages.engine.files import add_filename, digest
from stages.engine.locks import locked, user_folder
from stages.engine.parallel import map_in_order, prefer_threads
from stages.engine.progress import image_progress
from stages.network.preparing import Prepared
from stages.serving.batches import table as batch_table
from stages.serving.batches.inputs import BatchInputs, Load, list_images
from stages.serving.batches.journal import BatchJournal, append
from stages.serving.batches.row import Row, as_text
from stages.serving.predictor import Predictor
from stages.sources.archives.members import Member

_CHUNK = 8
"""Images that a thread prepares at a time: the network's batch."""
_AHEAD = 16
"""Chunks prepared ahead of the network; their pixels are in memory."""
_AHEAD_IN_ORDER = 4
"""The same where their files are in memory as well."""


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
    load: Callable[[], Predictor],
    *,
    circumstances: Mapping[str, object],
    restart: bool = False,
    force: bool = False,
    workers: int | None = None,
) -> Summary:
    """Write the table of a batch, or continue one that was killed.

    Args:
        source: Folder, archive or CSV file (see `batch_inputs`).
        out: The table: `.parquet` or `.csv`.
        load: Loads the model; is called once the images are listed.
        circumstances: What else decides the bits of an answer, such as the class of processor.
        restart: Give up what a killed batch left, whatever it was of.
        force: Replace a table that is there.
        workers: Threads that prepare images; all cores by default.

    Raises:
        InputError: The table is there already, another process writes it, or it was started with
            other images or another model.
    """
    suffix = out.suffix.lower()
    if suffix not in batch_table.SUFFIXES:
        raise InputError(f"{out}: expected a name that ends in .parquet or .csv; change --out")
    if out.is_dir():
        raise InputError(f"{out}: expected a table, found a folder of that name; change --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    journal = BatchJournal(out)
    with _only_writer(out):
        if not journal.exists():
            _require_absent(out, force)
        inputs = list_images(source)
        predictor = load()
        images = f"{len(inputs.images)}, {inputs.digest()}"
        model = {
            "model": predictor.origin,
            "model_digest": predictor.model,
            "package_digest": predictor.package_digest,
        }
        facts = {**model, **circumstances, "images": images}
        finished = journal.finished(facts)
        if finished is not None:
            return Summary(**finished)
        _require_absent(out, force)
        done = journal.start(facts, restart=restart)
        if done:
            print_note(f"continues after {done:,} of {len(inputs.images):,} images")
        try:
            _compute(journal, inputs, predictor, done, workers)
            summary = Summary(left_out=inputs.left_out)
            rows = map(summary.count, journal.rows())
            about = {
                **model,
                **circumstances,
                "synthetic": predictor.synthetic,
                "note": "not a diagnosis",
            }
            batch_table.write_table(journal.table, suffix, rows, model, about)
            _require_absent(out, force)
            journal.finish(facts, asdict(summary))
        except OSError as error:
            add_filename(error, out)
            raise
        return summary


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
    predictor: Predictor,
    done: int,
    workers: int | None,
) -> None:
    """Append the rows that are missing. Threads prepare images while the network answers others."""

    def prepared(chunk: Sequence[_Loaded]) -> list[_Ready]:
        return [_prepare(predictor, *loaded) for loaded in chunk]

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
                append(file, _answer(predictor, chunk))
                advance(len(chunk))


def _chunks(loads: Iterator[_Loaded]) -> Iterator[list[_Loaded]]:
    while chunk := list(itertools.islice(loads, _CHUNK)):
        yield chunk


_Ready: TypeAlias = tuple[Member, Prepared | str]
"""An image, prepared, or why it can't be read."""


def _prepare(predictor: Predictor, image: Member, load: Load) -> _Ready:
    try:
        return image, predictor.detector.prepare(load())
    except UnusableImage as error:
        return image, str(error)


def _answer(predictor: Predictor, chunk: Sequence[_Ready]) -> Iterator[Row]:
    answers = predictor.answer([(image.name, prepared) for image, prepared in chunk])
    for (image, prepared), answered in zip(chunk, answers, strict=True):
        facts = {} if isinstance(prepared, str) else prepared.facts
        prediction = answered.prediction
        yield Row(
            path=as_text(prediction.name),
            status=prediction.status,
            probability=prediction.probability,
            decision=prediction.decision,
            domain_score=prediction.domain_score,
            reason=as_text(prediction.reason or "") or None,
            cautions=as_text("; ".join(prediction.cautions)) or None,
            width=_pixels(facts.get("width")),
            height=_pixels(facts.get("height")),
            bytes=image.size,
        )


def _pixels(fact: float | str | None) -> int | None:
    return None if fact is None else int(fact)
