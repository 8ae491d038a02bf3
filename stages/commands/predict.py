"""`pneumonia predict`: probability and decision for image files."""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stages.commands.parameters import AsJson
from stages.commands.predict_batch import write_batch
from stages.commands.tables import print_table
from stages.engine.console import print_json, print_note, print_text
from stages.engine.errors import InputError
from stages.engine.files import write_bytes
from stages.engine.printable import printable
from stages.engine.root import project_root

if TYPE_CHECKING:
    from stages.serving.predictor import Prediction, Predictor
    from stages.settings.params import Params

_WITHOUT_A_BAR = 8
"""Images that are answered so soon that a progress bar would only flicker."""
_NAMED = 3
"""Images that a warning names; of the others it gives the number."""


def predict(
    params: "Params",
    images: Annotated[
        list[Path] | None, typer.Argument(metavar="IMAGE", help="JPEG, PNG or DICOM.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A .keras file, with operating_point.json and domain.npz beside it; "
            "default: the champion.",
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="Use the champion for this data set.")
    ] = None,
    overlay: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Write a PNG of each image that is answered, with what speaks for the positive "
            "class drawn over it.",
        ),
    ] = None,
    batch: Annotated[
        Path | None,
        typer.Option(
            metavar="IMAGES",
            help="Instead of IMAGE: a folder, a zip, tar or tar.gz archive, or a CSV file with a "
            "column `path`.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="TABLE", help="With --batch: the .parquet or .csv file to write."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a TABLE that is there.")] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew what a killed batch left of TABLE.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Print probability and decision for images.

    An image that is unlike those the model was trained on gets no answer, and the reason. Exits
    with 1 if any image got no answer; with --batch, with 0 once the table is complete. Not a
    diagnosis.
    """
    from stages.serving import overlays

    if model is not None and source is not None:
        raise InputError("expected --model or --source, received both; leave one out")
    if batch is not None or out is not None or force or restart:
        if batch is None or out is None or images or overlay is not None:
            raise typer.BadParameter(
                "expected IMAGE..., or --batch IMAGES --out TABLE without IMAGE and --overlay"
            )
        predictor = write_batch(
            batch,
            out,
            lambda: _predictor(params, model, source),
            threads=params.train.threads,
            restart=restart,
            force=force,
            as_json=as_json,
        )
        _print_origin(predictor)
        return 0
    if not images:
        raise typer.BadParameter("expected IMAGE..., or --batch IMAGES --out TABLE")
    files = overlays.plan(overlay, images) if overlay is not None else [None] * len(images)
    predictor = _predictor(params, model, source)
    rows: list[tuple[Prediction, Path | None]] = []
    label = "predict" if len(images) > _WITHOUT_A_BAR else None
    for answered, file in zip(predictor.stream(images, label=label), files, strict=True):
        drawn = file is not None and answered.prediction.probability is not None
        if file is not None and answered.pixels is not None and drawn:
            write_bytes(file, predictor.detector.overlay(answered.pixels))
        rows.append((answered.prediction, file if drawn else None))
    predictions = [prediction for prediction, _ in rows]
    if as_json:
        print_json([_fields(prediction, file) for prediction, file in rows])
    else:
        _print_table(predictions)
    _print_notes(predictor, predictions, overlay)
    return int(any(prediction.probability is None for prediction in predictions))


def _fields(prediction: "Prediction", file: Path | None) -> dict[str, Any]:
    return {**vars(prediction), "overlay": None if file is None else str(file)}


def _print_table(predictions: Sequence["Prediction"]) -> None:
    names = [prediction.name for prediction in predictions]
    if sys.stdout.isatty():
        names = _without_folder(names)
    rows = [
        ("", "", name, prediction.reason or "")
        if prediction.probability is None
        else (f"{prediction.probability:.3f}", prediction.decision or "", name, "")
        for name, prediction in zip(names, predictions, strict=True)
    ]
    print_table(("probability", "decision", "image", "no answer because"), rows)


def _without_folder(names: list[str]) -> list[str]:
    """Return names without the folder that all of them are in, which is printed instead."""
    try:
        folder = os.path.commonpath([str(Path(name).parent) for name in names])
    except ValueError:  # some are absolute, others are not
        return names
    if folder in (".", "", os.sep) or len(names) == 1:
        return names
    print_text(f"in {printable(folder)}{os.sep}")
    return [str(Path(name).relative_to(folder)) for name in names]


def _print_notes(
    predictor: "Predictor", predictions: Sequence["Prediction"], overlay: Path | None
) -> None:
    """Print what has to be known about the answers; stderr, so that stdout is a table or JSON."""
    if len(predictions) > 1:
        counts = Counter(prediction.decision or prediction.status for prediction in predictions)
        listed = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
        print_note(f"{len(predictions)} images: {printable(listed)}")
    named: dict[str, list[str]] = {}
    for prediction in predictions:
        for caution in prediction.cautions:
            named.setdefault(caution, []).append(prediction.name)
    for caution, names in named.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        print_note(f"warning: {printable(', '.join(names[:_NAMED]))}{more}: {caution}")
    if overlay is not None:
        print_note(f"overlays: {printable(str(overlay))}; they show what the network responds to")
    _print_origin(predictor)


def _print_origin(predictor: "Predictor") -> None:
    """Print who answered, and what that is worth."""
    print_note(f"by {printable(predictor.origin)}, digest {predictor.model[:12]}")
    for caution in predictor.cautions:
        print_note(f"warning: {printable(caution)}")
    if predictor.use:
        print_note(f"intended use: {printable(predictor.use)}")
    if predictor.synthetic:
        print_note("trained on synthetic images: no prediction for patients")
    print_note("not a diagnosis")


def _predictor(params: "Params", model: Path | None, source: str | None) -> "Predictor":
    from stages.commands.model_file import file_predictor
    from stages.engine import devices
    from stages.registry.trusted_key import trusted_key
    from stages.serving.predictor import Predictor

    devices.configure(params.train.threads)
    if model is not None:
        return file_predictor(params, model)[0]
    key = trusted_key(params.register.public_key)
    return Predictor.from_champion(project_root(), params.register.name, source, key)
