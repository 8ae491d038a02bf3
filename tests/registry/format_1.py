"""A version that commit 07c62a4, the last of format 1, trained and registered with its own code.

format_1.zip holds its package as it was stored, the tags and texts that it got, four phantoms drawn
by that code with the answers of its `pneumonia predict`, and the records.csv of its training. It
was trained with the params of `workspace.SMALL`.
"""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.registry.client import Client
from stages.registry.store import Store

NAME = "pneumonia-phantom"
_ARCHIVE = Path(__file__).with_name("format_1.zip")


@dataclass(frozen=True)
class Earlier:
    """The unpacked archive.

    Attributes:
        package: Folder of the package.
        records: The list of the images that it was trained and judged on.
        facts: Tags, texts and answers.
        images: The four phantoms.
    """

    package: Path
    records: Path
    facts: dict[str, Any]
    images: list[Path]

    @property
    def model(self) -> str:
        """The model digest."""
        return str(self.facts["tags"]["model_digest"])

    @property
    def answers(self) -> list[tuple[float, str]]:
        """Probability and decision for each phantom, as the code of format 1 gave them."""
        return [(answer["probability"], answer["decision"]) for answer in self.facts["answers"]]


def unpack(folder: Path) -> Earlier:
    """Unpack the archive to a new folder."""
    with zipfile.ZipFile(_ARCHIVE) as archive:
        archive.extractall(folder)
    facts = json.loads((folder / "version.json").read_text(encoding="utf-8"))
    images = [folder / answer["image"] for answer in facts["answers"]]
    return Earlier(folder / "package", folder / "records.csv", facts, images)


def register(client: Client, store: Store, earlier: Earlier, *, alias: str | None = None) -> str:
    """Register model and package as that commit did, and return the version.

    Args:
        client: Client of `store`.
        store: The tracking store.
        earlier: The unpacked archive.
        alias: Alias to point at it, recorded as that commit did; None for none.
    """
    facts = earlier.facts
    client.create_registered_model(NAME, facts["model_tags"], facts["model_description"])
    version = register_version(client, store, earlier)
    if alias is not None:
        _move(client, store, alias, version)
    return version


def register_version(client: Client, store: Store, earlier: Earlier) -> str:
    """Register the package in a model that is there, and return the version."""
    facts = earlier.facts
    found = client.get_experiment_by_name(NAME)
    location = None if store.artifacts is None else f"{store.artifacts}/{NAME}"
    experiment = found.experiment_id if found else client.create_experiment(NAME, location)
    tags = {"run_digest": facts["tags"]["run_digest"], "complete": "yes"}
    run = client.create_run(experiment, tags=tags).info.run_id
    client.log_artifact(run, str(earlier.records), "data")
    client.set_terminated(run, "FINISHED")
    model = client.create_logged_model(
        experiment,
        name=NAME,
        source_run_id=run,
        model_type="classifier",
        tags={"model_digest": earlier.model},
    ).model_id
    client.log_model_artifacts(model, str(earlier.package))
    client.finalize_logged_model(model, "READY")
    version = client.create_model_version(
        NAME, f"models:/{model}", run_id=run, model_id=model, tags=facts["tags"]
    )
    client.update_model_version(NAME, str(version.version), facts["description"])
    return str(version.version)


def _move(client: Client, store: Store, alias: str, version: str) -> None:
    """Point an alias at a version, with a record that has no digest of the package."""
    name = f"{NAME}-history"
    found = client.get_experiment_by_name(name)
    location = None if store.artifacts is None else f"{store.artifacts}/{name}"
    history = found.experiment_id if found else client.create_experiment(name, location)
    tags = {
        "alias": alias,
        "from": "none",
        "to": version,
        "kind": "promote",
        "why": "gate passed",
        "who": "a user on a host",
    }
    record = client.create_run(history, tags=tags, run_name=f"{alias}: none to {version}")
    client.set_registered_model_alias(NAME, alias, version)
    client.set_terminated(record.info.run_id, "FINISHED")
