"""Stage `train`: data/shards to data/model and data/validation.json."""

from stages.engine import checksums, devices, journal
from stages.engine.csv_text import csv_text
from stages.engine.files import write_json, write_text
from stages.engine.sidecar import sidecar
from stages.engine.stage import run
from stages.images.shards import open_shards
from stages.metrics import baselines
from stages.metrics.monitor import Monitor
from stages.metrics.options import EvaluateOptions, FigureOptions
from stages.metrics.report import report
from stages.network.options import TrainOptions
from stages.settings import paths, section
from stages.settings.digests import training_digest


def main() -> None:
    """Train on the training images; choose epoch, calibration and thresholds on validation."""
    options = section.load(TrainOptions, "train")
    of_figures: FigureOptions = section.load(EvaluateOptions, "evaluate")
    shards = open_shards(paths.SHARDS)
    digest = training_digest(options, shards.manifest["digest"])
    devices.configure(options.threads)

    from stages.network import canonical, checkpoints, loop, operating_point, predict

    images = shards.role("train")
    roles = [shards.role(name) for name in shards.roles if name.startswith("val")]
    monitor = Monitor(roles)
    monitor.require(options.monitor)
    folder = paths.CHECKPOINTS / digest
    with sidecar("stages.commands.live") as send:
        trained = loop.train(
            options, loop.Images(images.pixels, images.records["label"].to_numpy()), monitor,
            image_px=shards.manifest["image_px"], folder=folder, on_epoch=send,
        )  # fmt: skip
        (paths.MODEL / checksums.CHECKSUMS).unlink(missing_ok=True)  # of a model that goes
        canonical.save(trained.model, paths.MODEL / "model.keras")
        # The saved file is what is judged from here on, here and everywhere.
        model = predict.load_model(paths.MODEL / "model.keras")
        logits = monitor.logits(predict.predictor(model))
        pools = {role.name: operating_point.pool(role.records, logits[role.name]) for role in roles}
        point = operating_point.fit(pools, seed=options.seed)
        trivial = baselines.fit(images.records, images.pixels)
        figures = {
            role.name: report(
                role.records, point.probability(logits[role.name]), point.thresholds,
                of_figures, prior=point.prior,
                baselines=trivial.probabilities(role.records, role.pixels),
            )
            for role in roles
        }  # fmt: skip
        send({"figures": figures})
    write_json(paths.MODEL / "operating_point.json", point.to_json())
    rows = [row.values() for row in trained.history]
    write_text(paths.MODEL / "history.csv", csv_text(trained.history[0], rows))
    write_json(paths.VALIDATION, figures)
    made = [paths.MODEL / name for name in ("model.keras", "operating_point.json", "history.csv")]
    made.append(paths.VALIDATION)
    checksums.write(paths.MODEL, made, instruction_set=devices.instruction_set())
    checkpoints.clean_others(folder)
    journal.record(digest, "train", **trained.speed)
    for name, value in trained.speed.items():
        print(f"{name}: {value:.3f}")
    print(f"kept epoch {trained.best_epoch} by {options.monitor}: {paths.MODEL}")


if __name__ == "__main__":
    run(main)
