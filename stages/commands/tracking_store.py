"""The tracking store and the registered model that a command is about."""

from typing import TYPE_CHECKING

from stages.engine.files import read_json
from stages.engine.root import project_root
from stages.settings import paths

if TYPE_CHECKING:
    from stages.registry.client import Client
    from stages.registry.store import Store
    from stages.settings.params import Params


def open_tracking_store() -> "tuple[Client, Store]":
    """Return MLflow's client for the tracking store, and the store.

    Raises:
        InputError: The store does not answer.
    """
    from stages.registry.connection import open_store
    from stages.registry.store import find_store

    store = find_store(project_root())
    return open_store(store), store


def registered_name(params: "Params", source: str | None) -> str:
    """Return the name of the registered model for a data set.

    Args:
        params: The whole of params.yaml.
        source: The data set's name; None for that of data/release.json.

    Raises:
        InputError: There is no release.json.
    """
    from stages.registry.identity import model_name

    return model_name(params.register.name, source or read_json(paths.RELEASE)["source"]["name"])
