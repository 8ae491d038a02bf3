"""Figures as nested numbers: what metrics.json and validation.json hold, and how to read them.

A figure is {"value", "low", "high"}. It stands below its role, some below further keys as well:
"test" > "auroc", "test" > "calibration" > "at_prior" > "slope".
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from stages.engine.errors import InputError
from stages.engine.files import read_json
from stages.metrics.refusal_keys import REFUSALS

Figures: TypeAlias = Mapping[str, Any]
"""Nested numbers of one role, as JSON gives them."""

RoleFigures: TypeAlias = Mapping[str, Figures]
"""The figures of each role, by the role's name."""


def read_figures(path: Path) -> RoleFigures:
    """Read metrics.json or validation.json.

    Raises:
        InputError: The file is missing, or its figures do not count refused images.
    """
    roles: dict[str, Any] = read_json(path)
    if not isinstance(roles, dict) or not all(REFUSALS in tree for tree in roles.values()):
        raise InputError(
            f"{path}: expected figures that count refused images, received those of an earlier "
            "version; run `dvc repro evaluate`"
        )
    return roles


def find_figure(tree: Figures, *keys: str) -> dict[str, float] | None:
    """Return the figure below `keys`, one key a level; None where there is none."""
    found: Any = tree
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return _as_figure(found)


def walk_figures(
    tree: Figures, keys: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], dict[str, float]]]:
    """Yield the keys of each figure in a tree, and the figure, in the tree's order."""
    for key, inner in tree.items():
        figure = _as_figure(inner)
        if figure is not None:
            yield (*keys, key), figure
        elif isinstance(inner, Mapping):
            yield from walk_figures(inner, (*keys, key))


def _as_figure(found: Any) -> dict[str, float] | None:
    if not isinstance(found, Mapping):
        return None
    bounds = [found.get(name) for name in ("value", "low", "high")]
    numbers = [float(bound) for bound in bounds if bound is not None]
    if len(numbers) < len(bounds):
        return None
    return dict(zip(("value", "low", "high"), numbers, strict=True))
