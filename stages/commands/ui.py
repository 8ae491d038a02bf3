"""`pneumonia ui`: MLflow's pages."""

from typing import TYPE_CHECKING, Annotated

import typer

from stages.engine.root import project_root

if TYPE_CHECKING:
    from stages.settings.params import Params


def ui(
    _: "Params", port: Annotated[int, typer.Option(min=1, max=65535, help="On 127.0.0.1.")] = 5000
) -> int:
    """Serve MLflow's pages on the tracking store until Ctrl-C."""
    from stages.registry.store import find_store
    from stages.registry.ui import serve_ui

    return serve_ui(find_store(project_root()), port)
