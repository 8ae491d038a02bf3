"""`pneumonia predict --batch`: a table with a row for each image of a folder, archive or list."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from stages.engine.console import print_json, print_note
from stages.engine.printable import printable

if TYPE_CHECKING:
    from stages.serving.batches.batch import Summary
    from stages.serving.predictor import Predictor


def write_batch(
    source: Path,
    out: Path,
    load: Callable[[], "Predictor"],
    *,
    threads: int,
    restart: bool,
    force: bool,
    as_json: bool,
) -> "Predictor":
    """Write the table of a batch, print a summary and return who answered.

    Args:
        source: Folder, archive or CSV file with a column `path`.
        out: The table, `.parquet` or `.csv`.
        load: Loads the model; is called once all that needs no model is checked.
        threads: Of the network.
        restart: Begin anew what was killed.
        force: Replace a table that is there.
        as_json: Print the summary as JSON.
    """
    from stages.engine import devices
    from stages.serving.batches.batch import predict_batch

    predictors: list[Predictor] = []

    def load_and_keep() -> "Predictor":
        predictors.append(load())
        return predictors[0]

    try:
        summary = predict_batch(
            source,
            out,
            load_and_keep,
            circumstances={**devices.on_record(), "threads": threads},
            restart=restart,
            force=force,
        )
    except KeyboardInterrupt:
        print_note("interrupted; the same command continues")
        raise
    _print(summary, out, as_json=as_json)
    return predictors[0]


def _print(summary: "Summary", out: Path, *, as_json: bool) -> None:
    if as_json:
        print_json({"table": str(out), **asdict(summary)})
        return
    counts = {**summary.decisions, **summary.statuses}
    counts.pop("answered", None)
    listed = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    left_out = f"; {summary.left_out:,} left out that are no images" if summary.left_out else ""
    print_note(f"{printable(str(out))}: {summary.images:,} images: {printable(listed)}{left_out}")
