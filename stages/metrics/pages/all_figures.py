"""Every figure of a run in Markdown: the middle of the model card, and what evaluate prints."""

from collections.abc import Mapping
from typing import Any

from stages.engine.task import Task
from stages.metrics.pages.refusals import TITLE, refusals_section, refused_shares
from stages.metrics.pages.results import figures_table, interval_note
from stages.metrics.pages.text import format_figure, markdown_table, markdown_text
from stages.metrics.pages.titles import BASELINE_TITLES, HEADLINES, TITLES
from stages.metrics.trees import RoleFigures, find_figure

_POINTS = {"decision": "decision", "screening": "screening", "rule_in": "rule-in"}
_GROUPINGS = {
    "kind": "Kind of {positive}",
    "series": "Series of {negative}",
    "site": "Site (phantoms)",
}


def all_figures(
    metrics: RoleFigures, validation: RoleFigures, point: Mapping[str, Any], task: Task
) -> str:
    """Format every figure.

    Args:
        metrics: Figures by role, as metrics.json holds them.
        validation: The same of validation.json.
        point: The content of operating_point.json.
        task: What the classes are called.
    """
    roles = {**metrics, **validation}
    sections = [
        f"## Figures\n\n{interval_note(roles)}\n\n{figures_table(roles, tuple(TITLES))}",
        refusals_section(roles),
        *_by_source(roles),
        _operating_points(metrics, point, task.positive),
        *_subgroups(metrics, task),
        _calibration(roles, point),
        _baselines(roles),
    ]
    return "\n\n".join(sections)


def _by_source(roles: RoleFigures) -> list[str]:
    rows = []
    for role, tree in roles.items():
        for source, inner in tree.get("sources", {}).items():
            figures = [format_figure(find_figure(inner, score)) for score in HEADLINES]
            refused = refused_shares(inner)
            size = f"{inner['images']} ({inner['patients']})"
            rows.append([role, source, size, refused, *figures])
    if not rows:
        return []
    titles = [TITLES[score] for score in HEADLINES]
    header = ["Split", "Source", "Images (patients)", TITLE, *titles]
    return [
        "## Figures by source\n\nAt the one threshold that all sources share. Of a source with "
        f"images of one class, no figure is defined.\n\n{markdown_table(header, rows)}"
    ]


def _operating_points(metrics: RoleFigures, point: Mapping[str, Any], positive: str) -> str:
    names = [name for name in _POINTS if name in point["thresholds"]]
    scores = ("sensitivity", "specificity", "ppv", "npv", "accuracy")
    header = ["Point", "Threshold", *(TITLES[score] for score in scores), "TP / FP / TN / FN"]
    tables = []
    for role, tree in metrics.items():
        rows = []
        for name in names:
            figures = [format_figure(find_figure(tree, name, score)) for score in scores]
            counts = " / ".join(
                str(tree[name]["counts"][cell]) for cell in ("tp", "fp", "tn", "fn")
            )
            rows.append([_POINTS[name], f"{tree[name]['threshold']:.3f}", *figures, counts])
        tables.append(f"On {role}:\n\n{markdown_table(header, rows)}")
    return "\n\n".join(
        [
            "## Operating points",
            f"Frozen on {', '.join(point['fitted_on'])}; the test split played no part. "
            f"Probabilities are stated at a prior of {point['prior']:.0%} "
            f"{markdown_text(positive)}; predictive values hold at the prevalence of these images "
            "only. Refused images are in none of the four counts.",
            *_carried_over(point, positive),
            *tables,
        ]
    )


def _carried_over(point: Mapping[str, Any], positive: str) -> list[str]:
    """How the decision was set, where a share of positives sets it."""
    if "sensitivity" not in point:
        return []
    return [
        f"The decision finds {point['sensitivity']:.1%} of the validation images with "
        f"{markdown_text(positive)}. This share was measured beforehand, on the training and "
        "validation images, with models that each lacked a kind of normals and judged those "
        "(`pneumonia study tail`): where both kinds of error are equally frequent there. None of "
        "those models is this one, which trained on all kinds, so its own specificity on normals "
        "of a further kind is not measured; the shift validations and test stand in for it."
    ]


def _shifted(point: Mapping[str, Any]) -> str:
    """What probabilities mean where the normals of the calibration were shifted."""
    if not point.get("shift"):
        return ""
    return (
        f"\n\nThe fit took validation normals as if their logits were {point['shift']:.2f} higher, "
        "so that as many are called normal as were among normals of kinds that a model lacked. "
        "Probabilities are meant for such normals. For images like those of validation they are "
        "too low, by what the intercept there says."
    )


def _subgroups(metrics: RoleFigures, task: Task) -> list[str]:
    rows = []
    for role, tree in metrics.items():
        for grouping, template in _GROUPINGS.items():
            title = template.format(positive=task.positive, negative=task.negative)
            for group, inner in tree.get(grouping, {}).items():
                figures = [
                    format_figure(find_figure(inner, score), missing="")
                    for score in ("sensitivity", "specificity")
                ]
                rows.append([role, f"{title}: {group}", str(inner["images"]), *figures])
    if not rows:
        return []
    header = ["Split", "Subgroup", "Images", "Sensitivity", "Specificity"]
    return [f"## Subgroups\n\n{markdown_table(header, rows)}"]


def _calibration(roles: RoleFigures, point: Mapping[str, Any]) -> str:
    titles = {"intercept": "Intercept (ideal 0)", "slope": "Slope (ideal 1)"}
    titles |= {name: TITLES[name] for name in ("brier", "ece")}
    prior = f"{point['prior']:.0%}"

    def row(title: str, *keys: str) -> list[str]:
        return [title, *(format_figure(find_figure(tree, *keys)) for tree in roles.values())]

    rows = [
        row(f"{title}, at {prior} prior", "calibration", "at_prior", name)
        for name, title in titles.items()
    ]
    rows += [
        row(f"{titles[name]}, at the images' prevalence", "calibration", "natural", name)
        for name in ("intercept", "slope")
    ]
    return (
        "## Calibration\n\nClasses re-weighted to the stated prior; beside it, at the prevalence "
        "of the images as they are, where the intercept measures how far that is from the "
        "prior. In small samples the expected calibration error is biased upwards, and its "
        f"interval with it.{_shifted(point)}\n\n{markdown_table(['', *roles], rows)}"
    )


def _baselines(roles: RoleFigures) -> str:
    rows = []
    for role, tree in roles.items():
        for name, inner in {"the model": tree, **tree.get("baselines", {})}.items():
            figures = [
                format_figure(find_figure(inner, score))
                for score in ("auroc", "balanced_accuracy", "accuracy")
            ]
            rows.append([role, BASELINE_TITLES.get(name, name), *figures])
    header = ["Split", "Detector", "AUROC", "Balanced accuracy", "Accuracy"]
    return (
        "## Trivial baselines\n\nLogistic regressions trained on the training split: on facts "
        "without the anatomy, and on a thumbnail. Where one of the former comes near the model, "
        "the data give the label away by other means, and the model's figure there proves "
        "little.\n\n" + markdown_table(header, rows)
    )
