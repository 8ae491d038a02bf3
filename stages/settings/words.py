"""The words for the data at hand, as a stage reads them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.engine.errors import InputError
from stages.engine.files import read_json
from stages.engine.task import NOTHING, Task, TaskOptions, complete, same_name
from stages.settings import paths, section


def read(source: Path) -> tuple[Mapping[str, Any], Task]:
    """Return the content of the source.json at `source`, and `task` of it."""
    content: Mapping[str, Any] = read_json(source)
    return content, task(content)


def task(source: Mapping[str, Any]) -> Task:
    """Return what data/inputs.json holds of the section `task`, completed by the source.

    Args:
        source: The content of source.json.

    Raises:
        InputError: Params give a label the name that the source gives to the other one.
    """
    known = paths.INPUTS.exists()  # the stage `inputs` writes it before any other
    stated = section.load(TaskOptions, "task", paths.INPUTS) if known else NOTHING
    of_source = source.get("task", {}).get("classes")
    if stated.classes and of_source:
        ours, theirs = (list(map(same_name, names)) for names in (stated.classes, of_source))
        if ours[0] == theirs[1] or ours[1] == theirs[0]:
            raise InputError(
                "task.classes: expected names of the labels 0 and 1, in this order, received "
                f"{list(stated.classes)}; the source of the images calls them {of_source}: swap "
                "or rename yours, since every text would speak of the wrong class"
            )
    return complete(stated, source)
