"""What a version tells a person, made from the files alone. Free of MLflow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stages.engine.files import digest
from stages.metrics.pages.text import format_figure, markdown_table
from stages.registry.record import NOT_RECORDED, Record, circumstance, plain
from stages.registry.rule import Verdict

GATE = "\n\n### Gate\n\n"
"""Before what `promote` adds to a description, which outlives a new note."""
HEADLINES = ("auroc", "accuracy", "sensitivity", "specificity", "brier")


@dataclass(frozen=True)
class Note:
    """What a version tells a person: its tags and its description (Markdown)."""

    tags: Mapping[str, str]
    description: str

    @property
    def shown(self) -> str:
        """Digest of the note; the version's tag `shown` says that all of it is there."""
        return digest({"tags": dict(self.tags), "description": self.description})


def note(record: Record, verdict: Verdict, journal: Mapping[str, Any]) -> Note:
    """The note of a version, made from the files alone."""
    identity = record.identity
    commit = circumstance(journal, "git_commit")
    tags = {
        **headline_tags(record),
        "floors": "passed" if verdict.passed else "failed",
        "synthetic": plain(identity.synthetic),
        "model_digest": record.model,
        "run_digest": identity.run,
        "data_digest": identity.data,
        "source": str(identity.source["name"]),
        "pinned": plain(identity.source["pinned"]),
        # Without a journal, what an earlier one told stays.
        **({} if commit == NOT_RECORDED else {"git_commit": commit}),
    }
    made = "" if commit == NOT_RECORDED else f" Made by commit `{commit[:12]}`."
    told = f"{headline(record)}\n\n{described(record)}{made}"
    return Note(tags, f"{told}\n\n### Floors\n\n{verdict_table(verdict)}")


def verdict_table(verdict: Verdict) -> str:
    """Format a verdict's reasons in Markdown."""
    rows = [[reason.rule, reason.found, reason.outcome] for reason in verdict.reasons]
    return f"{markdown_table(['rule', 'found', 'outcome'], rows)}\n"


def headline_tags(record: Record) -> dict[str, str]:
    """The figures on test that lists show, with their intervals."""
    test = record.figures.get("test", {})
    return {f"test_{name}": format_figure(test[name]) for name in HEADLINES if name in test}


def headline(record: Record) -> str:
    """One plain line: what lists show, where Markdown is not rendered."""
    test = record.figures.get("test", {})
    said = f"Test AUROC {format_figure(test['auroc'])}" if "auroc" in test else "Not judged on test"
    synthetic = "Synthetic images: says nothing about patients."
    return f"{said}. {synthetic if record.identity.synthetic else 'Not a diagnosis.'}"


def described(record: Record) -> str:
    """A run in Markdown: what it learned from, and its figures with their intervals."""
    identity, roles = record.identity, sorted(record.figures, key=lambda role: role != "test")
    rows = [
        [name, *(format_figure(record.figures[role].get(name), missing="") for role in roles)]
        for name in HEADLINES
    ]
    return (
        f"Pneumonia in chest X-rays, learned from `{identity.source['name']}` "
        f"(data {identity.data[:8]}, run {identity.run[:8]}).\n\n"
        f"{markdown_table(['value (interval)', *roles], rows)}\n\n"
        "All figures are in the run's artifact `figures.html`; the model card lies beside the "
        "model, and as `report/model_card.md` in the run."
    )
