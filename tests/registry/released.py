"""A store with three signed versions, two of which were promoted."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from stages.registry import signing_key
from stages.registry.client import Client
from stages.registry.connection import open_store
from stages.registry.gate import promote
from stages.registry.publish import publish_unlimited
from stages.registry.signing import sign_version
from stages.registry.store import Store, find_store
from stages.registry.stored_package import stored_model_id
from tests.registry import fake
from tests.registry.test_gate import NAME, gate

PREVIOUS, CHAMPION, CANDIDATE = "1", "2", "3"
"""The versions: the champion before, the champion, and the candidate."""


@dataclass(frozen=True)
class Released:
    """A store with three signed versions.

    Attributes:
        root: Its repository.
        key: The public key.
        private: The private key.
    """

    root: Path
    key: Path
    private: Path

    @property
    def store(self) -> Store:
        return find_store(self.root)

    def copied(self, root: Path) -> "Released":
        """Return a copy of it, with its repository in the new folder `root`."""
        from mlflow.tracking._tracking_service import utils

        utils._artifact_repos_cache.clear()  # by id, and the copy has the ids of the original
        shutil.copytree(self.root, root)
        return Released(root, self.key, self.private)

    def folder(self, client: Client, version: str) -> Path:
        """Return the folder with the stored files of a version."""
        model = stored_model_id(client.get_model_version(NAME, version))
        assert model is not None
        location = client.get_logged_model(model).artifact_location
        return Path(location.removeprefix("file://"))


def release(template: Path, folder: Path, network: bytes) -> Released:
    """Register three versions in a copy of an empty store, sign them and promote two.

    Args:
        template: Repository with the empty store.
        folder: Folder for the repository, the keys and the files of the runs.
        network: The network of all three, which differ in their operating points.
    """
    root, private = folder / "repository", folder / "release.key"
    shutil.copytree(template, root)
    signing_key.create(private, {})
    client, store = open_store(find_store(root)), find_store(root)
    for number in (PREVIOUS, CHAMPION, CANDIDATE):
        data = folder / f"data{number}"
        fake.write(data, model=network)
        point = data / "model/operating_point.json"
        point.write_text(json.dumps(json.loads(point.read_text()) | {"slope": 1.0 + int(number)}))
        fake.write_checksums(data)
        made = publish_unlimited(fake.release(data), store, candidate=True)
        assert made == number
        entry = client.get_model_version(NAME, number)
        assert sign_version(client, NAME, entry, signing_key.read(private, {}), packed=None).added
        if number != CANDIDATE:
            assert promote(client, store, NAME, number, gate(), override="a test").moved
    return Released(root, folder / "release.key.pub", private)
