"""How far one recipe's figures move with the seed: `python -m tests.bench.seeds_apart PREFIX`.

Takes the experiments PREFIX-0, PREFIX-1, ... of `pneumonia study seeds N --test --name PREFIX` and
compares each with each, as `pneumonia verify` compares a rebuild with its record: what a training
on another class of machine may be, another draw of the same recipe.
"""

import argparse
import itertools
from collections import defaultdict
from typing import Any

from stages.history import experiments
from stages.history.moved_figures import MovedFigure, compare_figures


def drawn(prefix: str) -> dict[str, dict[str, Any]]:
    """Figures by role, test among them, of each experiment that is one of the seeds."""
    found = {}
    for one in experiments.list_experiments()[1]:
        name, _, seed = one.name.rpartition("-")
        if name == prefix and seed.isdecimal() and one.validation:
            judged = experiments.metrics_at(one.rev)
            if judged:
                found[one.name] = one.validation | judged
    return found


def lines(draws: dict[str, dict[str, Any]]) -> list[str]:
    """The furthest that each headline figure moved, and how many pairs each rule would refuse."""
    moves: defaultdict[str, list[MovedFigure]] = defaultdict(list)
    outside = apart = 0
    pairs = list(itertools.permutations(draws, 2))
    for then, now in pairs:
        headlines = [one for one in compare_figures(draws[then], draws[now])[1] if one.headline]
        outside += any(map(_outside, headlines))
        apart += any(not one.overlap for one in headlines)
        for one in headlines:
            moves[one.name].append(one)
    return [
        f"{len(draws)} seeds, {len(pairs)} ordered pairs of record and rebuild",
        *(f"{name}: at most {max(abs(one.difference) for one in moves[name]):.4f}"
          for name in sorted(moves)),
        f"pairs with a headline figure outside the interval on record: {outside}",
        f"pairs with a headline figure whose intervals are apart: {apart}",
    ]  # fmt: skip


def _outside(one: MovedFigure) -> bool:
    _, low, high = one.recorded
    return not low <= one.rebuilt[0] <= high


def main() -> None:
    """Print it, or say how to get what it needs."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.seeds_apart")
    parser.add_argument("prefix", help="the name of the seeds' experiments, without their number")
    prefix = parser.parse_args().prefix
    draws = drawn(prefix)
    if len(draws) < 2:
        parser.error(
            f"{prefix}: expected experiments {prefix}-0, {prefix}-1, ... of this commit, judged on "
            f"test, found {len(draws)}; run `pneumonia study seeds 5 --test --name {prefix}`"
        )
    print("\n".join(lines(draws)))


if __name__ == "__main__":
    main()
