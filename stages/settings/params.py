"""The whole of params.yaml. Stages read one section with `settings.section` instead."""

from pathlib import Path

from pydantic import Field

from stages.engine.options import Options
from stages.images.options import PreprocessOptions
from stages.metrics.options import EvaluateOptions
from stages.network.options import TrainOptions
from stages.registry.options import RegisterOptions
from stages.settings import paths, section
from stages.sources.options import FetchOptions


class Params(Options):
    """All of params.yaml: one section per stage that has params."""

    fetch: FetchOptions
    """Where the radiographs come from."""

    preprocess: PreprocessOptions
    """Roles, pixels, and how much bad input is tolerated."""

    train: TrainOptions
    """Network, augmentation and optimiser."""

    evaluate: EvaluateOptions
    """How figures and their intervals are computed."""

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
    return section.check(Params, section.read(path), "", path)
