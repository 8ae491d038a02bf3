"""How far one recipe's figures move with the seed: `python -m tests.bench.seeds_apart PREFIX`.

Takes the experiments PREFIX-0, PREFIX-1, ... of `pneumonia study seeds N --test --name PREFIX` and
compares each with each, as `pneumonia verify` compares a rebuild with its record: a training on
another class of machine is at most as different as another seed of the same recipe.
"""

import argparse
import itertools
from collections import defaultdict
from typing import Any

from stages.history import experiments
from stages.history.moved_figures import MovedFigure, compare_figures


def figures_by_seed(prefix: str) -> dict[str, dict[str, Any]]:
    """Return figures by role, test among them, of each experiment that is one of the seeds."""
    found = {}
    for experiment in experiments.list_experiments()[1]:
        name, _, seed = experiment.name.rpartition("-")
        if name == prefix and seed.isdecimal() and experiment.validation:
            metrics = experiments.metrics_at(experiment.rev)
            if metrics:
                found[experiment.name] = {**experiment.validation, **metrics}
    return found


def summary(seeds: dict[str, dict[str, Any]]) -> list[str]:
    """Report how far each headline figure moved, and how many pairs each rule would refuse."""
    moves: defaultdict[str, list[float]] = defaultdict(list)
    outside = apart = 0
    pairs = list(itertools.permutations(seeds, 2))
    for recorded, rebuilt in pairs:
        moved = compare_figures(seeds[recorded], seeds[rebuilt])[1]
        headlines = [figure for figure in moved if figure.headline]
        outside += any(map(_outside, headlines))
        apart += any(not figure.overlap for figure in headlines)
        for figure in headlines:
            moves[figure.name].append(abs(figure.difference))
    return [
        f"{len(seeds)} seeds, {len(pairs)} ordered pairs of record and rebuild",
        *(f"{name}: at most {max(moves[name]):.4f}" for name in sorted(moves)),
        f"pairs with a headline figure outside the interval on record: {outside}",
        f"pairs with a headline figure whose intervals are apart: {apart}",
    ]


def _outside(figure: MovedFigure) -> bool:
    _, low, high = figure.recorded
    return not low <= figure.rebuilt[0] <= high


def main() -> None:
    """Print the summary, or how to train the seeds that are missing."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.seeds_apart")
    parser.add_argument("prefix", help="the name of the seeds' experiments, without their number")
    prefix = parser.parse_args().prefix
    seeds = figures_by_seed(prefix)
    if len(seeds) < 2:
        parser.error(
            f"{prefix}: expected experiments {prefix}-0, {prefix}-1, ... of this commit, judged on "
            f"test, found {len(seeds)}; run `pneumonia study seeds 5 --test --name {prefix}`"
        )
    print("\n".join(summary(seeds)))


if __name__ == "__main__":
    main()
