"""What a version tells a person, made from the files alone. Free of MLflow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stages.engine.files import digest
from stages.metrics.promotion import Verdict
from stages.registry.record import NOT_RECORDED, Record, circumstance, plain

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
    identity, test = record.identity, record.figures.get("test", {})
    commit = circumstance(journal, "git_commit")
    tags = {
        **{f"test_{name}": _figure(test[name]) for name in HEADLINES if name in test},
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
    return Note(tags, f"{told}\n\n### Floors\n\n{table(verdict)}")


def table(verdict: Verdict) -> str:
    """A verdict's reasons in Markdown."""
    rows = "".join(
        f"| {reason.rule} | {reason.found} | {reason.outcome} |\n" for reason in verdict.reasons
    )
    return f"| rule | found | outcome |\n|---|---|---|\n{rows}"


def headline(record: Record) -> str:
    """One plain line: what lists show, where Markdown is not rendered."""
    test = record.figures.get("test", {})
    said = f"Test AUROC {_figure(test['auroc'])}" if "auroc" in test else "Not judged on test"
    synthetic = "Synthetic films: says nothing about patients."
    return f"{said}. {synthetic if record.identity.synthetic else 'Not a diagnosis.'}"


def described(record: Record) -> str:
    """A run in Markdown: what it learned from, and its figures with their intervals."""
    identity, test = record.identity, record.figures.get("test", {})
    rows = "".join(f"| {name} | {_figure(test[name])} |\n" for name in HEADLINES if name in test)
    return (
        f"Pneumonia in chest X-rays, learned from `{identity.source['name']}` "
        f"(data {identity.data[:8]}, run {identity.run[:8]}).\n\n"
        f"| on the test split | value (interval) |\n|---|---|\n{rows}\n"
        "The model card lies beside the model, and as `report/model_card.md` in the run."
    )


def _figure(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"
