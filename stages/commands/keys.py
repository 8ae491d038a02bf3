"""The keys of those who may ask `pneumonia serve`: make, list and revoke them."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from stages.commands.parameters import AsJson
from stages.commands.tables import print_rows
from stages.engine.console import print_note, print_text
from stages.serving.access import keys
from stages.serving.access.keys import KEYS_VARIABLE, SCOPES

KeysFile: TypeAlias = Annotated[
    Path,
    typer.Option(
        "--keys", metavar="FILE", envvar=KEYS_VARIABLE, help="The file of keys, mode 0600."
    ),
]
_COLUMNS = ("name", "scopes", "made", "revoked")


def add(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Of its holder, such as ward-3; stays taken.")
    ],
    scope: Annotated[
        str, typer.Option(metavar="SCOPE,...", help=f"What it is for: {','.join(SCOPES)}.")
    ],
    file: KeysFile,
) -> None:
    """Make a key and print it, once. The file has a hash of it."""
    key = keys.add(file, name, scope.split(","))
    print_text(key)
    print_note(
        f"{file}: the key {name} for {scope} is above; it is in no file and can't be printed again"
    )


def list_keys(file: KeysFile, as_json: AsJson = False) -> None:
    """List the names of the keys, what they are for, and which were revoked."""
    rows = [
        {
            "name": key.name,
            "scopes": ",".join(key.scopes),
            "made": key.made,
            "revoked": key.revoked or "",
        }
        for key in keys.read_keys(file)
    ]
    print_rows(rows, _COLUMNS, as_json=as_json)


def revoke(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the key.")], file: KeysFile
) -> None:
    """Make a key invalid, from the next request on, in running services too."""
    keys.revoke(file, name)
    print_text(f"{file}: the key {name} is revoked")


COMMANDS: dict[str, Callable[..., int | None]] = {"add": add, "list": list_keys, "revoke": revoke}
