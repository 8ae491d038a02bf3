"""The model card: text made from figures, none typed by hand."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stages.engine.classes import CLASS_NAMES
from stages.metrics.pages.tables import (
    BASELINES,
    NAMES,
    SYNTHETIC,
    figures_table,
    interval_note,
    source_name,
)
from stages.metrics.pages.text import format_figure, markdown_table

_POINTS = {"decision": "decision", "screening": "screening", "rule_in": "rule-in"}
_ROLES = {
    "train": "what the weights were fitted on",
    "val": "patients drawn at random from the training images; choices were made on it",
    "val_matched": "pneumonia of val against its normals re-acquired the way pneumonia images are",
    "val_tail": "pneumonia of val against the normals whose frames look most like pneumonia",
    "test": "read by the evaluation alone",
}
_GROUPINGS = {"kind": "Kind of pneumonia", "series": "Series of normals", "site": "Site (phantoms)"}


@dataclass(frozen=True)
class Facts:
    """What the card tells of, beside the figures.

    Attributes:
        manifest: Of the shards.
        source: What the data set's source says of itself (source.json).
        point: What operating_point.json holds.
        parameters: How many numbers the model has.
    """

    manifest: Mapping[str, Any]
    source: Mapping[str, Any]
    point: Mapping[str, Any]
    parameters: int


def card(metrics: Mapping[str, Any], validation: Mapping[str, Any], facts: Facts) -> str:
    """The model card in Markdown.

    metrics, validation: figures by split, as in metrics.json and validation.json.
    """
    sections = [
        "# Model card: pneumonia in chest X-rays of children",
        *([SYNTHETIC] if facts.source["synthetic"] else []),
        _INTENDED_USE,
        _model(facts),
        _data(facts),
        judged(metrics, validation, facts),
        _LIMITS,
        _NOT_COVERED,
        _KNOWN_BEFORE,
        _licence(facts),
    ]
    return "\n\n".join(sections) + "\n"


def judged(metrics: Mapping[str, Any], validation: Mapping[str, Any], facts: Facts) -> str:
    """Every figure as Markdown: the card's middle, and what the stage prints."""
    splits = {**metrics, **validation}
    sections = [
        f"## Figures\n\n{interval_note(splits)}\n\n{figures_table(splits, tuple(NAMES))}",
        _operating_points(metrics, facts.point),
        *_subgroups(metrics),
        _calibration(splits, facts.point),
        _baselines(splits),
    ]
    return "\n\n".join(sections)


def _model(facts: Facts) -> str:
    side = facts.manifest["image_px"]
    return (
        f"## Model\n\nA convolutional network with {facts.parameters:,} parameters. "
        f"It takes one grey image of {side} x {side} pixels, 0 to 255, "
        "and gives the logit of pneumonia."
    )


def _data(facts: Facts) -> str:
    source, counts = facts.source, facts.manifest["counts"]
    parts = (*CLASS_NAMES, "patients")
    pinned = f"sha256 `{source['sha256']}`" if source["sha256"] else "not pinned by a checksum"
    test = (
        "The test split is the source's own, kept whole."
        if facts.manifest["test"] == "official"
        else "The source has no test split: one was cut by patient from the same images. "
        "It is in-distribution (the same hospital, machines and habits as training), so figures "
        "on it are optimistic."
    )
    rows = [
        [role, *(str(counts[role][part]) for part in parts), _ROLES.get(role, "")]
        for role in sorted(counts, key=lambda role: ([*_ROLES, role].index(role), role))
    ]
    return "\n\n".join(
        [
            "## Data and splits",
            f"Source: {source_name(source)} ({pinned}). Data set "
            f"digest `{facts.manifest['digest']}`.",
            f"A patient's images are all in one split. {test}",
            markdown_table(["Split", "Normal", "Pneumonia", "Patients", "What it is"], rows),
        ]
    )


def _operating_points(metrics: Mapping[str, Any], point: Mapping[str, Any]) -> str:
    names = [name for name in _POINTS if name in point["thresholds"]]
    parts = ("sensitivity", "specificity", "ppv", "npv", "accuracy")
    tables = []
    for split, tree in metrics.items():
        rows = []
        for name in names:
            at, counts = tree[name], tree[name]["counts"]
            raw = " / ".join(str(counts[cell]) for cell in ("tp", "fp", "tn", "fn"))
            figures = [format_figure(at.get(part)) for part in parts]
            rows.append([_POINTS[name], f"{at['threshold']:.3f}", *figures, raw])
        header = ["Point", "Threshold", *(NAMES[part] for part in parts), "TP / FP / TN / FN"]
        tables.append(f"On {split}:\n\n{markdown_table(header, rows)}")
    return "\n\n".join(
        [
            "## Operating points",
            f"Frozen on {', '.join(point['fitted_on'])}; the test split had no say. Probabilities "
            f"are stated at a prior of {point['prior']:.0%} pneumonia; predictive values hold at "
            "the prevalence of these images only.",
            *tables,
        ]
    )


