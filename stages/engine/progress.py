"""Progress bars on stderr. Nothing is drawn where stderr is not a terminal, to keep logs readable.

Rich is imported only when a bar is drawn.
"""

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from stages.engine.printable import printable

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

Item = TypeVar("Item")


def progress(items: Iterable[Item], *, label: str, total: int | None = None) -> Iterator[Item]:
    """Yield `items` while a bar counts them.

    Args:
        items: Any iterable.
        label: Text before the bar.
        total: Number of items, where `items` has no length.
    """
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.progress import Progress

    with _bar(*Progress.get_default_columns()) as bar:
        yield from bar.track(items, total=total, description=_text(label))


@contextlib.contextmanager
def byte_progress(*, label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Yield a function that advances a bar by a number of bytes.

    Args:
        label: Text before the bar.
        total: Number of bytes expected, None where that is unknown.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    with _bar(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    ) as bar:
        task = bar.add_task(_text(label), total=total)
        yield lambda count: bar.advance(task, count)


@contextlib.contextmanager
def image_progress(*, label: str, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Yield a function that advances a bar by a number of images, with images/s and time to go.

    Args:
        label: Text before the bar.
        total: Number of images.
        done: How many of them are done already.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:,.1f} images/s")

    with _bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Speed(),
        TimeRemainingColumn(),
    ) as bar:
        task = bar.add_task(_text(label), total=total, completed=done)
        yield lambda count: bar.advance(task, count)


@contextlib.contextmanager
def spinner(label: str) -> Iterator[None]:
    """Show that work goes on whose end can't be foreseen."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(_text(label)):
        yield


def _text(label: str) -> str:
    from rich.markup import escape

    return escape(printable(label))


def _bar(*columns: "ProgressColumn") -> "Progress":
    from rich.console import Console
    from rich.progress import Progress

    return Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        # Otherwise Rich would divert to the terminal what goes into a file or a pipe.
        redirect_stdout=sys.stdout.isatty(),
    )
