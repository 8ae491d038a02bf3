"""The street door: one command `pneumonia`, with sub-commands beneath it.

Every command checks the whole of params.yaml first. Heavy libraries are imported by the
commands that need them.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from stages.commands import releases
from stages.engine.errors import InputError, as_input_error
from stages.engine.files import read_json, sha256_file, write_text
from stages.settings import params, paths


def pin(arguments: argparse.Namespace) -> int:
    """Write an archive's path and checksum into params.yaml."""
    from stages.commands import pinning

    params.load()
    print(pinning.pin(arguments.path))
    return 0


def predict(arguments: argparse.Namespace) -> int:
    """Print probability and decision for each image; 1 where any could not be used."""
    from stages.engine import devices
    from stages.engine.root import project_root
    from stages.serving.predictor import Predictor

    everything = params.load()
    devices.configure(everything.train.threads)
    if arguments.model is None:
        predictor = Predictor.from_champion(
            project_root(), everything.register.name, arguments.source
        )
    else:
        point = arguments.model.with_name("operating_point.json")
        predictor = Predictor.from_file(arguments.model, point, everything.preprocess.pixels)
    answers = predictor.predict(arguments.image)
    if arguments.json:
        print(json.dumps([vars(answer) for answer in answers], indent=2))
    else:
        print(f"by {predictor.origin}, digest {predictor.model[:12]}", file=sys.stderr)
        for answer in answers:
            said = (
                f"{answer.probability:.3f}  {answer.decision}"
                if answer.probability is not None
                else f"  -    {answer.reason}"
            )
            print(f"{said:18}  {answer.name}")
            for caution in answer.cautions:
                print(f"warning: {answer.name}: {caution}", file=sys.stderr)
        if predictor.synthetic:
            print("trained on synthetic images: says nothing about patients", file=sys.stderr)
        print("not a diagnosis", file=sys.stderr)
    return int(any(answer.probability is None for answer in answers))


def sync(_: argparse.Namespace) -> int:
    """Have the tracking store show every run whose files are at hand."""
    from stages.commands.sync import sync as show_all

    return show_all()


def ui(arguments: argparse.Namespace) -> int:
    """Serve the MLflow pages until interrupted."""
    from stages.engine.root import project_root
    from stages.registry.store import find_store
    from stages.registry.ui import serve_ui

    params.load()
    return serve_ui(find_store(project_root()), arguments.port)


def results(arguments: argparse.Namespace) -> int:
    """Print the table of results, or put it between the marks in a file."""
    from stages.metrics.pages.results import results_table
    from stages.registry.record import check_report

    params.load()

    def table() -> str:
        judged = check_report(paths.REPORT)["model"]
        if judged != sha256_file(paths.MODEL / "model.keras"):
            raise InputError(
                f"{paths.REPORT}: expected the report of {paths.MODEL / 'model.keras'}, received "
                "that of an earlier model; run `dvc repro evaluate`"
            )
        return results_table(
            read_json(paths.METRICS),
            read_json(paths.VALIDATION),
            read_json(paths.SOURCE),
        )

    _deliver(table, arguments.write)
    return 0


def _deliver(make: Callable[[], str], page: Path | None) -> None:
    """Print a table, or put it between the marks in `page`, which are looked for first."""
    from stages.metrics.pages.results import splice

    if page is None:
        print(make())
        return
    if not page.is_file():
        raise InputError(f"{page}: expected a page with marks, found no file")
    text = page.read_text(encoding="utf-8")
    splice(text, "")
    write_text(page, splice(text, make()))


def figures(arguments: argparse.Namespace) -> int:
    """Draw phantoms and their model's curves as one PNG."""
    from stages.commands import figures as pictures
    from stages.engine.files import write_bytes

    params.load()
    write_bytes(arguments.to, pictures.phantoms())
    return 0


def seeds(arguments: argparse.Namespace) -> int:
    """Train with several seeds through DVC and print mean, spread and intervals."""
    from stages.studies import seeds as seeded

    params.load()
    print(seeded.run(arguments.count, arguments.name, arguments.set, test=arguments.test))
    return 0


def ablation(arguments: argparse.Namespace) -> int:
    """Print the table of experiments, or put it between the marks in a file."""
    from stages.studies import ablation as ablated

    settings = params.load()
    _deliver(
        lambda: ablated.run(
            settings, arguments.rev, against=arguments.against, paired=arguments.paired
        ),
        arguments.write,
    )
    return 0


def stress(_: argparse.Namespace) -> int:
    """Print what changed acquisitions do to the model's figures on validation."""
    from stages.engine import devices

    settings = params.load()
    devices.configure(settings.train.threads)
    from stages.studies import stress as stressed

    print(stressed.run(settings))
    return 0


def thresholds(_: argparse.Namespace) -> int:
    """Print what other rules for the decision threshold would have done on validation."""
    from stages.engine import devices

    settings = params.load()
    devices.configure(settings.train.threads)
    from stages.studies import thresholds as rules

    print(rules.run())
    return 0


def pointing(_: argparse.Namespace) -> int:
    """Print how often saliency maps peak on the phantoms' lesions, beside chance."""
    from stages.engine import devices

    settings = params.load()
    devices.configure(settings.train.threads)
    from stages.studies import pointing as game

    print(game.run(settings))
    return 0


def audit(arguments: argparse.Namespace) -> int:
    """Print what preprocess found out about the images."""
    from stages.commands.audit import show

    return show(arguments)


def verify(arguments: argparse.Namespace) -> int:
    """Rebuild a commit from nothing and compare; 1 where it differs, 2 where nobody can tell."""
    from stages.commands.verify import show

    return show(arguments)


