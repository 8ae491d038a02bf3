"""The command line `pneumonia`: its commands, and what becomes of their errors.

A new command is a function in a module of its own and an entry here, or in the COMMANDS of a group.
A command gets the whole of params.yaml, validated, as its first argument, unless it is in
COMPLETING or WITHOUT_PARAMS. It imports heavy libraries inside the function, so that `--help` and
completion stay fast.
"""

import sys
from collections.abc import Sequence

import typer
from typer.main import get_command

from stages.commands import answers, data, keys, model, study
from stages.commands.predict import predict
from stages.commands.preset import preset
from stages.commands.promotion import history, promote, rollback
from stages.commands.registration import Function, former, with_params
from stages.commands.results import results
from stages.commands.serve import serve
from stages.commands.sync import sync
from stages.commands.ui import ui
from stages.commands.verify import UNKNOWN, verify
from stages.engine.console import print_note, print_tracebacks_safely
from stages.engine.errors import InputError, as_input_error
from stages.engine.printable import is_printable, printable

COMMANDS: dict[str, Function] = {
    "predict": predict,
    "serve": serve,
    "promote": promote,
    "rollback": rollback,
    "history": history,
    "verify": verify,
    "results": results,
    "preset": preset,
    "sync": sync,
    "ui": ui,
}
REFUSED = {"verify": UNKNOWN}
"""Exit status for a broken params.yaml if it is not 1, which means "different" for `verify`."""
COMPLETING = frozenset({"data pin"})
"""Commands that get no params, because they complete them; they check them then."""
WITHOUT_PARAMS = frozenset({"serve", "keys add", "keys list", "keys revoke", "answers verify"})
"""Commands that need no repository, and read no params."""

GROUPS = {"data": data, "model": model, "study": study, "keys": keys, "answers": answers}
FORMER = {
    "pin": "data pin",
    "audit": "data audit",
    "figures": "data figures",
    "models": "model list",
    "runs": "model runs",
    "export": "model export",
    "seeds": "study seeds",
    "ablation": "study ablation",
    "stress": "study stress",
    "thresholds": "study thresholds",
    "pointing": "study pointing",
}
"""Names of version 0.1 that still work, without being listed, and the names that replace them."""


def command_line() -> typer.Typer:
    """Return the whole command line."""
    top = _group("Detect pneumonia in chest X-rays. Not a diagnosis.", completion=True)
    for name, function in COMMANDS.items():
        top.command(name)(_checked(name, function))
    for group_name, module in GROUPS.items():
        group = _group(str(module.__doc__))
        for name, function in module.COMMANDS.items():
            group.command(name)(_checked(f"{group_name} {name}", function))
        top.add_typer(group, name=group_name, rich_help_panel="Groups of commands")
    for name, present in FORMER.items():
        group_name, _, command = present.partition(" ")
        function = GROUPS[group_name].COMMANDS[command]
        top.command(name, hidden=True)(former(name, present, _checked(present, function)))
    return top


def _checked(name: str, function: Function) -> Function:
    if name in COMPLETING | WITHOUT_PARAMS:
        return function
    return with_params(function, refused=REFUSED.get(name, 1))


def _group(help_text: str, *, completion: bool = False) -> typer.Typer:
    return typer.Typer(
        help=help_text,
        add_completion=completion,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def main(words: list[str] | None = None) -> int:
    """Run one command and return the exit status.

    Args:
        words: The command and its arguments; default: those of the process.

    Returns:
        0; 1 after an InputError, or as the command defines it; 2 after a usage error, and where
        `verify` cannot judge; 130 after Ctrl-C.
    """
    if words is None:
        print_tracebacks_safely()
        words = sys.argv[1:]
    command = get_command(command_line())
    try:
        status = command.main(words, prog_name="pneumonia", standalone_mode=False)
    except InputError as error:
        return _fail(str(error), 1, words)
    except typer.TyperException as error:
        return _fail(_usage_error(error), error.exit_code, words)
    except typer.Abort:
        return 130
    except OSError as error:
        fixable = as_input_error(error)
        if fixable is None:
            raise
        return _fail(str(fixable), 1, words)
    return int(status or 0)


def _usage_error(error: typer.TyperException) -> str:
    """What is wrong with the arguments, what is allowed, and where to read on."""
    message = error.format_message()
    context = getattr(error, "ctx", None)  # Typer keeps the class that has it to itself
    if context is None or not message:
        return message
    commands = getattr(context.command, "commands", {})
    visible = [name for name, command in commands.items() if not command.hidden]
    usage = context.get_usage().removeprefix("Usage: ")
    allowed = f"commands: {', '.join(visible)}" if visible else f"usage: {usage}"
    path = context.command_path
    return f"{path}: {message.rstrip('.')}; {allowed} (see `{path} --help`)"


def _fail(message: str, status: int, words: Sequence[str]) -> int:
    """Print an error. An argument with line breaks takes one line, so it can't pass for another."""
    for word in words:
        if not is_printable(word):
            message = message.replace(word, printable(word))
    if message:
        print_note(f"error: {message}")
    return status


if __name__ == "__main__":
    sys.exit(main())
