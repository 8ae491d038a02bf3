"""The champion as a function: from an image's bytes to its answer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.engine.errors import InputError
from stages.registry.aliases import CHAMPION
from stages.registry.record import model_name
from stages.registry.store import find_store, open_store


@dataclass(frozen=True)
class Champion:
    """A loaded version and what it knows of itself.

    ask: an image's file to (probability of pneumonia 0 to 1, "pneumonia" or "normal"); raises
    InputError where the file is no usable image.
    """

    ask: Callable[[bytes], tuple[float, str]]
    name: str
    version: str
    model_digest: str
    synthetic: bool


def load_champion(root: Path, stem: str, source: str | None) -> Champion:
    """Load the champion of the model `<stem>-<source>` in the store of `root`.

    source: None where only one model of that stem has a champion.

    Raises InputError where there is none, or where several could be meant.
    """
    store = find_store(root)
    client = open_store(store)
    crowned = {
        model.name: str(model.aliases[CHAMPION])
        for model in client.search_registered_models(f"name LIKE '{stem}-%'")
        if CHAMPION in model.aliases
    }
    wanted = [model_name(stem, source)] if source else sorted(crowned)
    found = [name for name in wanted if name in crowned]
    if len(found) != 1:
        raise InputError(
            f"{store}: expected one champion of {', '.join(wanted) or stem}, found "
            f"{', '.join(found) or 'none'}; `pneumonia promote` makes one, or name a model file"
        )
    return _load(found[0], crowned[found[0]])


def _load(name: str, version: str) -> Champion:
    import mlflow
    import pandas as pd
    from mlflow.exceptions import MlflowException

    try:
        model = mlflow.pyfunc.load_model(f"models:/{name}/{version}")
    except MlflowException as error:
        raise InputError(f"version {version} of {name}: {error.message}") from None
    facts: dict[str, Any] = model.metadata.metadata

    def ask(image: bytes) -> tuple[float, str]:
        try:
            answer = model.predict(pd.DataFrame({"image": [image]}))
        except MlflowException as error:
            raise InputError(error.message) from None
        return float(answer["probability"][0]), str(answer["decision"][0])

    return Champion(ask, name, version, facts["model_digest"], bool(facts["source"]["synthetic"]))
