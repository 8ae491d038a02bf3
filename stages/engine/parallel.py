"""Work spread over the cores of this machine, or a cluster, in the order of the items."""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import joblib

from stages.engine.processes import die_with_parent
from stages.engine.progress import progress

_WINDOW = 128
"""Results that may wait for the reader: many enough that the pause between two does not show."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_order(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    label: str,
    workers: int | None = None,
    total: int | None = None,
) -> Iterator[Result]:
    """Yield `function(item)` for each item, in the order of the items, in bounded memory.

    `function` is a top-level function, so that it can be sent to a process. `workers` is
    their number (all cores by default); 1 runs here. The results do not depend on it.
    An exception of `function` is raised here; a worker that dies raises too
    (joblib's TerminatedWorkerError), so a result is never silently missing.

    The back-end is joblib's: wrap the call in `joblib.parallel_config(backend="dask")` to
    spread the same work over a cluster.
    """
    workers = workers or os.cpu_count() or 1
    if workers == 1:
        yield from progress(map(function, items), label=label, total=total)
        return
    # A worker must not outlive its stage, not even one that waits for its first item: it would
    # stay for minutes. A cluster's back-end, or threads, make nothing of this.
    run = joblib.Parallel(
        n_jobs=workers, return_as="generator", initializer=die_with_parent, initargs=(os.getpid(),)
    )
    yield from progress(_windows(run, function, items), label=label, total=total)


def _windows(
    run: joblib.Parallel, function: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[Result]:
    """The results, a window of items at a time: joblib runs ahead of a slow reader without end."""
    waiting = iter(items)
    while window := list(itertools.islice(waiting, _WINDOW)):
        yield from run(map(joblib.delayed(function), window))
