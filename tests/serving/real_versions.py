"""A store with versions that really load, and some that don't, for a service to follow.

`python -m tests.serving.real_versions ROOT [PACKAGE]` makes a repository's embedded store in ROOT,
or a server's if MLFLOW_TRACKING_URI names one, and prints the number of each version by its kind.
PACKAGE is the folder of a package of format 2 that takes the place of one of the small networks.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from stages.engine.files import sha256_file, write_json
from stages.images.options import PixelOptions
from stages.images.prepare import prepare
from stages.network import operating_point
from stages.network.judging import judged
from stages.network.predict import answerer, load_model
from stages.network.release_files import write_probe
from stages.registry import moves
from stages.registry.client import Client
from stages.registry.connection import open_store
from stages.registry.publish import publish_unlimited
from stages.registry.sealed_package import PACKAGE
from stages.registry.store import Store, find_store
from tests.registry import fake, format_1, tiny

NAME = format_1.NAME
GREYS = range(70, 186, 5)
SMALL, LARGER, EARLIER, BROKEN = "format 2", "another image_px", "format 1", "does not load"
"""Kinds of versions."""


def build(root: Path, package: Path | None = None) -> dict[str, str]:
    """Register one version of each kind, and return their numbers."""
    store = find_store(root)
    client = open_store(store)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        found = {
            SMALL: _given(client, store, package)
            if package
            else _trained(store, folder / "small", 32, _working(32)),
            LARGER: _trained(store, folder / "larger", 48, _working(48)),
            BROKEN: _trained(store, folder / "broken", 32, lambda path: path.write_bytes(b"none")),
        }
        found[EARLIER] = _earlier(client, store, folder / "earlier")
    move(client, store, "champion", found[SMALL])
    return found


def move(client: Client, store: Store, alias: str, version: str) -> None:
    """Move an alias as `pneumonia promote` does once its gate has passed."""
    digest = client.get_model_version(NAME, version).tags.get(moves.PACKAGE_DIGEST)
    moves.move_alias(
        client, store, NAME, alias, version, kind="promote", why="a test", package_digest=digest
    )


def _working(image_px: int) -> Callable[[Path], object]:
    return partial(tiny.make, image_px=image_px)


def _trained(store: Store, folder: Path, image_px: int, network: Callable[[Path], object]) -> str:
    made = folder / "network.keras"
    folder.mkdir()
    network(made)
    data = folder / "data"
    fake.write(data, model=made.read_bytes())
    if network.__class__ is partial:
        _write_probe(data, PixelOptions(image_px=image_px, aspect="stretch"))
    fake.write_judged(data)
    release = fake.release(data, image_px=image_px)
    version = publish_unlimited(release, store, candidate=True)
    assert version is not None
    return str(version)


def _write_probe(data: Path, pixels: PixelOptions) -> None:
    model, point = data / "model/model.keras", data / "model/operating_point.json"
    forward, frozen = answerer(load_model(model), tiny.DOMAIN), operating_point.load(point)
    files = [(f"{grey}.png", tiny.image(grey)) for grey in GREYS]
    write_probe(
        data / "report/probe.zip",
        files,
        lambda image: prepare(image, pixels),
        lambda images: judged(*forward(images), frozen),
    )
    scores = {"known": 3, "values": [0.1, 0.2, 0.3]}
    roles = {"val": {"quantiles": {"domain_score": scores}}}
    write_json(data / "report/reference.json", {"format": 1, "roles": roles})


def _given(client: Client, store: Store, package: Path) -> str:
    """Register a package as it is."""
    facts: dict[str, Any] = json.loads((package / PACKAGE).read_bytes())
    name = f"{NAME}-given"
    location = None if store.artifacts is None else f"{store.artifacts}/{name}"
    experiment = client.create_experiment(name, location)
    tags = {
        "model_digest": facts["model_digest"],
        moves.PACKAGE_DIGEST: sha256_file(package / PACKAGE),
    }
    model = client.create_logged_model(experiment, name=NAME, tags=tags).model_id
    client.log_model_artifacts(model, str(package))
    client.finalize_logged_model(model, "READY")
    client.create_registered_model(NAME)
    source = f"models:/{model}"
    return str(client.create_model_version(NAME, source, model_id=model, tags=tags).version)


def _earlier(client: Client, store: Store, folder: Path) -> str:
    earlier = format_1.unpack(folder)
    # It names its model by hand, which is there already.
    return format_1.register_version(client, store, earlier)


def main(root: str, package: str | None = None) -> None:
    print(json.dumps(build(Path(root), Path(package) if package else None)))


if __name__ == "__main__":
    main(*sys.argv[1:])
