"""The whole of params.yaml. Stages read one section with `settings.section` instead."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from stages.engine.errors import InvalidSettings
from stages.engine.options import Options
from stages.engine.task import NOTHING, TaskOptions
from stages.images.options import PreprocessOptions
from stages.metrics.options import EvaluateOptions
from stages.network.options import TrainOptions
from stages.registry.options import RegisterOptions
from stages.settings import paths, problems, section
from stages.sources.options import FetchSection, lists_sources


class Params(Options):
    """All of params.yaml: one section per stage that has params, and `task` for texts."""

    fetch: FetchSection
    """Where the radiographs come from."""

    preprocess: PreprocessOptions
    """Roles, pixels, and how much bad input is tolerated."""

    train: TrainOptions
    """Network, augmentation and optimiser."""

    evaluate: EvaluateOptions
    """How figures and their intervals are computed."""

    task: TaskOptions = NOTHING
    """What images and classes are called in texts; all null where the section is left out."""

    register_: RegisterOptions = Field(alias="register")
    """The name of the model, and which figures it must reach."""

    @property
    def register(self) -> RegisterOptions:
        """The section `register`; a field can't have this name, which pydantic's classes use."""
        return self.register_


def load(path: Path = paths.PARAMS) -> Params:
    """Return the whole of params.yaml, checked.

    Raises:
        InvalidSettings: The file is missing or no YAML, or has missing, unknown or invalid keys;
            all of them are listed.
    """
    return check(section.read(path), path)


def check(tree: Any, path: Path = paths.PARAMS) -> Params:
    """Return the content of params.yaml, checked.

    Args:
        tree: The content, as YAML gives it.
        path: Where it is from, for messages.

    Raises:
        InvalidSettings: It has missing, unknown or invalid keys; all of them are listed.
    """
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        found = problems.find(error, _schema(tree))
        raise InvalidSettings(problems.message(path, found)) from None


def _schema(tree: Any) -> dict[str, Any]:
    """The schema of Params with that form of `fetch` which `tree` has."""
    schema = Params.model_json_schema()
    properties = schema["properties"]
    several = isinstance(tree, Mapping) and lists_sources(tree.get("fetch"))
    properties["fetch"] = properties["fetch"]["anyOf"][int(several)]
    return schema
