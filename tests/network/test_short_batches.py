"""Fewer places in a batch, where and only where that changes no bit."""

from collections.abc import Callable

import numpy as np
import pytest

from stages.engine.arrays import GrayImages
from stages.network.predict import BATCH, Logits, Scores
from stages.network.short_batches import Pass, ShortBatches

PROBE = np.random.default_rng(1).integers(0, 256, (13, 4, 4), dtype=np.uint8)


class Network:
    """Notes the sizes of its passes; `noise` says which bit of which size and place differs."""

    def __init__(self, noise: Callable[[int, int], float] = lambda _, __: 0.0) -> None:
        self.noise, self.made = noise, list[int]()
        self.passes = list[int]()

    def __call__(self, size: int) -> Pass:
        self.made.append(size)

        def answers(images: GrayImages) -> tuple[Logits, Scores]:
            self.passes += [size] * -(-len(images) // size)
            means: Scores = np.asarray(images.mean(axis=(1, 2)), np.float64)
            places = np.array([self.noise(size, number % size) for number in range(len(images))])
            return (means + places).astype(np.float32), means * 2

        return answers


def test_whole_batches_alone_are_used_at_first() -> None:
    network = Network()
    answer = ShortBatches(network)
    assert answer.sizes == (BATCH,)
    answer(PROBE[:1])
    assert network.passes == [8]


@pytest.mark.parametrize(
    ("images", "passes"),
    [
        (0, []),
        (1, [2]),
        (2, [2]),
        (3, [4]),
        (4, [4]),
        (5, [8]),
        (8, [8]),
        (9, [8, 2]),
        (13, [8, 8]),
    ],
)
def test_what_is_left_over_takes_the_smallest_size_that_fits(
    images: int, passes: list[int]
) -> None:
    network = Network()
    answer = ShortBatches(network)
    answer.admit(PROBE)
    assert answer.sizes == (2, 4, 8)
    network.passes.clear()
    logits, scores = answer(PROBE[:images])
    assert network.passes == passes
    means = PROBE[:images].mean(axis=(1, 2))
    assert np.array_equal(logits, np.float32(means))
    assert np.array_equal(scores, means * 2)


@pytest.mark.parametrize(
    ("noise", "sizes"),
    [
        (lambda size, _: 1e-4 * (size == 2), (4, 8)),
        (lambda size, place: 1e-4 * (size == 2 and place == 1), (4, 8)),
        (lambda size, place: 1e-4 * (size < 8 and place == 0), (8,)),
        (lambda size, _: float("nan") if size == 4 else 0.0, (2, 8)),
    ],
    ids=["size", "second place", "first place", "no number"],
)
def test_a_size_with_other_bits_at_any_place_is_not_used(
    noise: Callable[[int, int], float], sizes: tuple[int, ...]
) -> None:
    answer = ShortBatches(Network(noise))
    answer.admit(PROBE)
    assert answer.sizes == sizes
