"""Options that several commands have."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Source: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The data set; default: that of data/release.json."),
]
WriteTo: TypeAlias = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Put the table between the marks in FILE, not on stdout."),
]
