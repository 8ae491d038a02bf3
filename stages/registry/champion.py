"""Load the champion of the registry."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.engine.errors import InputError, NotFound, UnusableImage
from stages.engine.task import EARLIER_BODY_PART
from stages.registry.aliases import CHAMPION
from stages.registry.connection import open_store
from stages.registry.identity import model_name
from stages.registry.store import find_store
from stages.registry.stored_package import REMEDY, require_loadable


@dataclass(frozen=True)
class Champion:
    """A loaded version.

    Attributes:
        predict: From the bytes of an image file to the probability of the positive class, 0 to 1,
            and the decision, the name of a class. Raises UnusableImage with the reason.
        name: Registered model.
        version: Its number.
        model_digest: Digest of the model.
        synthetic: Whether it was trained on synthetic images.
        body_part: What DICOM images should show; None: anything.
    """

    predict: Callable[[bytes], tuple[float, str]]
    name: str
    version: str
    model_digest: str
    synthetic: bool
    body_part: str | None


def load_champion(root: Path, stem: str, source: str | None) -> Champion:
    """Load the champion of the model `<stem>-<source>`.

    Args:
        root: Repository, for its embedded store.
        stem: `register.name` of params.yaml.
        source: Name of the data set; None if only one model of that stem has a champion.

    Raises:
        NotFound: There is no champion, or there are several to choose from.
    """
    store = find_store(root)
    client = open_store(store)
    champions = {
        model.name: str(model.aliases[CHAMPION])
        for model in client.search_registered_models(f"name LIKE '{stem}-%'")
        if CHAMPION in model.aliases
    }
    wanted = [model_name(stem, source)] if source else sorted(champions)
    found = [name for name in wanted if name in champions]
    if len(found) != 1:
        raise NotFound(
            f"{store}: expected one champion of {', '.join(wanted) or stem}, found "
            f"{', '.join(found) or 'none'}; `pneumonia promote` makes one, or name a model file"
        )
    return _load(found[0], champions[found[0]])


def _load(name: str, version: str) -> Champion:
    import mlflow
    import pandas as pd
    from mlflow.exceptions import MlflowException

    require_loadable(name, version)
    try:
        model = mlflow.pyfunc.load_model(f"models:/{name}/{version}")
    except (MlflowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{name} version {version}: can't be loaded ({reason}); {REMEDY}"
        ) from None
    facts: dict[str, Any] = model.metadata.metadata
    body_part: str | None = facts.get("body_part", EARLIER_BODY_PART)

    def predict(image: bytes) -> tuple[float, str]:
        try:
            answer = model.predict(pd.DataFrame({"image": [image]}))
        except MlflowException as error:
            raise UnusableImage(_reason(error)) from None
        return float(answer["probability"][0]), str(answer["decision"][0])

    return Champion(
        predict, name, version, facts["model_digest"], bool(facts["source"]["synthetic"]), body_part
    )


def _reason(error: Any) -> str:
    """Return why the only image of a batch can't be used, from the packaged code's exception."""
    reasons: dict[int, str] | None = getattr(error, "reasons", None)
    if reasons:
        return reasons[1]
    # Packages of earlier versions have it in the message alone, after the image's number.
    return re.sub(r"^(film|image) 1 of 1: ", "", error.message)
