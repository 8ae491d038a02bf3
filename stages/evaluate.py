"""Stage `evaluate`: the frozen model on test and on judging sources, which nothing else reads."""

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
from stages.metrics.trees import read_figures
from stages.network import saliency
from stages.network.release_files import write_release_files
from stages.network.trained import load_trained
from stages.settings import paths, section, words
from stages.sources.phantom.truth import read_truth


def main() -> None:
    """Write figures, predictions, plots, a release's files and the card; metrics.json last."""
    options = section.load(EvaluateOptions, "evaluate")
    configure(section.value(Threads, "train.threads"))
    paths.METRICS.unlink(missing_ok=True)  # without it, a report is unfinished
    validation = read_figures(paths.VALIDATION)
    shards, trained = open_shards(paths.SHARDS), load_trained(paths.MODEL)
    model, point = trained.model, trained.point
    stated, size = words.read(paths.SOURCE), int(model.count_params())
    weights = read_json(paths.TRAINED_WITH).get("initial_weights")
    subject = Subject(shards.manifest, *stated, point.to_json(), size, weights)
    test, train = shards.role("test"), shards.role("train")
    roles = [test, *map(shards.role, filter(is_external, shards.roles))]
    answers = {role.name: trained.answer(role.pixels) for role in roles}
    trivial, truth = baselines.fit(train.records, train.pixels), read_truth(paths.RAW)
    figures = reports(
        roles, answers, point.thresholds, options, prior=point.prior, baselines=trivial, truth=truth
    )
    judged = test.records["label"].to_numpy(), answers["test"], point.thresholds["decision"]
    write_text(paths.REPORT / "predictions.csv", curves.predictions(test.records, *judged[1:]))
    classes = subject.task.classes
    for name, text in curves.plot_tables(*judged, options.ece_bins, point.prior, classes).items():
        write_text(paths.REPORT / "plots" / name, text)
    chosen = choose_examples(*judged, options.saliency_images, classes)
    images, captions = test.pixels[[e.row for e in chosen]], [e.caption for e in chosen]
    write_bytes(paths.REPORT / "grad_cam.png", saliency.sheet_png(model, images, captions))
    write_release_files(paths.REPORT, shards, trained.answer)
    write_text(paths.CARD, model_card(figures, validation, subject))
    data, model_file = shards.manifest["digest"], paths.MODEL / "model.keras"
    digests = report_digests(data, model_file, figures, paths.REPORT)
    write_json(paths.REPORT / "judged.json", digests)
    section.require_unchanged(options, "evaluate")
    write_json(paths.METRICS, figures)
    print_text(all_figures(figures, validation, subject.point, subject.task))


if __name__ == "__main__":
    run(main, "evaluate", paths.REPORT / "metrics.json")
