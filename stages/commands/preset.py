"""`pneumonia preset`: recipes in one word, for `dvc exp run` or written into params.yaml."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stages.commands.tables import print_rows
from stages.engine.console import print_text
from stages.engine.errors import InputError, InvalidSettings

if TYPE_CHECKING:
    from stages.settings.params import Params
    from stages.settings.preset import Preset

_REFUSED = "--no-such-preset"
"""Printed instead of overrides: a shell runs `dvc exp run $(...)` even where `...` has failed, and
would train another recipe. `dvc` refuses this word."""


def preset(
    _: "Params",
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Default: list them.", show_default=False),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write the values into params.yaml instead.")
    ] = False,
) -> None:
    """List recipes, or print one as options: `dvc exp run $(pneumonia preset NAME)`."""
    from stages.settings import preset as presets
    from stages.settings import section

    tree = section.read()
    if name is None:
        if write:
            raise InputError(f"--write: expected a name too, one of {', '.join(presets.NAMES)}")
        rows = [{"name": each, "about": presets.load(each, tree).about} for each in presets.NAMES]
        print_rows(rows, ("name", "about"), as_json=False)
        return
    try:
        found = presets.load(name, tree)
    except InvalidSettings:
        if not write:
            print_text(_REFUSED)
        raise
    if write:
        print_text(_write(name, found))
    else:
        print_text(overrides(found))


def overrides(found: "Preset") -> str:
    """Return a preset as words for `dvc exp run`: "-S key=value ..."."""
    from stages.commands.params_text import as_yaml

    def written(value: Any) -> str:  # without spaces: the shell makes words of it
        is_list = isinstance(value, list)
        return f"[{','.join(map(as_yaml, value))}]" if is_list else as_yaml(value)

    return " ".join(f"-S {key}={written(value)}" for key, value in found.flat().items())


def _write(name: str, found: "Preset") -> str:
    """Write the values into params.yaml; return what was changed, as text."""
    from stages.commands import params_text
    from stages.engine import keys
    from stages.settings import paths, section

    before = section.read()
    text = params_text.read()
    for key, value in found.flat().items():
        *place, last = key.split(".")
        if keys.get(before, key) != value:
            text = params_text.with_values(text, place, {last: value})
    params_text.write(text)
    changes = keys.differences(before, section.read())
    lines = [
        f"- {key}: {params_text.as_yaml(was)} becomes {params_text.as_yaml(now)}"
        for key, (was, now) in changes.items()
    ]
    title = f"{paths.PARAMS}: the preset {name}" + ("" if lines else ", as it was")
    return "\n".join([title, *lines, "now run `dvc repro`"])
