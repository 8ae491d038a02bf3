"""Questions about recipes and trained models."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stages.commands.parameters import WriteTo
from stages.commands.registration import Function
from stages.commands.results import print_or_insert
from stages.commands.tables import print_markdown

if TYPE_CHECKING:
    from stages.settings.params import Params


def seeds(
    _: "Params",
    count: Annotated[int, typer.Argument(metavar="N", help="How many seeds, from 0 on.")],
    name: Annotated[
        str, typer.Option(metavar="PREFIX", help="Prefix of the experiments' names.")
    ] = "seed",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", "-S", metavar="KEY=VALUE", help="As in `dvc exp run`; repeatable."),
    ] = None,
    test: Annotated[
        bool,
        typer.Option("--test", help="Evaluate on test too: only for the recipe that ships."),
    ] = False,
) -> None:
    """Train with N seeds; print mean, spread and intervals."""
    from stages.studies import seeds as study

    print_markdown(study.run(count, name, settings or [], test=test))


def ablation(
    params: "Params",
    rev: Annotated[
        str, typer.Option(metavar="COMMIT", help="The commit that the experiments start from.")
    ] = "HEAD",
    against: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The baseline experiment; default: the commit."),
    ] = None,
    paired: Annotated[
        bool, typer.Option("--paired", help="Add paired differences from the baseline.")
    ] = False,
    write: WriteTo = None,
) -> None:
    """Print the table of experiments."""
    from stages.studies import ablation as study

    print_or_insert(lambda: study.run(params, rev, against=against, paired=paired), write)


def stress(params: "Params") -> None:
    """Compare the figures on validation images whose acquisition is changed."""
    _configure_devices(params)
    from stages.studies import stress as study

    print_markdown(study.run(params))


def thresholds(
    params: "Params",
    tail: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Answers that `study tail` kept; no model is loaded."),
    ] = None,
) -> None:
    """Compare rules for the decision threshold on validation images."""
    if tail is not None:
        from stages.studies import tail_rules, tail_table

        print_markdown(tail_rules.table(tail_table.load(tail), params.evaluate))
        return
    _configure_devices(params)
    from stages.studies import thresholds as study

    print_markdown(study.run(params.train.decision_sensitivity))


def tail(
    _: "Params",
    nuisance: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="What normals are sorted by: frame, tone, texture, shape."
        ),
    ] = "frame",
    folds: Annotated[int, typer.Option(metavar="N", help="Blocks, each with a training.")] = 5,
    copies: Annotated[
        int, typer.Option(metavar="N", help="Re-acquired copies of each normal; 0 for none.")
    ] = 2,
    stressed: Annotated[
        bool, typer.Option("--stress/--no-stress", help="Judge the stress variants too.")
    ] = True,
    first: Annotated[
        int | None,
        typer.Option(metavar="N", help="Only the first blocks, those most like positives."),
    ] = None,
    seeds: Annotated[int, typer.Option(metavar="N", help="Trainings of each block.")] = 1,
    against: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Answers kept for another recipe, to compare with."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", "-S", metavar="KEY=VALUE", help="Of the section train; repeatable."),
    ] = None,
) -> None:
    """Judge every normal by a model that trained on none of its kind."""
    from stages.studies import tail as study

    print_markdown(
        study.run(
            nuisance=nuisance,
            folds=folds,
            copies=copies,
            stressed=stressed,
            seeds=seeds,
            first=first,
            against=against,
            settings=settings or [],
        )
    )


def pointing(params: "Params") -> None:
    """Print how often saliency maps peak on the phantoms' lesions, beside chance."""
    _configure_devices(params)
    from stages.studies import pointing as study

    print_markdown(study.run(params))


def domain(params: "Params", write: WriteTo = None) -> None:
    """Print how much the model refuses: of proper images by role, and of others by kind."""
    _configure_devices(params)
    from stages.studies import domain as study

    print_or_insert(lambda: study.run(params), write)


def _configure_devices(params: "Params") -> None:
    from stages.engine import devices

    devices.configure(params.train.threads)


COMMANDS: dict[str, Function] = {
    "seeds": seeds,
    "ablation": ablation,
    "stress": stress,
    "thresholds": thresholds,
    "tail": tail,
    "pointing": pointing,
    "domain": domain,
}
