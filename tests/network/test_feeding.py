import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from stages.network import feeding
from stages.network.augment import crop
from stages.network.feeding import Feeder
from tests.network.tiny import AUGMENT, images

PIXELS, _ = images(21)


def feeder(*, batch: int = 4, seed: int = 0) -> Feeder:
    return Feeder(PIXELS, 32, batch, seed, AUGMENT)


def order(seed: int, epoch: int) -> list[int]:
    return [int(n) for _, records in feeder(seed=seed).epoch(epoch) for n in records]


def producers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "feeder"]


def test_an_epoch_is_full_batches_with_each_image_at_most_once() -> None:
    batches = list(feeder().epoch(0))
    assert [(crops.shape, str(crops.dtype)) for crops, _ in batches] == [((4, 32, 32), "uint8")] * 5
    records = np.concatenate([records for _, records in batches])
    assert records.dtype == np.int64
    assert len(set(records.tolist())) == 20


def test_order_is_a_function_of_seed_and_epoch() -> None:
    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)


def test_golden_order() -> None:
    assert order(0, 0)[:8] == [10, 18, 16, 4, 2, 12, 6, 19]


def test_the_images_left_over_change_with_the_epoch() -> None:
    left = {(set(range(21)) - set(order(0, epoch))).pop() for epoch in range(8)}
    assert len(left) > 1


def test_a_crop_does_not_depend_on_its_batch() -> None:
    small = {int(n): c for crops, rs in feeder(batch=3).epoch(2) for c, n in zip(crops, rs)}  # noqa: B905
    large = {int(n): c for crops, rs in feeder(batch=7).epoch(2) for c, n in zip(crops, rs)}  # noqa: B905
    for record, ours in small.items():
        np.testing.assert_array_equal(ours, large[record])


def test_closing_the_iterator_ends_the_thread() -> None:
    batches = feeder(batch=1).epoch(0)
    next(batches)
    assert len(producers()) == 1
    batches.close()  # type: ignore[attr-defined]
    assert producers() == []


def test_an_error_in_the_thread_is_raised_to_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, record: int, **__: object) -> None:
        raise ValueError(f"image {record} is odd")

    monkeypatch.setattr(feeding, "crop", refuse)
    with pytest.raises(ValueError, match=r"image \d+ is odd"):
        list(feeder().epoch(0))
    assert producers() == []


def test_waiting_time_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:

    def slow(*arguments: object, **keys: object) -> object:
        time.sleep(0.005)
        return crop(*arguments, **keys)  # type: ignore[arg-type]

    monkeypatch.setattr(feeding, "crop", slow)
    waiting = feeder()
    assert waiting.waited_s == 0
    list(waiting.epoch(0))
    once = waiting.waited_s
    assert once > 0
    list(waiting.epoch(1))
    assert waiting.waited_s > once


def test_steps_count_full_batches() -> None:
    assert feeder().steps == 5
    assert replace(feeder(), batch=21).steps == 1
    assert replace(feeder(), batch=22).steps == 0
