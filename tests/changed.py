"""Options with some values changed."""

from typing import Any, TypeVar

from stages.engine.options import Options

AnyOptions = TypeVar("AnyOptions", bound=Options)


def changed(options: AnyOptions, **changes: Any) -> AnyOptions:
    """Return a copy of `options` with `changes`, validated like the original."""
    return type(options)(**{**dict(options), **changes})
