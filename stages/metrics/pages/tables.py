"""Figures as Markdown: single ones, tables of them, and the README's table of results."""

from collections.abc import Mapping, Sequence
from typing import Any

from stages.engine.errors import InputError
from stages.metrics.pages.text import format_figure, markdown_table

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"

# Keys of a split's figures and what people call them, in reading order.
NAMES = {
    "auroc": "AUROC",
    "average_precision": "Average precision",
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "Positive predictive value",
    "npv": "Negative predictive value",
    "f1": "F1",
    "mcc": "Matthews correlation",
    "brier": "Brier score",
    "ece": "Expected calibration error",
    "log_loss": "Log loss (nats)",
}
HEADLINES = ("auroc", "accuracy", "sensitivity", "specificity")
BASELINES = {
    "always_pneumonia": "always pneumonia",
    "encoding": "file encoding alone",
    "shape": "image size and shape alone",
    "frame": "outer frame alone",
    "thumbnail": "24 x 24 thumbnail, linear",
}
SYNTHETIC = (
    "**Synthetic data.** This model was trained and judged on computer-made phantoms. It has "
    "never seen a patient's image, and no figure here says anything about real ones."
)


def results_table(
    metrics: Mapping[str, Any], validation: Mapping[str, Any], source: Mapping[str, Any]
) -> str:
    """The README's results: headline figures by split, the best baseline beside them."""
    splits = {**metrics, **validation}
    lines = [
        f"Data: {source_name(source)}. {interval_note(splits)}",
        figures_table(splits, HEADLINES, shadow=True),
    ]
    return "\n\n".join([*([SYNTHETIC] if source["synthetic"] else []), *lines])


def source_name(source: Mapping[str, Any]) -> str:
    """Where the images come from in a few words, such as "archive chest.zip" or "phantom 1"."""
    parts = [source["name"], source["version"], source["file"]]
    return " ".join(part for part in parts if part)


def splice(text: str, results: str) -> str:
    """`text` with what stands between the two markers replaced by `results`.

    Raises InputError unless each marker is there once, in order.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise InputError(
            f"expected one line {BEGIN} and one line {END} after it, received "
            f"{text.count(BEGIN)} and {text.count(END)}; put both where the table should stand"
        )
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{results}\n\n{END}{rest.split(END)[1]}"


def interval_note(splits: Mapping[str, Any]) -> str:
    level = next(iter(splits.values()))["confidence"]
    return (
        f"In brackets: {level:.0%} intervals from resampling patients within class. Decisions are "
        "made at the frozen decision threshold."
    )


def figures_table(splits: Mapping[str, Any], names: Sequence[str], *, shadow: bool = False) -> str:
    rows = [
        [
            "Images (patients)",
            *(f"{tree['images']} ({tree['patients']})" for tree in splits.values()),
        ],
        *(
            [NAMES[name], *(format_figure(tree.get(name)) for tree in splits.values())]
            for name in names
        ),
    ]
    if shadow:
        rows.append(["AUROC of the best trivial baseline", *map(_best_baseline, splits.values())])
    return markdown_table(["", *splits], rows)


def _best_baseline(tree: Mapping[str, Any]) -> str:
    baselines = tree.get("baselines", {})
    if not baselines:
        return "not measured"
    name = max(baselines, key=lambda key: float(baselines[key]["auroc"]["value"]))
    return f"{format_figure(baselines[name]['auroc'])}, {BASELINES.get(name, name)}"
