"""The words for the data at hand, as a stage reads them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.engine.files import read_json
from stages.engine.task import NOTHING, Task, TaskOptions, complete
from stages.settings import paths, section


def read(source: Path) -> tuple[Mapping[str, Any], Task]:
    """Return the content of the source.json at `source`, and `task` of it."""
    content: Mapping[str, Any] = read_json(source)
    return content, task(content)


def task(source: Mapping[str, Any]) -> Task:
    """Return what data/inputs.json holds of the section `task`, completed by the source.

    Args:
        source: The content of source.json.
    """
    known = paths.INPUTS.exists()  # the stage `inputs` writes it before any other
    stated = section.load(TaskOptions, "task", paths.INPUTS) if known else NOTHING
    return complete(stated, source)
