"""The model card: text made from figures, none typed by hand."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stages.engine.classes import CLASS_NAMES
from stages.metrics.pages.all_figures import all_figures
from stages.metrics.pages.results import SYNTHETIC, source_name
from stages.metrics.pages.text import markdown_table, markdown_text
from stages.metrics.trees import RoleFigures

_ROLES = {
    "train": "what the weights were fitted on",
    "val": "patients drawn at random from the training images; choices were made on it",
    "val_matched": "pneumonia of val against its normals re-acquired the way pneumonia images are",
    "val_tail": "pneumonia of val against the normals whose frames look most like pneumonia",
    "test": "read by the evaluation alone",
}


@dataclass(frozen=True)
class Subject:
    """The model and data that a card describes.

    Attributes:
        manifest: Of the shards.
        source: The content of source.json.
        point: The content of operating_point.json.
        parameters: How many numbers the model has.
    """

    manifest: Mapping[str, Any]
    source: Mapping[str, Any]
    point: Mapping[str, Any]
    parameters: int


def model_card(metrics: RoleFigures, validation: RoleFigures, subject: Subject) -> str:
    """Write the model card in Markdown.

    Args:
        metrics: Figures by role, as metrics.json holds them.
        validation: The same of validation.json.
        subject: What the card is about.
    """
    sections = [
        "# Model card: pneumonia in chest X-rays of children",
        *([SYNTHETIC] if subject.source["synthetic"] else []),
        _INTENDED_USE,
        _model(subject),
        _data(subject),
        all_figures(metrics, validation, subject.point),
        _LIMITS,
        _NOT_COVERED,
        _KNOWN_BEFORE,
        _licence(subject),
    ]
    return "\n\n".join(sections) + "\n"


def _model(subject: Subject) -> str:
    side = subject.manifest["image_px"]
    return (
        f"## Model\n\nA convolutional network with {subject.parameters:,} parameters. "
        f"It takes one grey image of {side} x {side} pixels, 0 to 255, "
        "and gives the logit of pneumonia."
    )


def _data(subject: Subject) -> str:
    source, counts = subject.source, subject.manifest["counts"]
    pinned = f"sha256 `{source['sha256']}`" if source["sha256"] else "not pinned by a checksum"
    test = (
        "The test split is the source's own, kept whole."
        if subject.manifest["test"] == "official"
        else "The source has no test split: one was cut by patient from the same images. "
        "It is in-distribution (the same hospital, machines and habits as training), so figures "
        "on it are optimistic."
    )
    counted = (*CLASS_NAMES, "patients")
    roles = sorted(counts, key=lambda role: ([*_ROLES, role].index(role), role))
    rows = [
        [role, *(str(counts[role][name]) for name in counted), _ROLES.get(role, "")]
        for role in roles
    ]
    return "\n\n".join(
        [
            "## Data and splits",
            f"Source: {source_name(source)} ({pinned}). Data set digest "
            f"`{subject.manifest['digest']}`.",
            f"A patient's images are all in one split. {test}",
            markdown_table(["Split", "Normal", "Pneumonia", "Patients", "What it is"], rows),
        ]
    )


def _licence(subject: Subject) -> str:
    source = subject.source
    return "\n".join(
        [
            "## Licence and citation",
            "",
            "- Code and model: Apache-2.0.",
            f"- Data of this model: {markdown_text(source['licence'] or 'licence not stated')}.",
            *([f"- {markdown_text(source['citation'])}"] if source["citation"] else []),
            "- The real images that this pipeline is made for are CC BY 4.0: Kermany D, Zhang K, "
            "Goldbaum M (2018), Labeled Optical Coherence Tomography (OCT) and Chest X-Ray Images "
            "for Classification, Mendeley Data V2, doi 10.17632/rscbjbr9sj.2; Kermany et al., "
            "Cell 172(5):1122-1131, 2018.",
        ]
    )


_INTENDED_USE = """\
## Intended use

For learning and research: to demonstrate a reproducible pipeline and how a detector should be
judged. It separates frontal chest X-rays of children that look like pneumonia from those that look
normal. It is not a diagnosis, not a medical device, and not fit for decisions about a patient."""

_LIMITS = """\
## Limits

- Made for images of children of 1 to 5 years, from one hospital (Guangzhou), taken
  antero-posterior in routine care. Other ages, hospitals and projections are untested.
- It has two answers. An image with another disease still gets one of them.
- It sees one image at a small size: no history, no earlier image, no lateral view.
- In the real training images the file's encoding, shape and frame give the label away; read the
  figures beside those of the trivial baselines."""

_NOT_COVERED = """\
## Not covered

Adults; lateral images; computed tomography; pneumothorax, effusion, tuberculosis and every other
finding; severity; where the lesion is (saliency maps are a check on the model, no localisation);
differences between sexes, ages and origins, which the data do not record; drift over time."""

_KNOWN_BEFORE = """\
## Known beforehand

That the normal images are the side that shifts between the official splits, that acquisition
jitter on every image helps, that a validation against re-acquired (matched) normals predicts the
official test, and the rule for the operating point: these come from earlier exposure to the
official test split in aggregate, about forty looks. Figures on that split are optimistic to that
extent. Each weight, epoch and threshold of this model was chosen on training and validation
images alone."""
