"""What a page says of refused images: the share of each class, and where one is refused more."""

from collections.abc import Mapping

from stages.metrics.pages.text import format_figure, format_interval, markdown_table, markdown_text
from stages.metrics.refusal_keys import DIFFERENCE, NEGATIVE, POSITIVE, REFUSALS
from stages.metrics.trees import Figures, RoleFigures, find_figure

TITLE = "Refused (positive / negative)"
"""Of the row with `refused_shares`."""

_ANSWERED = {
    "auroc": "AUROC",
    "accuracy": "Accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
}


def refused_shares(tree: Figures, *, missing: str = "undefined") -> str:
    """Format the refused shares of positives and negatives, such as "0.01 (...) / 0.02 (...)"."""
    found = [find_figure(tree, REFUSALS, name) for name in (POSITIVE, NEGATIVE)]
    if not any(found):
        return missing
    return " / ".join(format_figure(figure, missing=missing) for figure in found)


def refusal_findings(roles: RoleFigures) -> list[str]:
    """Return a text for each role of whose positives more are refused than of its negatives.

    Only where the whole interval of the difference is above 0. Plain text.
    """
    return [
        f"On {role}, more positive than negative images are refused: {_share(tree, POSITIVE)} of "
        f"the positives, {_share(tree, NEGATIVE)} of the negatives, difference {_signed(gap)}. "
        "A model must not refuse images because they show disease: look at the refused positives."
        for role, tree in roles.items()
        if (gap := find_figure(tree, REFUSALS, DIFFERENCE)) is not None and gap["low"] > 0
    ]


def refusal_notes(roles: RoleFigures) -> list[str]:
    """Return `refusal_findings` as paragraphs in Markdown."""
    return [f"**Finding.** {markdown_text(text)}" for text in refusal_findings(roles)]


def refusals_section(roles: RoleFigures) -> str:
    """Format all figures of refusals, and those of the answered images alone."""
    rows = []
    for title, name in (
        ("Refused", "share"),
        ("Refused positives", POSITIVE),
        ("Refused negatives", NEGATIVE),
    ):
        rows.append([title, *(_with_count(tree, name) for tree in roles.values())])
    gaps = [find_figure(tree, REFUSALS, DIFFERENCE) for tree in roles.values()]
    rows.append(["Positives minus negatives", *map(_signed, gaps)])
    for name, title in _ANSWERED.items():
        cells = [format_figure(find_figure(tree, "answered", name)) for tree in roles.values()]
        rows.append([f"{title}, answered images alone", *cells])
    parts = [
        "## Refusals",
        "An image that is too unlike the training images gets no decision. Such an image counts as "
        "decided wrongly in accuracy, sensitivity, specificity, F1 and Matthews correlation, here "
        "and in the floors and the gate of the registry; predictive values are over the images "
        "that got a decision; AUROC, average precision and calibration are over all images.",
        markdown_table(["", *roles], rows),
        *refusal_notes(roles),
    ]
    return "\n\n".join(parts)


def _with_count(tree: Figures, name: str) -> str:
    answered, refused = tree["counts"], tree[REFUSALS]["counts"]
    classes = {
        POSITIVE: (refused[POSITIVE], answered["tp"] + answered["fn"]),
        NEGATIVE: (refused[NEGATIVE], answered["tn"] + answered["fp"]),
    }
    chosen = [classes[name]] if name in classes else list(classes.values())
    out = sum(count for count, _ in chosen)
    total = out + sum(count for _, count in chosen)
    return f"{_share(tree, name)}, {out} of {total}"


def _share(tree: Figures, name: str) -> str:
    return format_figure(find_figure(tree, REFUSALS, name))


def _signed(figure: Mapping[str, float] | None) -> str:
    if figure is None:
        return "undefined"
    return format_interval(figure["value"], figure["low"], figure["high"], signed=True)
