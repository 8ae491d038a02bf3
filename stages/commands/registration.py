"""What all commands have in common: params are validated first; former names still work."""

import functools
import inspect
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeAlias

from stages.engine.console import print_note
from stages.engine.errors import InputError

if TYPE_CHECKING:
    from stages.settings.params import Params

P = ParamSpec("P")
Status: TypeAlias = int | None
"""What a command returns: its exit status, or None for 0."""

Function: TypeAlias = Callable[..., Status]
"""A command as it is written: its first argument is the whole of params.yaml."""


def with_params(
    function: "Callable[Concatenate[Params, P], Status]", *, refused: int = 1
) -> Callable[P, Status]:
    """Return a command that validates params.yaml and passes it to `function`.

    Help, completion and usage errors come before that and need no params.

    Args:
        function: The command.
        refused: Its exit status if params.yaml is missing or invalid.
    """

    @functools.wraps(function)
    def command(*args: P.args, **kwargs: P.kwargs) -> Status:
        from stages.settings import params

        try:
            checked = params.load()
        except InputError as error:
            print_note(f"error: {error}")
            return refused
        return function(checked, *args, **kwargs)

    signature = inspect.signature(function)
    first, *others = signature.parameters.values()
    # Typer makes arguments and options of what it finds here.
    command.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]
    command.__annotations__ = {
        name: hint for name, hint in function.__annotations__.items() if name != first.name
    }
    return command


def former(name: str, present: str, function: Callable[P, Status]) -> Callable[P, Status]:
    """Return the command `function` under a former name, which on a terminal names the present one.

    Scripts see no difference.
    """

    @functools.wraps(function)
    def command(*args: P.args, **kwargs: P.kwargs) -> Status:
        if sys.stderr.isatty():
            print_note(f"`pneumonia {name}` is now `pneumonia {present}`")
        return function(*args, **kwargs)

    return command
