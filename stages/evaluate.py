"""Stage `evaluate`: the frozen model on test and on judging sources, which nothing else reads."""

import pandas as pd

from stages.engine import checksums
from stages.engine.console import print_text
from stages.engine.devices import configure
from stages.engine.files import read_json, write_bytes, write_json, write_text
from stages.engine.options import Threads
from stages.engine.stage import run
from stages.images.external import is_external
from stages.images.shards import open_shards
from stages.metrics import baselines, curves
from stages.metrics.examples import choose_examples
from stages.metrics.options import EvaluateOptions
from stages.metrics.pages.all_figures import all_figures
from stages.metrics.pages.card import Subject, model_card
from stages.metrics.report import reports
from stages.metrics.report_digests import report_digests
from stages.network import operating_point, predict, saliency
from stages.settings import paths, section, words


def main() -> None:
    """Write figures, predictions, plots and the model card; metrics.json last."""
    options = section.load(EvaluateOptions, "evaluate")
    configure(section.value(Threads, "train.threads"))
    paths.METRICS.unlink(missing_ok=True)  # without it, a report is unfinished
    shards = open_shards(paths.SHARDS)
    test, train = shards.role("test"), shards.role("train")
    checksums.verify(paths.MODEL)
    model = predict.load_model(model_file := paths.MODEL / "model.keras")
    point = operating_point.load(paths.MODEL / "operating_point.json")
    stated, size = words.read(paths.SOURCE), int(model.count_params())
    subject = Subject(shards.manifest, *stated, point.to_json(), size)
    roles = [test, *map(shards.role, filter(is_external, shards.roles))]
    network = predict.predictor(model)
    logits = {role.name: network(role.pixels) for role in roles}
    chances = {name: point.probability(values) for name, values in logits.items()}
    judged = test.records["label"].to_numpy(), chances["test"], point.thresholds["decision"]
    trivial = baselines.fit(train.records, train.pixels)
    truth_file = paths.RAW / "truth.csv"  # phantoms alone have one
    checksums.verify_file(truth_file)
    truth = pd.read_csv(truth_file) if truth_file.exists() else None
    figures = reports(
        roles, chances, point.thresholds, options, prior=point.prior, baselines=trivial, truth=truth
    )
    listed = curves.predictions(test.records, logits["test"], *judged[1:])
    write_text(paths.REPORT / "predictions.csv", listed)
    tables = curves.plot_tables(*judged, options.ece_bins, point.prior, subject.task.classes)
    for name, text in tables.items():
        write_text(paths.REPORT / "plots" / name, text)
    chosen = choose_examples(*judged, options.saliency_images, subject.task.classes)
    images, captions = test.pixels[[e.row for e in chosen]], [e.caption for e in chosen]
    write_bytes(paths.REPORT / "grad_cam.png", saliency.sheet_png(model, images, captions))
    validation = read_json(paths.VALIDATION)
    write_text(paths.CARD, model_card(figures, validation, subject))
    digests = report_digests(shards.manifest["digest"], model_file, figures, listed)
    write_json(paths.REPORT / "judged.json", digests)
    section.require_unchanged(options, "evaluate")
    write_json(paths.METRICS, figures)
    print_text(all_figures(figures, validation, subject.point, subject.task))


if __name__ == "__main__":
    run(main, "evaluate", paths.REPORT / "metrics.json")
