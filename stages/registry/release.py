"""A finished run with the verdict of its floors: release.json, and what the registry gets."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.registry import sealed_package
from stages.registry.circumstances import Journal
from stages.registry.description import Description, describe_version
from stages.registry.record import Record
from stages.registry.rule import Verdict

FORMAT = 3
"""Of release.json."""


@dataclass(frozen=True)
class Release:
    """A finished run that is to be registered.

    Attributes:
        record: The files of the run.
        verdict: Outcome of the floors.
        stem: Stem of the experiment's and the registered model's name.
        journal: Circumstances by stage; empty if none were kept.
        root: Repository whose code the model takes along.
        lock: File that pins the packages that this code needs.
    """

    record: Record
    verdict: Verdict
    stem: str
    journal: Journal
    root: Path
    lock: Path

    @property
    def name(self) -> str:
        """Name of the registered model."""
        return self.record.identity.named(self.stem)

    @property
    def description(self) -> Description:
        """Tags and description of the version."""
        return describe_version(self.record, self.verdict, self.journal)

    def facts(self) -> dict[str, Any]:
        """Return the content of release.json: digests and verdict, nothing from a registry."""
        identity = self.record.identity
        return {
            "format": FORMAT,
            "run_digest": identity.run,
            "model_digest": self.record.model,
            "package": {"format": sealed_package.FORMAT, "code_digest": self.record.code},
            "data_digest": identity.data,
            "code_digest": identity.code_digest,
            "lock_digest": identity.lock,
            "instruction_set": self.record.instruction_set,
            "initial_weights": self.record.initial_weights,
            "source": {key: identity.source[key] for key in ("name", "synthetic", "pinned")},
            "floors": {
                "passed": self.verdict.passed,
                "reasons": [
                    {
                        "rule": reason.rule,
                        "value": reason.value,
                        "required": reason.required,
                        "passed": reason.passed,
                    }
                    for reason in self.verdict.reasons
                ],
            },
        }
