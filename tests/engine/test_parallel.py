"""Results come in order, whatever the workers; an error or a killed worker is raised."""

import os
import signal
import time
from collections.abc import Iterator

import pytest
from joblib.externals.loky.process_executor import TerminatedWorkerError

from stages.engine.parallel import map_in_order, prefer_threads


def slow_first(number: int) -> int:
    time.sleep(0.2 if number == 0 else 0)
    return number * number


def raise_on_three(number: int) -> int:
    if number == 3:
        raise ValueError("3 is not wanted")
    return number


def die_on_three(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_results_come_in_order_with_any_number_of_workers() -> None:
    expected = [number * number for number in range(20)]
    assert list(map_in_order(slow_first, range(20), label="x", workers=1)) == expected
    assert list(map_in_order(slow_first, iter(range(20)), label="x", workers=4)) == expected


@pytest.mark.parametrize("workers", [1, 4])
def test_no_items_no_results(workers: int) -> None:
    assert list(map_in_order(slow_first, [], label="x", workers=workers)) == []


@pytest.mark.parametrize("workers", [1, 4])
def test_an_exception_of_the_function_reaches_the_caller(workers: int) -> None:
    seen: list[int] = []
    with pytest.raises(ValueError, match="3 is not wanted"):
        seen.extend(map_in_order(raise_on_three, range(8), label="x", workers=workers))


def test_a_killed_worker_raises_instead_of_leaving_a_gap() -> None:
    with pytest.raises(TerminatedWorkerError):
        list(map_in_order(die_on_three, range(8), label="x", workers=4))


def test_work_does_not_run_far_ahead_of_a_slow_reader() -> None:
    taken: list[int] = []

    def many() -> Iterator[int]:
        for number in range(300):
            taken.append(number)
            yield number

    results = map_in_order(abs, many(), label="x", workers=2)
    next(results)
    assert len(taken) <= 128
    assert list(results) == list(range(1, 300))


def test_a_window_limits_how_far_work_runs_ahead() -> None:
    taken: list[int] = []

    def many() -> Iterator[int]:
        for number in range(300):
            taken.append(number)
            yield number

    results = map_in_order(abs, many(), label=None, workers=2, window=5)
    assert next(results) == 0
    assert len(taken) <= 5
    assert list(results) == list(range(1, 300))


def test_a_reader_who_stops_early_is_not_warned() -> None:
    """joblib warns of results that are ready and not read; in these tests that is an error."""
    with prefer_threads():
        results = map_in_order(abs, range(300), label="x", workers=2)
        next(results)
        time.sleep(0.05)
        results.close()
