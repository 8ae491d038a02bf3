"""Stage `evaluate`: the frozen model on the test split, which is read here and nowhere else."""

import cv2
import pandas as pd

from stages.engine import checksums
from stages.engine.devices import configure
from stages.engine.files import read_json, write_bytes, write_json, write_text
from stages.engine.options import Threads
from stages.engine.stage import run
from stages.images.shards import open_shards
from stages.metrics import baselines, curves, examples
from stages.metrics.options import EvaluateOptions
from stages.metrics.pages import card
from stages.metrics.report import report
from stages.metrics.subject import subject
from stages.network import operating_point, predict, saliency
from stages.settings import paths, section


def main() -> None:
    """Write figures, predictions, plots and the model card; metrics.json last."""
    options = section.load(EvaluateOptions, "evaluate")
    configure(section.value(Threads, "train.threads"))
    folder = paths.REPORT
    paths.METRICS.unlink(missing_ok=True)  # without it, a report is unfinished

    shards = open_shards(paths.SHARDS)
    test, train = shards.role("test"), shards.role("train")
    checksums.verify(paths.MODEL)
    model = predict.load_model(paths.MODEL / "model.keras")
    point = operating_point.load(paths.MODEL / "operating_point.json")
    logit = predict.predictor(model)(test.pixels)
    probability = point.probability(logit)
    label, threshold = test.records["label"].to_numpy(), point.thresholds["decision"]

    shadows = baselines.fit(train.records, train.pixels)
    truth = paths.RAW / "truth.csv"  # phantoms alone have one
    checksums.verify_file(truth)
    figures = {
        test.name: report(
            test.records, probability, point.thresholds, options, prior=point.prior,
            baselines=shadows.probabilities(test.records, test.pixels),
            truth=pd.read_csv(truth) if truth.exists() else None,
        )
    }  # fmt: skip
    listed = curves.predictions(test.records, logit, probability, threshold)
    write_text(folder / "predictions.csv", listed)
    tables = curves.tables(label, probability, threshold, options.ece_bins, point.prior)
    for name, text in tables.items():
        write_text(folder / "plots" / name, text)

    shown = examples.choose(label, probability, threshold, options.saliency_images)
    images, captions = test.pixels[[e.row for e in shown]], [e.caption for e in shown]
    sheet = saliency.sheet(model, images, captions)
    _, png = cv2.imencode(".png", sheet[..., ::-1])
    write_bytes(folder / "grad_cam.png", png.tobytes())

    source, parameters = read_json(paths.SOURCE), int(model.count_params())
    facts = card.Facts(shards.manifest, source, point.to_json(), parameters)
    validation = read_json(paths.VALIDATION)
    write_text(paths.CARD, card.card(figures, validation, facts))
    judged = subject(shards.manifest["digest"], paths.MODEL / "model.keras", figures, listed)
    write_json(folder / "judged.json", judged)
    write_json(paths.METRICS, figures)
    print(card.judged(figures, validation, facts))


if __name__ == "__main__":
    run(main, "evaluate", paths.REPORT / "metrics.json")
