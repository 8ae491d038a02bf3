"""Stage `train`: data/shards to data/model and data/validation.json."""

from stages.engine import checksums, devices, journal
from stages.engine.console import print_text
from stages.engine.files import write_json, write_text
from stages.engine.sidecar import sidecar
from stages.engine.stage import run
from stages.images.shards import open_shards
from stages.metrics import baselines
from stages.metrics.monitor import Monitor
from stages.metrics.report import reports
from stages.settings import paths
from stages.settings.training import read_training


def main() -> None:
    """Train on the training images; choose epoch, calibration and thresholds on validation."""
    training = read_training()
    options = training.options
    shards = open_shards(paths.SHARDS)
    devices.configure(options.threads)

    from stages.network import canonical, checkpoints, loop, predict, views
    from stages.network.frozen import freeze

    images = shards.role("train")
    roles = [shards.role(name) for name in shards.roles if name.startswith("val")]
    monitor = Monitor(roles)
    monitor.require(options.monitor)
    folder = paths.CHECKPOINTS / training.digest
    with sidecar("stages.commands.live") as send:
        trained = loop.train(
            options,
            loop.Images(images.pixels, images.records["label"].to_numpy()),
            monitor,
            image_px=shards.manifest["image_px"],
            folder=folder,
            on_epoch=send,
        )
        (paths.MODEL / checksums.CHECKSUMS).unlink(missing_ok=True)  # of the model before
        seeing = views.with_views(trained.model, options.views, shards.manifest["image_px"])
        canonical.save(seeing, paths.MODEL / "model.keras")
        # From here on the saved file is judged, here and everywhere.
        model = predict.load_model(paths.MODEL / "model.keras")
        frozen = freeze(model, options, images, roles, monitor)
        figures = reports(
            roles,
            frozen.answers,
            frozen.point.thresholds,
            training.figures,
            prior=frozen.point.prior,
            baselines=baselines.fit(images.records, images.pixels),
        )
        send({"figures": figures})
    training.write_inputs()
    write_json(paths.MODEL / "operating_point.json", frozen.point.to_json())
    frozen.domain.save(paths.MODEL / "domain.npz")
    write_text(paths.MODEL / "history.csv", trained.history_csv())
    write_json(paths.VALIDATION, figures)
    names = ("model.keras", "operating_point.json", "domain.npz", "history.csv")
    written = [*(paths.MODEL / name for name in names), paths.TRAINED_WITH, paths.VALIDATION]
    checksums.write(paths.MODEL, written, **devices.on_record())
    checkpoints.clean_others(folder)
    if trained.speed or "train" not in journal.read(training.digest):  # else its own record stays
        journal.record(training.digest, "train", **trained.speed)
    print_text(f"kept epoch {trained.best_epoch} by {options.monitor}: {paths.MODEL}")


if __name__ == "__main__":
    run(main)
