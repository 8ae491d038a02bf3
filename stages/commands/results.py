"""`pneumonia results`: the figures of the model under data/."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from stages.commands.parameters import WriteTo
from stages.commands.tables import print_markdown
from stages.engine.errors import InputError
from stages.engine.files import read_json, sha256_file, write_text
from stages.settings import paths

if TYPE_CHECKING:
    from stages.settings.params import Params


def results(_: "Params", write: WriteTo = None) -> None:
    """Print the last run's figures with intervals.

    Markdown when piped.
    """
    print_or_insert(results_table, write)


def results_table() -> str:
    """Return the table of results as Markdown.

    Raises:
        InputError: There is no report, it is of another model than that in data/model, or dvc.lock
            records other params, code or data than lie here.
    """
    from stages.history import chain
    from stages.metrics.pages import results as page
    from stages.metrics.trees import read_figures
    from stages.registry.record import check_report

    model = paths.MODEL / "model.keras"
    if check_report(paths.REPORT)["model"] != sha256_file(model):
        raise InputError(
            f"{paths.REPORT}: expected the report of {model}, received that of an earlier model; "
            "run `dvc repro evaluate`"
        )
    chain.require_closed()
    return page.results_table(
        read_figures(paths.METRICS), read_figures(paths.VALIDATION), read_json(paths.SOURCE)
    )


def print_or_insert(make_table: Callable[[], str], page: Path | None) -> None:
    """Print a table, or put it between the marks in a page.

    Args:
        make_table: Returns the table as Markdown; the page is checked before it is called.
        page: The page; None to print.

    Raises:
        InputError: There is no such page, or it has no marks.
    """
    from stages.metrics.pages.results import splice

    if page is None:
        print_markdown(make_table())
        return
    if not page.is_file():
        raise InputError(f"{page}: expected a page with marks, found no file")
    text = page.read_text(encoding="utf-8")
    splice(text, "")
    write_text(page, splice(text, make_table()))
