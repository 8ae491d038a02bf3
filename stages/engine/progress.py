"""Progress bars: on a terminal only, so that logs stay readable."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Iterable[Item], *, label: str, total: int | None = None) -> Iterator[Item]:
    """Yield `items` while a bar named `label` follows them on a terminal's stderr."""
    yield from tqdm(
        items, desc=label, total=total, disable=not sys.stderr.isatty(), leave=False, unit="image"
    )
