"""The README's table of results, and the tables of figures by role that other pages have too."""

from collections.abc import Mapping, Sequence
from typing import Any

from stages.engine.errors import InputError
from stages.metrics.pages.refusals import TITLE, refusal_notes, refused_shares
from stages.metrics.pages.text import format_figure, markdown_table, markdown_text
from stages.metrics.pages.titles import BASELINE_TITLES, HEADLINES, TITLES
from stages.metrics.trees import Figures, RoleFigures, find_figure
from stages.sources.source_file import listed

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
"""Marks in a page, between which `splice` writes."""

SYNTHETIC = (
    "**Synthetic data.** This model was trained and judged on computer-made phantoms. It has "
    "never seen a patient's image, and no figure here says anything about real ones."
)


def results_table(metrics: RoleFigures, validation: RoleFigures, source: Mapping[str, Any]) -> str:
    """Format the README's results: headline figures by role, the best baseline beside them.

    Args:
        metrics: Figures by role, as metrics.json holds them.
        validation: The same of validation.json.
        source: The content of source.json.
    """
    roles = {**metrics, **validation}
    parts = [
        f"Data: {source_name(source)}. {interval_note(roles)}",
        figures_table(roles, HEADLINES, with_baseline=True),
    ]
    return "\n\n".join([*synthetic_notes(source), *parts, *refusal_notes(roles)])


def source_name(source: Mapping[str, Any]) -> str:
    """Name where the images come from, in Markdown, such as "archive chest.zip" or "phantom 1".

    Several sources are named as "lyon (archive chest.zip), paris (phantom 1, judge only)".
    """
    sources = listed(source)
    parts = [
        markdown_text(
            " ".join(part for part in (each["data"], each["version"], each["file"]) if part)
        )
        for each in sources
    ]
    if len(sources) == 1:
        return parts[0]
    judge = {"train": "", "judge": ", judge only"}
    return ", ".join(
        f"{each['name']} ({part}{judge[each['use']]})"
        for each, part in zip(sources, parts, strict=True)
    )


def synthetic_notes(source: Mapping[str, Any]) -> list[str]:
    """What to say where images are synthetic: all of them, or those of some sources."""
    if not source["synthetic"]:
        return []
    sources = listed(source)
    if all(each["synthetic"] for each in sources):
        return [SYNTHETIC]
    names = ", ".join(each["name"] for each in sources if each["synthetic"])
    return [
        f"**Partly synthetic data.** The images of {names} are computer-made phantoms. No figure "
        "that they are part of says anything about patients."
    ]


def splice(page: str, content: str) -> str:
    """Replace what stands between the two marks of a page.

    Raises:
        InputError: A mark is not there exactly once, or END stands before BEGIN.
    """
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise InputError(
            f"expected one line {BEGIN} and one line {END} after it, received "
            f"{page.count(BEGIN)} and {page.count(END)}; put both where the table should stand"
        )
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n\n{content}\n\n{END}{rest.split(END)[1]}"


def interval_note(roles: RoleFigures) -> str:
    """Explain the brackets and the decisions of a table of figures."""
    level = next(iter(roles.values()))["confidence"]
    return (
        f"In brackets: {level:.0%} intervals from resampling patients within class. Decisions are "
        "made at the frozen decision threshold; a refused image counts as decided wrongly."
    )


def figures_table(roles: RoleFigures, names: Sequence[str], *, with_baseline: bool = False) -> str:
    """Format the named figures, one row each, with one column for each role.

    with_baseline: Add a row with the trivial baseline whose AUROC is highest.
    """
    sizes = [f"{tree['images']} ({tree['patients']})" for tree in roles.values()]
    rows = [["Images (patients)", *sizes], [TITLE, *map(refused_shares, roles.values())]]
    for name in names:
        figures = [format_figure(find_figure(tree, name)) for tree in roles.values()]
        rows.append([TITLES[name], *figures])
    if with_baseline:
        best = [_best_baseline(tree) for tree in roles.values()]
        rows.append(["AUROC of the best trivial baseline", *best])
    return markdown_table(["", *roles], rows)


def _best_baseline(tree: Figures) -> str:
    baselines = tree.get("baselines", {})
    if not baselines:
        return "not measured"
    name = max(baselines, key=lambda key: float(baselines[key]["auroc"]["value"]))
    return f"{format_figure(baselines[name]['auroc'])}, {BASELINE_TITLES.get(name, name)}"