def _subgroups(metrics: Mapping[str, Any]) -> list[str]:
    rows = [
        [
            split,
            f"{title}: {group}",
            str(figures["images"]),
            format_figure(figures.get("sensitivity"), missing=""),
            format_figure(figures.get("specificity"), missing=""),
        ]
        for split, tree in metrics.items()
        for grouping, title in _GROUPINGS.items()
        for group, figures in tree.get(grouping, {}).items()
    ]
    if not rows:
        return []
    header = ["Split", "Subgroup", "Images", "Sensitivity", "Specificity"]
    return [f"## Subgroups\n\n{markdown_table(header, rows)}"]


def _calibration(splits: Mapping[str, Any], point: Mapping[str, Any]) -> str:
    names = {"intercept": "Intercept (ideal 0)", "slope": "Slope (ideal 1)"}
    names |= {name: NAMES[name] for name in ("brier", "ece")}
    trees = [tree["calibration"] for tree in splits.values()]
    prior = f"{point['prior']:.0%}"
    rows = [
        [
            f"{title}, at {prior} prior",
            *(format_figure(tree["at_prior"].get(name)) for tree in trees),
        ]
        for name, title in names.items()
    ]
    rows += [
        [
            f"{names[name]}, at the images' prevalence",
            *(format_figure(t["natural"].get(name)) for t in trees),
        ]
        for name in ("intercept", "slope")
    ]
    return (
        f"## Calibration\n\nClasses re-weighted to the stated prior; beside it, at the prevalence "
        "of the images as they are, where the intercept shows how far that prevalence is from the "
        f"prior.\n\n{markdown_table(['', *splits], rows)}"
    )


def _baselines(splits: Mapping[str, Any]) -> str:
    rows = [
        [
            split,
            BASELINES.get(name, name),
            *(
                format_figure(figures.get(key))
                for key in ("auroc", "balanced_accuracy", "accuracy")
            ),
        ]
        for split, tree in splits.items()
        for name, figures in {"the model": tree, **tree.get("baselines", {})}.items()
    ]
    return (
        "## Trivial baselines\n\nLogistic regressions trained on the training split: on facts "
        "that show no lung, and on a thumbnail. Where one of the former comes near the model, the "
        "data give the label away by other means, and the model's figure there proves little.\n\n"
        + markdown_table(["Split", "Detector", "AUROC", "Balanced accuracy", "Accuracy"], rows)
    )


def _licence(facts: Facts) -> str:
    source = facts.source
    return "\n".join(
        [
            "## Licence and citation",
            "",
            "- Code and model: Apache-2.0.",
            f"- Data of this model: {source['licence'] or 'licence not stated'}.",
            *([f"- {source['citation']}"] if source["citation"] else []),
            "- The real images that this pipeline is made for are CC BY 4.0: Kermany D, Zhang K, "
            "Goldbaum M (2018), Labeled Optical Coherence Tomography (OCT) and Chest X-Ray Images "
            "for Classification, Mendeley Data V2, doi 10.17632/rscbjbr9sj.2; Kermany et al., "
            "Cell 172(5):1122-1131, 2018.",
        ]
    )


_INTENDED_USE = """\
## Intended use

For learning and research: to show a reproducible pipeline and how a detector should be judged.
It tells frontal chest X-rays of children that look like pneumonia from those that look normal.
It is not a diagnosis, not a medical device, and not fit for decisions about a patient."""

_LIMITS = """\
## Limits

- Made for images of children of 1 to 5 years, from one hospital (Guangzhou), taken
  antero-posterior in routine care. Other ages, hospitals and projections are untested.
- It knows two answers. An image with another disease gets one of them all the same.
- It looks at one image at a small size: no history, no earlier image, no lateral view.
- In the real training images the file's encoding, shape and frame give the label away; read the
  figures beside the baselines below them."""

_NOT_COVERED = """\
## Not covered

Adults; lateral images; computed tomography; pneumothorax, effusion, tuberculosis and every other
finding; severity; where the lesion is (saliency maps are a check on the model, no localisation);
differences between sexes, ages and origins, which the data do not tell; drift over time."""

_KNOWN_BEFORE = """\
## Known beforehand

That the normal images are the side that shifts between the official splits, that acquisition
jitter on every image helps, that a validation against re-acquired (matched) normals predicts the
official test, and the rule for the operating point: these come from earlier exposure to the
official test split in aggregate, about forty looks. Figures on that split are optimistic to that
extent. Each weight, epoch and threshold of this model was chosen on training and validation
images alone."""