def export(arguments: argparse.Namespace) -> int:
    """Save the model as HDF5, which the project that this one grew from shipped."""
    from stages.engine import devices

    if arguments.to.suffix != ".h5":
        raise InputError(f"{arguments.to}: expected a name ending in .h5; .keras is in data/model")
    everything = params.load()
    devices.configure(everything.train.threads)
    from stages.engine.files import replacing
    from stages.network.predict import load_model

    model = load_model(paths.MODEL / "model.keras")
    with replacing(arguments.to) as temporary:
        model.save(temporary.with_suffix(".h5"))
        temporary.with_suffix(".h5").replace(temporary)
    print(f"{arguments.to}: an export; it opens without Keras's safe mode, so trust its sender")
    return 0


def parser() -> argparse.ArgumentParser:
    """The grammar of the command line."""
    top = argparse.ArgumentParser(
        prog="pneumonia", description="Detect pneumonia in chest X-rays. Not a diagnosis."
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("predict", help="probability and decision for image files")
    command.add_argument("image", nargs="+", type=Path)
    command.add_argument("--model", type=Path, help="a .keras file (default: the champion)")
    command.add_argument("--source", help="the champion for this data set, by its name")
    command.add_argument("--json", action="store_true")
    command.set_defaults(run=predict)

    command = commands.add_parser("pin", help="write an archive's checksum into params.yaml")
    command.add_argument("path", metavar="PATH", help="a zip, tar, tar.gz or folder of images")
    command.set_defaults(run=pin)

    source = argparse.ArgumentParser(add_help=False)
    source.add_argument("--source", help="the data set (default: data/release.json's)")
    table = argparse.ArgumentParser(add_help=False)
    table.add_argument("--json", action="store_true")

    command = commands.add_parser(
        "promote", parents=[source], help="move `champion` to a version, if the gate lets it"
    )
    command.add_argument("version", nargs="?", help="default: the candidate")
    command.add_argument("--to", default="champion", metavar="ALIAS", help="default: champion")
    command.add_argument("--override", action="store_true", help="move it whatever the gate says")
    command.add_argument("--reason", help="why; kept in the history")
    command.set_defaults(run=releases.promote)

    command = commands.add_parser(
        "rollback", parents=[source], help="move `champion` back to the version before"
    )
    command.add_argument("--reason", default="not given", help="why; kept in the history")
    command.set_defaults(run=releases.rollback)

    command = commands.add_parser(
        "history", parents=[source, table], help="who moved which alias, when and why"
    )
    command.set_defaults(run=releases.history)

    command = commands.add_parser("runs", parents=[table], help="the runs, newest first")
    command.set_defaults(run=releases.runs)

    command = commands.add_parser("models", parents=[table], help="the versions, newest first")
    command.set_defaults(run=releases.models)

    command = commands.add_parser(
        "sync", help="have MLflow show the run under data/, experiments and earlier commits"
    )
    command.set_defaults(run=sync)

    command = commands.add_parser("ui", help="the MLflow pages on the tracking store")
    command.add_argument("--port", type=int, default=5000)
    command.set_defaults(run=ui)

    command = commands.add_parser("results", help="the table of results, as Markdown")
    command.add_argument("--write", type=Path, metavar="FILE", help="put it between FILE's marks")
    command.set_defaults(run=results)

    command = commands.add_parser("figures", help="a picture of phantoms and their model's curves")
    command.add_argument("to", type=Path, metavar="FILE.png")
    command.set_defaults(run=figures)

    command = commands.add_parser("seeds", help="train with N seeds; mean, spread and intervals")
    command.add_argument("count", type=int, metavar="N")
    command.add_argument("--name", default="seed", help="prefix of the experiments' names")
    command.add_argument(
        "-S", "--set", action="append", default=[], metavar="KEY=VALUE", help="as of `dvc exp run`"
    )
    command.add_argument(
        "--test", action="store_true", help="judge on test too: the recipe that ships only"
    )
    command.set_defaults(run=seeds)

    command = commands.add_parser("ablation", help="the table of experiments, as Markdown")
    command.add_argument("--rev", default="HEAD", help="the commit that they start from")
    command.add_argument("--against", metavar="NAME", help="the baseline (default: the commit)")
    command.add_argument("--paired", action="store_true", help="differences from the baseline too")
    command.add_argument("--write", type=Path, metavar="FILE", help="put it between FILE's marks")
    command.set_defaults(run=ablation)

    command = commands.add_parser(
        "stress", help="figures on validation images whose acquisition is changed"
    )
    command.set_defaults(run=stress)

    command = commands.add_parser("thresholds", help="other rules for the decision, compared")
    command.set_defaults(run=thresholds)

    command = commands.add_parser(
        "pointing", help="how often saliency maps peak on phantoms' lesions"
    )
    command.set_defaults(run=pointing)

    command = commands.add_parser(
        "audit", parents=[table], help="what the images say about themselves: traps and pictures"
    )
    command.set_defaults(run=audit)

    command = commands.add_parser(
        "verify", parents=[source, table], help="rebuild a commit from nothing and compare"
    )
    command.add_argument("rev", nargs="?", default="HEAD", help="default: HEAD")
    command.add_argument("--version", metavar="N", help="the commit of this registered version")
    command.add_argument("--keep", action="store_true", help="leave the rebuilt clone in place")
    command.set_defaults(run=verify)

    command = commands.add_parser("export", help="save the model as HDF5")
    command.add_argument("to", type=Path, metavar="FILE.h5")
    command.set_defaults(run=export)
    return top


def main(words: list[str] | None = None) -> int:
    """Run one command; an InputError is a message on stderr and the exit status 1."""
    arguments = parser().parse_args(words)
    try:
        status: int = arguments.run(arguments)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        known = as_input_error(error)
        if known is None:
            raise
        print(f"error: {known}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
