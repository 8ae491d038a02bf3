"""The texts of runs and versions on MLflow's pages, made from the files alone."""

from collections.abc import Mapping
from dataclasses import dataclass

from stages.engine.files import digest
from stages.metrics.pages import first_weights
from stages.metrics.pages.refusals import TITLE, refusal_notes, refused_shares
from stages.metrics.pages.text import code_span, format_figure, markdown_table, markdown_text
from stages.network.options import IMAGENET, split_pin
from stages.registry.circumstances import NOT_RECORDED, Journal, circumstance
from stages.registry.identity import Identity
from stages.registry.record import Record
from stages.registry.rule import Verdict
from stages.registry.text import plain

GATE = "\n\n### Gate\n\n"
"""Starts the part of a version's description that `promote` adds, and that is kept."""

NO_WEIGHTS = "no weights"
"""The tag `weights_licence` of a version whose training started from random weights."""

HEADLINES = ("auroc", "accuracy", "sensitivity", "specificity", "brier")


@dataclass(frozen=True)
class Description:
    """Tags of a version, and its description in Markdown."""

    tags: Mapping[str, str]
    text: str

    @property
    def digest(self) -> str:
        """Digest of tags and text; the version's tag `shown` has it once both are complete."""
        return digest({"tags": dict(self.tags), "description": self.text})


def describe_version(record: Record, verdict: Verdict, journal: Journal) -> Description:
    """Return the tags and the description of a version.

    Args:
        record: The files of the run.
        verdict: Outcome of the floors.
        journal: Circumstances by stage. Without a commit in it, the tag `git_commit` is left out,
            so that an earlier value stays.
    """
    identity = record.identity
    commit = circumstance(journal, "git_commit")
    tags = {
        **headline_tags(record),
        "floors": "passed" if verdict.passed else "failed",
        "synthetic": plain(identity.synthetic),
        "model_digest": record.model,
        "run_digest": identity.run,
        "data_digest": identity.data,
        "source": identity.data_name,
        "pinned": plain(identity.source["pinned"]),
        "weights_pinned": _weights_pinned(identity),
        "initial_weights": first_weights.short(record.initial_weights),
        "weights_licence": _weights_licence(record),
        "trained_as_recorded": record.trained_as_recorded,
    }
    text = f"{headline(record)}\n\n{describe_run(record)}"
    if commit != NOT_RECORDED:
        tags["git_commit"] = commit
        text += f" Built from commit `{commit[:12]}`."
    return Description(tags, f"{text}\n\n### Floors\n\n{verdict_table(verdict)}")


def _weights_pinned(identity: Identity) -> str:
    """Whether the file of initial weights has a checksum in params: "yes", "no" or "no file"."""
    weights = identity.params.get("train", {}).get("weights")
    if weights in (None, IMAGENET):  # the checksum of published ones is on record
        return "no file"
    return plain(split_pin(str(weights))[1] is not None)


def _weights_licence(record: Record) -> str:
    """Return the licence of the initial weights, "not stated", or "no weights"."""
    weights = record.initial_weights
    return NO_WEIGHTS if weights is None else plain(weights["licence"])


def describe_run(record: Record) -> str:
    """Return what a run was trained on and its main figures, in Markdown."""
    identity, roles = record.identity, sorted(record.figures, key=lambda role: role != "test")
    rows = [
        [name, *(format_figure(record.figures[role].get(name), missing="") for role in roles)]
        for name in HEADLINES
    ]
    refused = [refused_shares(record.figures[role], missing="") for role in roles]
    rows.append([TITLE.lower(), *refused])
    findings = "".join(f"{note}\n\n" for note in refusal_notes(record.figures))
    return (
        f"{markdown_text(identity.task.detects)}; trained on {code_span(identity.data_name)} "
        f"(data {identity.data[:8]}, run {identity.run[:8]}).\n\n"
        f"{markdown_table(['figure (interval)', *roles], rows)}\n\n{findings}"
        f"{first_weights.sentence(record.initial_weights)}\n\n"
        "All figures are in the run's artifact `figures.html`. The model card is stored with the "
        "model, and in the run as `report/model_card.md`."
    )


def headline(record: Record) -> str:
    """Return one line of plain text, for lists that do not render Markdown."""
    test = record.figures.get("test", {})
    auroc = (
        f"Test AUROC {format_figure(test['auroc'])}" if "auroc" in test else "Not evaluated on test"
    )
    synthetic = "Synthetic images: says nothing about patients."
    return f"{auroc}. {synthetic if record.identity.synthetic else 'Not a diagnosis.'}"


def headline_tags(record: Record) -> dict[str, str]:
    """Return the main test figures with their intervals, as tags for lists."""
    test = record.figures.get("test", {})
    return {f"test_{name}": format_figure(test[name]) for name in HEADLINES if name in test}


def verdict_table(verdict: Verdict) -> str:
    """Return the reasons of a verdict as a Markdown table."""
    rows = [[reason.rule, reason.found, reason.outcome] for reason in verdict.reasons]
    return f"{markdown_table(['rule', 'found', 'outcome'], rows)}\n"
