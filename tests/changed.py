"""Options with other values."""

from typing import Any, TypeVar

from stages.engine.options import Options

AnyOptions = TypeVar("AnyOptions", bound=Options)


def changed(options: AnyOptions, **changes: Any) -> AnyOptions:
    """Return a copy of `options` with `changes`, checked as the original was."""
    return type(options)(**{**dict(options), **changes})
