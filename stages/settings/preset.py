"""Presets: recipes that a user picks in one word, as overrides of params.yaml.

A preset is no second record. Its values become those of params.yaml, by `dvc exp run -S` or written
there, and only params.yaml decides what runs.
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from stages.engine import keys
from stages.engine.errors import InvalidSettings
from stages.engine.options import Options
from stages.settings import params, section

NAMES = ("scratch", "pretrained", "gpu")
"""All presets, from the least to the greatest cost; each is a file NAME.yaml in FOLDER."""

FOLDER = Path(__file__).with_name("presets")


class Preset(Options):
    """A preset's file."""

    about: str
    """One line: what it trains, and what that costs."""

    values: dict[str, Any]
    """Other values for some keys of params.yaml, in its sections."""

    def flat(self) -> dict[str, Any]:
        """Return the values by dotted key."""
        return keys.flatten(self.values)


def load(name: str, tree: Mapping[str, Any]) -> Preset:
    """Return a preset whose values are allowed among the other params.

    Args:
        name: One of NAMES.
        tree: The content of params.yaml.

    Raises:
        InvalidSettings: There is no such preset, or as of `read`.
    """
    if name not in NAMES:
        raise InvalidSettings(
            f"expected the name of a preset, one of {', '.join(NAMES)}, received {name!r}"
        )
    return read(FOLDER / f"{name}.yaml", tree)


def read(path: Path, tree: Mapping[str, Any]) -> Preset:
    """Return the preset of a file, as `load` does.

    Raises:
        InvalidSettings: The file has other keys than `about` and `values`, a key that `tree` does
            not have, or a value that params.yaml must not have; all of them are listed.
    """
    try:
        preset = Preset.model_validate(section.read(path))
    except ValidationError as error:
        raise InvalidSettings(
            f"{path}: expected two keys, `about` (one line) and `values` (some of params.yaml's), "
            f"received other content: {error}"
        ) from None
    params.check(_with_values(tree, preset, path), path)
    return preset


def _with_values(tree: Mapping[str, Any], preset: Preset, path: Path) -> dict[str, Any]:
    """Return a copy of the content of params.yaml with the values of a preset."""
    changed = copy.deepcopy(dict(tree))
    for key, value in preset.flat().items():
        try:
            keys.assign(changed, key, value)
        except KeyError:
            raise InvalidSettings(
                f"{path}: unknown key {key}: expected keys that params.yaml has"
            ) from None
    return changed
