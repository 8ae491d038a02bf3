"""The tables of the study of the tail, as Markdown."""

from collections.abc import Mapping

import pandas as pd

from stages.engine.errors import InputError
from stages.images.shift import stress
from stages.metrics.intervals import Draws, Figure, as_tree
from stages.metrics.options import FigureOptions
from stages.metrics.pages.text import format_difference, format_figure, markdown_table
from stages.studies.tail_figures import LEVEL, differences, draws_of, figures, scorer
from stages.studies.tail_table import BLOCK, COPIES, MATCHED, MODEL, VAL, TailTable

_TITLES = {
    "auroc": "AUROC",
    "specificity": f"Specificity at sensitivity {LEVEL:g}",
    "equal": "Sensitivity = specificity",
}
_MATCHED_TITLES = {name: f"Re-acquired: {_TITLES[name]}" for name in ("auroc", "specificity")}


def tables(table: TailTable, options: FigureOptions, other: TailTable | None) -> str:
    """Return all tables: by block, under stress, and the differences from another recipe.

    Raises:
        InputError: The other recipe was not judged on the same images.
    """
    plain = _plain(table)
    draws = draws_of(plain.rows, options)
    sections = [_by_block(plain, draws)]
    if any(table.has(name) for name in stress.VARIANTS):
        sections.append(_under_stress(table, options))
    if other is not None:
        sections.append(_compared(plain, _plain(other), draws))
    return "\n\n".join(sections)


def _plain(table: TailTable) -> TailTable:
    """The table without stressed images."""
    rows = table.rows[~table.rows["images"].isin(list(stress.VARIANTS))]
    return TailTable(rows.reset_index(drop=True), table.facts)


def _by_block(table: TailTable, draws: Draws) -> str:
    numbers = table.blocks
    groups: dict[str, tuple[str, str, list[int]]] = {
        f"block {number}": (BLOCK, COPIES, [number]) for number in numbers
    }
    groups["all blocks"] = (BLOCK, COPIES, numbers)
    groups["other normals of val, by the same models"] = (VAL, MATCHED, numbers)
    rows = []
    for title, (natural, copies, blocks) in groups.items():
        as_they_are = as_tree(figures(draws, table.rows, natural, blocks))
        cells = [title, _sizes(table.rows, natural, blocks)]
        cells += [format_figure(as_they_are.get(name)) for name in _TITLES]
        if table.has(copies):
            again = as_tree(figures(draws, table.rows, copies, blocks))
            cells += [format_figure(again.get(name)) for name in _MATCHED_TITLES]
        else:
            cells += ["not made"] * len(_MATCHED_TITLES)
        rows.append(cells)
    header = ["Normals", "Images (patients)", *_TITLES.values(), *_MATCHED_TITLES.values()]
    return markdown_table(header, rows)


def _sizes(rows: pd.DataFrame, images: str, blocks: list[int]) -> str:
    chosen = rows[(rows["images"] == images) & (rows["label"] == 0) & rows["block"].isin(blocks)]
    return f"{chosen['id'].nunique()} ({chosen['patient'].nunique()})"


def _under_stress(table: TailTable, options: FigureOptions) -> str:
    """The figures with both classes changed, and with one; thresholds are found unchanged."""
    rows = table.rows
    draws = draws_of(rows, options)
    before = scorer(rows, BLOCK)
    cells = []
    for name in stress.VARIANTS:
        changed = {
            "all": scorer(rows, name, positives=name),
            "normals": scorer(rows, name),
            "positives": scorer(rows, BLOCK, positives=name),
        }
        drawn = {title: draws.figures(score) for title, score in changed.items()}
        shift = draws.differences(changed["all"], before)["auroc"]
        aurocs = [_figure(drawn[title]["auroc"]) for title in changed]
        cells.append(
            [name, *aurocs, _figure(drawn["normals"]["specificity"]), format_difference(shift)]
        )
    header = ["All blocks, images changed", "AUROC, all", "AUROC, normals only"]
    header += ["AUROC, positives only", f"{_TITLES['specificity']}, normals only"]
    return markdown_table([*header, "AUROC's shift, all"], cells)


def _compared(table: TailTable, other: TailTable, draws: Draws) -> str:
    """Differences from another recipe, paired by patient."""
    keys = [*MODEL, "images", "id"]
    aligned = table.rows[keys].merge(other.rows, how="left", on=keys, validate="one_to_one")
    if aligned["logit"].isna().any() or len(other.rows) != len(table.rows):
        raise InputError(
            "--against: expected answers on the same images in the same blocks, received others "
            f"({_named(other.facts)}; here {_named(table.facts)})"
        )
    paired = TailTable(aligned, other.facts)
    rows = []
    for title, images in {
        "all blocks": BLOCK,
        "all blocks, re-acquired": COPIES,
        "other normals of val": VAL,
        "other normals of val_matched": MATCHED,
    }.items():
        if table.has(images):
            found: Mapping[str, Figure] = differences(draws, table, paired, images)
            rows.append([title, *(format_difference(found[name]) for name in _TITLES)])
    return markdown_table(["This less the other recipe", *_TITLES.values()], rows)


def _named(facts: Mapping[str, object]) -> str:
    return ", ".join(
        f"{name} {facts.get(name)}" for name in ("nuisance", "folds", "copies", "seeds")
    )


def _figure(figure: Figure) -> str:
    return format_figure(as_tree({"it": figure}).get("it"))
