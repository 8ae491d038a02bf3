"""The answer log of `pneumonia serve`: verify that it is as it was written."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from stages.commands.parameters import AsJson
from stages.engine.console import print_json, print_note, print_text
from stages.serving.records.answer_chain import parse_head
from stages.serving.records.answer_chain import verify as verify_log


def verify(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Of the answer log.")],
    after: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER:DIGEST", help="The last line of files that were moved elsewhere."
        ),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER:DIGEST", help="A line noted elsewhere, which must be there unchanged."
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Find lines that were removed, changed, added or moved; exit with 1 if there are any."""
    verdict = verify_log(
        folder,
        after=None if after is None else parse_head(after, "--after"),
        noted=None if head is None else parse_head(head, "--head"),
    )
    if as_json:
        print_json(asdict(verdict))
        return int(bool(verdict.problems))
    for problem in verdict.problems:
        print_note(problem)
    text = f"{folder}: {verdict.answers} answers, newest line {verdict.head}"
    if verdict.unfinished:
        text += f"; {verdict.unfinished} half-written lines of killed services, as recorded"
    print_text(f"{text}; {'not as written' if verdict.problems else 'as written'}")
    return int(bool(verdict.problems))


COMMANDS: dict[str, Callable[..., int | None]] = {"verify": verify}
