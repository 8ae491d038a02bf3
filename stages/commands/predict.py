"""`pneumonia predict`: probability and decision for image files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stages.commands.parameters import AsJson
from stages.commands.tables import print_table
from stages.engine.console import print_json, print_note
from stages.engine.files import read_json
from stages.engine.printable import printable
from stages.engine.root import project_root
from stages.engine.task import complete
from stages.settings import paths

if TYPE_CHECKING:
    from stages.serving.predictor import Predictor
    from stages.settings.params import Params


def predict(
    params: "Params",
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="JPEG, PNG or DICOM.")],
    model: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A .keras file; default: the champion.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="Use the champion for this data set.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Print probability and decision for images.

    Exits with 1 if an image could not be used. Not a diagnosis.
    """
    from stages.engine import devices
    from stages.engine.progress import progress

    devices.configure(params.train.threads)
    predictor = _predictor(params, model, source)
    predictions = [
        prediction
        for image in progress(images, label="predict")
        for prediction in predictor.predict([image])
    ]
    if as_json:
        print_json([vars(prediction) for prediction in predictions])
    else:
        print_note(f"by {printable(predictor.origin)}, digest {predictor.model[:12]}")
        rows = [
            ("", "", prediction.name, prediction.reason or "")
            if prediction.probability is None
            else (f"{prediction.probability:.3f}", prediction.decision or "", prediction.name, "")
            for prediction in predictions
        ]
        print_table(("probability", "decision", "image", "not used because"), rows)
        for prediction in predictions:
            for caution in prediction.cautions:
                print_note(f"warning: {printable(prediction.name)}: {caution}")
        if predictor.synthetic:
            print_note("trained on synthetic images: no prediction for patients")
        print_note("not a diagnosis")
    return int(any(prediction.probability is None for prediction in predictions))


def _predictor(params: "Params", model: Path | None, source: str | None) -> "Predictor":
    from stages.serving.predictor import Predictor

    if model is None:
        return Predictor.from_champion(project_root(), params.register.name, source)
    point = model.with_name("operating_point.json")
    source_file = read_json(paths.SOURCE) if paths.SOURCE.exists() else {"task": {}}
    task = complete(params.task, source_file)
    pixels = params.preprocess.pixels
    return Predictor.from_file(model, point, pixels, classes=task.classes, body_part=task.body_part)
