"""The images: list their sources, pin them, make a key for names, audit, draw phantoms."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stages.commands.parameters import AsJson
from stages.commands.registration import Function
from stages.commands.tables import print_markdown, print_rows
from stages.engine.console import print_json, print_note, print_text
from stages.engine.files import read_json, write_bytes
from stages.settings import paths

if TYPE_CHECKING:
    from stages.settings.params import Params


def sources(params: "Params", as_json: AsJson = False) -> None:
    """List the sources, their images and roles, and what has changed since the last commit."""
    from stages.commands import data_sources

    rows = data_sources.rows()
    changes = data_sources.changes([source.name for source in params.fetch.listed])
    if as_json:
        print_json({"sources": rows, "changes": changes})
        return
    print_rows(rows, data_sources.COLUMNS, as_json=False)
    print_text("\nSince the last commit:" if changes else "\nAs the last commit records it.")
    for line in changes:
        print_text(f"- {line}")


def pin(
    path: Annotated[
        str | None,
        typer.Argument(
            metavar="[PATH]",
            help="A zip, tar, tar.gz or folder of images; or weights, *.h5 or *.keras. Default: "
            "what params name.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="The source of several that PATH is of.")
    ] = None,
) -> None:
    """Write the path and checksum of archives, or of initial weights, into params.yaml."""
    from stages.commands import pin_archive
    from stages.network.options import MODEL_FILE

    if path is not None and path.endswith((".h5", MODEL_FILE)):
        print_text(pin_archive.pin_weights(path))
        return
    print_text(pin_archive.pin(path, source))


def key(
    _: "Params",
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A new file, best outside of here.")],
) -> None:
    """Write a new secret key for fetch.hash_names, which replaces names by hashes."""
    from stages.engine.root import from_root, project_root
    from stages.sources import hash_key

    place = from_root(str(path))
    hash_key.make(place)
    print_text(
        f"{place}: a new key. Set `hash_names: {path}` in the section fetch of {paths.PARAMS}. "
        "Keep a copy: without it, nobody can make the same names again"
    )
    if place.resolve().is_relative_to(project_root()):
        print_note(
            f"warning: {place} lies in the repository; move it out or keep it out of git, since "
            "whoever has the key can undo the names"
        )


def audit(_: "Params", as_json: AsJson = False) -> None:
    """Print what the images give away about class, source and patient."""
    from stages.audit.report import PAGE, REPORT

    found = read_json(paths.AUDIT / REPORT)
    if as_json:
        print_json(found)
    else:
        print_markdown((paths.AUDIT / PAGE).read_text(encoding="utf-8").removesuffix("\n"))
    manifest = paths.SHARDS / "manifest.json"
    if not manifest.exists() or read_json(manifest)["digest"] != found["data"]:
        print_note(f"{paths.SHARDS} does not hold the images of this audit")


def figures(
    _: "Params", to: Annotated[Path, typer.Argument(metavar="FILE.png", help="The picture.")]
) -> None:
    """Draw phantoms and their model's curves, the README's picture."""
    from stages.commands import phantom_figure

    write_bytes(to, phantom_figure.draw())


COMMANDS: dict[str, Function] = {
    "sources": sources,
    "pin": pin,
    "key": key,
    "audit": audit,
    "figures": figures,
}
