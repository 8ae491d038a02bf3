"""Rules for the threshold, judged on normals of kinds that a model did not train on.

For `pneumonia study thresholds --tail`. A release has no normals of a kind that it lacks, so most
rules are fitted on validation images outside the block alone. Two see the block's own normals,
for comparison. Two carry over what was measured elsewhere: the sensitivity at which models of the
other blocks have equal error on the normals held out from them, all of them or those of the
hardest block.

Each rule is fitted on half of the patients and judged on the other half, REPEATS times and both
ways, so that every image is judged equally often, never by a threshold that its patient helped to
set.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.engine.arrays import Flags, Floats
from stages.metrics.intervals import Draws, Figure, Score, as_tree
from stages.metrics.options import FigureOptions
from stages.metrics.pages.text import format_difference, format_figure, markdown_table
from stages.metrics.ratio import ratio
from stages.network.operating_point import Pool, equal_error, fixed_sensitivity
from stages.studies.tail_figures import draws_of, scorer
from stages.studies.tail_table import (
    BLOCK,
    COPIES,
    MATCHED,
    VAL,
    TailTable,
    places_by_model,
)

REPEATS = 5
SEED = 0
LEVELS = (0.85, 0.88, 0.90, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97)
BASELINE = "equal error, random and matched"
"""The rule where train.decision_sensitivity is null."""


@dataclass(frozen=True)
class Fit:
    """What a rule may see: the patients of one half.

    Attributes:
        pools: Of one model, by the set of images.
        measured: Sensitivity at equal error on the blocks of the other models, taken together.
        least: The same on the block of them where it is least.
    """

    pools: Mapping[str, Pool]
    measured: float
    least: float


Rule: TypeAlias = Callable[[Fit], float]
"""From what it may see to a cut on the logit."""


def _sensitivity(level: float) -> Rule:
    return lambda fit: fixed_sensitivity(fit.pools[VAL], level, seed=SEED)


def _equal(*images: str) -> Rule:
    """Equal error of validation positives against the normals of some sets."""

    def rule(fit: Fit) -> float:
        sick = fit.pools[VAL]
        pools = [fit.pools[name] for name in images if name in fit.pools]
        first = pools[0]
        both = Pool(
            np.concatenate([sick.logits[sick.labels == 1], first.logits[first.labels == 0]]),
            np.repeat([1, 0], [(sick.labels == 1).sum(), (first.labels == 0).sum()]),
            np.concatenate([sick.patients[sick.labels == 1], first.patients[first.labels == 0]]),
        )
        return equal_error([both, *pools[1:]], seed=SEED)

    return rule


RULES: dict[str, Rule] = {
    BASELINE: _equal(VAL, MATCHED),
    "0.5 as trained": lambda _: 0.0,
    "equal error, random normals": _equal(VAL),
    "equal error, matched normals": _equal(MATCHED),
    **{f"sensitivity {level:.2f}": _sensitivity(level) for level in LEVELS},
    "sensitivity measured on the other blocks": lambda fit: _sensitivity(fit.measured)(fit),
    "sensitivity measured on the hardest other block": lambda fit: _sensitivity(fit.least)(fit),
    "equal error, random, matched and held-out normals": _equal(VAL, MATCHED, BLOCK),
    "equal error, held-out normals": _equal(BLOCK),
}


def table(answers: TailTable, options: FigureOptions) -> str:
    """Judge every rule and format one row for each, as Markdown."""
    rows = answers.rows
    rows = rows[rows["images"].isin([BLOCK, COPIES, VAL, MATCHED])].reset_index(drop=True)
    right = judge(rows)
    draws = draws_of(rows, options)
    baseline = _score(rows, right[BASELINE])
    header, lines = [], []
    for name, share in right.items():
        score = _score(rows, share)
        found = draws.figures(score)
        shift = draws.differences(score, baseline)
        cells = _cells(found, shift, name == BASELINE)
        header = ["Rule", *cells]
        lines.append([name, *cells.values()])
    return "\n\n".join([markdown_table(header, lines), _measured(rows, draws)])


def judge(rows: pd.DataFrame) -> dict[str, Floats]:
    """Return by rule how often each image is called rightly, 0 to 1 (N,)."""
    label, logit = rows["label"].to_numpy(), rows["logit"].to_numpy()
    models = places_by_model(rows)
    right = {name: np.zeros(len(rows)) for name in RULES}
    patients = np.unique(rows["patient"].to_numpy().astype(str))
    for repeat in range(REPEATS):
        order = np.random.default_rng([SEED, repeat]).permutation(len(patients))
        half = rows["patient"].isin(patients[order[: len(patients) // 2]]).to_numpy()
        for inside in (half, ~half):
            blocks = sorted({block for block, _ in models})
            alone = {block: _equal_level(rows, inside, [block]) for block in blocks}
            for block, places in models:
                others = [each for each in blocks if each != block] or blocks
                together = _equal_level(rows, inside, others)
                least = min(alone[each] for each in others)
                fit = Fit(_pools(rows, places[inside[places]]), together, least)
                judged = places[~inside[places]]
                for name, rule in RULES.items():
                    called = logit[judged] >= rule(fit)
                    right[name][judged] += (called == (label[judged] == 1)) / REPEATS
    return right


def _equal_level(rows: pd.DataFrame, inside: Flags, blocks: Sequence[int]) -> float:
    """Sensitivity at equal error over some blocks, rounded to what params would state."""
    weight = inside.astype(np.float64)[None]
    return round(float(scorer(rows, BLOCK, blocks=blocks)(weight)["equal"][0]), 3)


def _pools(rows: pd.DataFrame, places: NDArray[np.intp]) -> dict[str, Pool]:
    return {
        str(name): Pool(
            part["logit"].to_numpy(), part["label"].to_numpy(), part["patient"].to_numpy(str)
        )
        for name, part in rows.take(places).groupby("images")
    }


def _score(rows: pd.DataFrame, right: Floats) -> Score:
    label, images = rows["label"].to_numpy(), rows["images"].to_numpy()
    members = {"sensitivity": (images == VAL) & (label == 1)}
    members |= {name: (images == name) & (label == 0) for name in (BLOCK, COPIES, VAL, MATCHED)}
    for number in rows["block"].unique():
        members[f"block {number}"] = members[BLOCK] & (rows["block"] == number).to_numpy()

    def score(weight: Floats) -> dict[str, Floats]:
        found = {
            name: ratio(weight[:, chosen] @ right[chosen], weight[:, chosen].sum(axis=1))
            for name, chosen in members.items()
            if chosen.any()
        }
        blocks = [value for name, value in found.items() if name.startswith("block ")]
        return found | {
            "balanced": (found["sensitivity"] + found[BLOCK]) / 2,
            "least": (found["sensitivity"] + np.min(blocks, axis=0)) / 2,
        }

    return score


_COLUMNS = {
    "sensitivity": "Sensitivity",
    BLOCK: "Specificity, all blocks",
    "balanced": "Balanced accuracy, all blocks",
    "least": "Balanced accuracy, hardest block",
    COPIES: "Specificity, re-acquired blocks",
    VAL: "Specificity, other normals of val",
    MATCHED: "Specificity, other normals of val_matched",
}


def _cells(
    found: Mapping[str, Figure], shift: Mapping[str, Figure], is_baseline: bool
) -> dict[str, str]:
    tree = as_tree(found)
    cells = {
        title: format_figure(tree[name])
        if name in ("sensitivity", BLOCK, "balanced", "least")
        else f"{tree[name]['value']:.3f}"
        for name, title in _COLUMNS.items()
        if name in tree
    }
    compared = {BLOCK: "specificity", "balanced": "balanced accuracy", "least": "the hardest block"}
    for name, title in compared.items():
        cells[f"Difference in {title}"] = "" if is_baseline else format_difference(shift[name])
    return cells


def _measured(rows: pd.DataFrame, draws: Draws) -> str:
    """The sensitivity at equal error over all blocks and on the hardest, for params."""
    blocks = sorted({block for block, _ in places_by_model(rows)})
    together = draws.figures(scorer(rows, BLOCK))["equal"]
    each = {block: draws.figures(scorer(rows, BLOCK, blocks=[block]))["equal"] for block in blocks}
    hardest = min(each, key=lambda block: each[block].value)
    figures = as_tree({"together": together, "hardest": each[hardest]})
    return (
        "Sensitivity and specificity are equal over all blocks at "
        f"{format_figure(figures.get('together'))}, on block {hardest}, the hardest, at "
        f"{format_figure(figures.get('hardest'))}: what `train.decision_sensitivity` may state."
    )
