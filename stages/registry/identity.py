"""What a run is made of, known before it trains."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.engine import checksums
from stages.engine.files import digest, read_json, sha256_file
from stages.engine.task import Task, TaskOptions, complete
from stages.registry.digests import run_digest
from stages.sources.source_file import short_name


@dataclass(frozen=True)
class Identity:
    """What a run is made of.

    Attributes:
        data: Digest of the data set: of pixels, records and options, not of a name or place.
        code: Digest by path of every file that training reaches (`settings.digests`).
        lock: SHA-256 of the environment's lock file.
        params: The sections fetch to evaluate, for display.
        decisive: The params that decide model and figures on this data set.
        source: The description of the data set's source (source.json).
        counts: Images and patients per role.
        task: What is stated of the data, for texts; no part of any digest.
    """

    data: str
    code: Mapping[str, str]
    lock: str
    params: Mapping[str, Any]
    decisive: Mapping[str, Any]
    source: Mapping[str, Any]
    counts: Mapping[str, Mapping[str, int]]
    task: Task

    @property
    def run(self) -> str:
        """The run digest."""
        return run_digest(data=self.data, params=self.decisive, code=self.code, lock=self.lock)

    @property
    def code_digest(self) -> str:
        """Digest of the code."""
        return digest(dict(self.code))

    @property
    def data_name(self) -> str:
        """Where the images come from: the data set's name, or the names of several sources."""
        return short_name(self.source)

    @property
    def synthetic(self) -> bool:
        """Whether the images are synthetic."""
        return bool(self.source["synthetic"])

    def named(self, stem: str) -> str:
        """Return the name of the experiment and of the registered model.

        Of several sources, the first one in params that is trained on gives it: a promoted model
        keeps its name when sources are added below.
        """
        return model_name(stem, str(self.source["name"]))


def model_name(stem: str, source: str) -> str:
    """Return the name of the registered model: one per stem and data set.

    MLflow refuses some characters in it, and a dot in the name of a logged model.
    """
    return f"{stem}-{re.sub(r'[^a-z0-9_-]+', '-', source.lower()).strip('-')}"


def read_identity(
    shards: Path,
    source: Path,
    *,
    params: Mapping[str, Any],
    decisive: Mapping[str, Any],
    code: Mapping[str, str],
    lock: Path,
    task: TaskOptions,
) -> Identity:
    """Read the identity of a run.

    Args:
        shards: Folder of the data set.
        source: The source.json of the data set.
        params: The sections fetch to evaluate, for display.
        decisive: The params that decide model and figures on this data set.
        code: Digest by path of every file that training reaches.
        lock: The environment's lock file.
        task: The section `task` of params.

    Raises:
        InputError: The folder has no manifest, or one that was changed.
    """
    manifest = checksums.read_digested(shards / "manifest.json")
    described = read_json(source)
    return Identity(
        data=manifest["digest"],
        code=code,
        lock=sha256_file(lock),
        params=params,
        decisive=decisive,
        source=described,
        counts=manifest["counts"],
        task=complete(task, described),
    )
