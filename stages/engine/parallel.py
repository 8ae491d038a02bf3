"""Parallel work on the cores of this machine, or a cluster, with results in order."""

import itertools
import os
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TypeVar

import joblib

from stages.engine.processes import die_with_parent
from stages.engine.progress import progress

_WINDOW = 128
"""Results computed ahead of the reader: enough that the pause between two windows is negligible."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_order(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    label: str | None,
    workers: int | None = None,
    total: int | None = None,
    window: int = _WINDOW,
) -> Generator[Result, None, None]:
    """Yield `function(item)` for each item, in the order of the items, in bounded memory.

    The results do not depend on the number of workers. The back-end is joblib's: wrap the call in
    `joblib.parallel_config(backend="dask")` to spread the same work over a cluster.

    Args:
        function: A top-level function, so that it can be sent to a process.
        items: Read as the work proceeds, not all at once.
        label: Names the progress bar; None: draw none.
        workers: All cores by default; 1 runs in this process.
        total: Number of items, for the progress bar.
        window: How many items are read, and results kept, ahead of the reader.

    Raises:
        Exception: Whatever `function` raises. A worker that dies raises joblib's
            TerminatedWorkerError, so no result is ever silently missing.
    """
    workers = workers or os.cpu_count() or 1
    if workers == 1:
        yield from _counted(map(function, items), label, total)
        return
    # A worker must not outlive its stage, not even one still waiting for its first item, which
    # would stay for minutes. Threads and a cluster's back-end ignore the initializer.
    run = joblib.Parallel(
        n_jobs=workers, return_as="generator", initializer=die_with_parent, initargs=(os.getpid(),)
    )
    yield from _counted(_by_windows(run, function, items, window), label, total)


def prefer_threads() -> joblib.parallel_config:
    """Run `map_in_order` on threads within this context.

    OpenCV and NumPy release Python's lock, so threads scale like processes, start at once and copy
    nothing. It is a preference: a cluster's back-end overrides it.
    """
    return joblib.parallel_config(prefer="threads")


def _counted(results: Iterator[Result], label: str | None, total: int | None) -> Iterator[Result]:
    return results if label is None else progress(results, label=label, total=total)


def _by_windows(
    run: joblib.Parallel, function: Callable[[Item], Result], items: Iterable[Item], window: int
) -> Iterator[Result]:
    """Yield results window by window: joblib alone would run ahead of a slow reader without end."""
    remaining = iter(items)
    while part := list(itertools.islice(remaining, window)):
        results = run(map(joblib.delayed(function), part))
        try:
            # Not `yield from`, which would close it, and so warn, before `finally`.
            for result in results:  # noqa: UP028
                yield result
        finally:
            with warnings.catch_warnings():
                # joblib warns of results that a reader who stops early does not want.
                warnings.simplefilter("ignore", UserWarning)
                results.close()
