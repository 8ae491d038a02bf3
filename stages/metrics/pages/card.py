"""The model card: text made from figures, none typed by hand."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stages.engine.classes import CLASS_KEYS
from stages.engine.task import Task
from stages.images.external import is_external
from stages.metrics.pages import first_weights
from stages.metrics.pages.all_figures import all_figures
from stages.metrics.pages.results import source_name, synthetic_notes
from stages.metrics.pages.text import markdown_table, markdown_text
from stages.metrics.trees import RoleFigures
from stages.sources.source_file import listed

_ROLES = {
    "train": "what the weights were fitted on",
    "val": "patients drawn at random from the training images; choices were made on it",
    "val_matched": "positives of val against its negatives re-acquired the way positive images are",
    "val_tail": "positives of val against the negatives whose frames look most like positives",
    "test": "read by the evaluation alone",
}


@dataclass(frozen=True)
class Subject:
    """The model and data that a card describes.

    Attributes:
        manifest: Of the shards.
        source: The content of source.json.
        task: What is stated of the data.
        point: The content of operating_point.json.
        parameters: How many numbers the model has.
        first_weights: Where its first weights come from (trained_with.json); None: random ones.
    """

    manifest: Mapping[str, Any]
    source: Mapping[str, Any]
    task: Task
    point: Mapping[str, Any]
    parameters: int
    first_weights: Mapping[str, Any] | None = None


def model_card(metrics: RoleFigures, validation: RoleFigures, subject: Subject) -> str:
    """Write the model card in Markdown.

    Args:
        metrics: Figures by role, as metrics.json holds them.
        validation: The same of validation.json.
        subject: What the card is about.
    """
    task = subject.task
    sections = [
        f"# Model card: {markdown_text(task.title or f'{task.positive} or {task.negative}')}",
        *synthetic_notes(subject.source),
        f"## Intended use\n\n{_stated(task.use, 'use')}\n\n{_NO_DEVICE}",
        _model(subject),
        f"## Population\n\n{_stated(task.population, 'population')}",
        f"## Reference standard\n\n{_stated(task.reference, 'reference')}",
        _data(subject),
        all_figures(metrics, validation, subject.point, task),
        f"## Limits\n\n{_LIMITS}\n\n{_stated(task.limits, 'limits')}",
        f"## Not covered\n\n{_stated(task.not_covered, 'not_covered')}",
        f"## Known beforehand\n\n{_stated(task.known, 'known')}\n\n{_CHOSEN_ON}",
        _licence(subject),
    ]
    return "\n\n".join(sections) + "\n"


def _stated(text: str | None, key: str) -> str:
    """What a key of params says, or that it says nothing."""
    return text or f"Not stated (`task.{key}` in params.yaml)."


def _model(subject: Subject) -> str:
    side = subject.manifest["image_px"]
    return (
        f"## Model\n\nA convolutional network with {subject.parameters:,} parameters. "
        f"It takes one grey image of {side} x {side} pixels, 0 to 255, "
        f"and gives the logit of {markdown_text(subject.task.positive)}.\n\n"
        f"{first_weights.sentence(subject.first_weights)}"
    )


_OPTIMISTIC = (
    "It is in-distribution (the same hospital, machines and habits as training), so figures on it "
    "are optimistic."
)
_TEST_SPLITS = {
    "official": "The test split is the source's own, kept whole.",
    "cut by patient": "The source has no test split: one was cut by patient from the same images. "
    f"{_OPTIMISTIC}",
    "official and cut by patient": "The test split is the sources' own, kept whole; of sources "
    f"without one, a part was cut by patient. {_OPTIMISTIC}",
}


def _data(subject: Subject) -> str:
    source, counts = subject.source, subject.manifest["counts"]
    pinned = ", ".join(map(_pin, listed(source)))
    test = _TEST_SPLITS[subject.manifest["test"]]
    counted = (*CLASS_KEYS, "patients")
    roles = sorted(counts, key=lambda role: ([*_ROLES, role].index(role), role))
    rows = [
        [role, *(str(counts[role][name]) for name in counted), _what_it_is(role)] for role in roles
    ]
    return "\n\n".join(
        [
            "## Data and splits",
            f"Source: {source_name(source)} ({pinned}). Data set digest "
            f"`{subject.manifest['digest']}`.",
            f"A patient's images are all in one split. {test}",
            markdown_table(["Split", *subject.task.classes, "Patients", "What it is"], rows),
        ]
    )


def _pin(source: Mapping[str, Any]) -> str:
    """What says that the images are always the same."""
    if source["sha256"]:
        return f"sha256 `{source['sha256']}`"
    return "made by code and params" if source["pinned"] else "not pinned by a checksum"


def _what_it_is(role: str) -> str:
    if is_external(role):
        return "another source, which no choice was made by; read by the evaluation alone"
    return _ROLES.get(role, "")


def _licence(subject: Subject) -> str:
    facts, given = [], []
    for source in listed(subject.source):
        licence = markdown_text(source["licence"] or "licence not stated")
        of = f" ({source['name']})" if "sources" in subject.source else ""
        facts.append(f"- Data of this model{of}: {licence}.")
        given += [markdown_text(source["citation"])] if source["citation"] else []
    stated = subject.task.citation
    citations = given + ([stated] if stated else []) or [_stated(None, "citation")]
    return "\n".join(
        [
            "## Licence and citation",
            "",
            "- Code and model: Apache-2.0.",
            *facts,
            *_licence_of_weights(subject.first_weights),
            *(f"- {line}" for line in dict.fromkeys(citations)),
        ]
    )


def _licence_of_weights(weights: Mapping[str, Any] | None) -> list[str]:
    if weights is None:
        return []
    return [f"- Initial weights ({markdown_text(weights['name'])}): {weights['licence']}."]


_NO_DEVICE = """\
It is not a diagnosis, not a medical device, and not fit for decisions about a patient."""

_LIMITS = """\
- It has two answers, and refuses an image that is unlike those it was trained on. An image with
  another finding may still get one of them.
- It sees one image at a small size: no history, no earlier image, no second view."""

_CHOSEN_ON = """\
Each weight, epoch and threshold of this model was chosen on training and validation images
alone."""
