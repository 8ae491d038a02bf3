import numpy as np

from stages.metrics.examples import choose_examples
from tests.metrics.sample_images import answers

LABEL = np.array([1, 1, 1, 0, 0, 0, 1, 0])
PROBABILITY = np.array([0.99, 0.90, 0.52, 0.01, 0.10, 0.49, 0.20, 0.97])
ANSWERS = answers(PROBABILITY)
CLASSES = ("intact", "fracture")


def test_surest_doubtful_and_wrong_images_are_chosen() -> None:
    chosen = choose_examples(LABEL, answers(PROBABILITY), threshold=0.5, count=2, classes=CLASSES)
    assert [example.caption for example in chosen] == [
        "surest: fracture, probability 0.990",
        "surest: intact, probability 0.010",
        "doubtful: intact, probability 0.490",
        "doubtful: fracture, probability 0.520",
        "wrong: intact, probability 0.970",
        "wrong: fracture, probability 0.200",
    ]


def test_an_image_is_chosen_once_and_small_sets_suffice() -> None:
    for count in (1, 3, 16):
        rows = [example.row for example in choose_examples(LABEL, ANSWERS, 0.5, count, CLASSES)]
        assert len(rows) == len(set(rows)) <= len(LABEL)
    everything_right = choose_examples(LABEL[:2], answers(PROBABILITY[:2]), 0.5, 4, CLASSES)
    assert [example.row for example in everything_right] == [0, 1]


def test_a_refused_image_is_named_as_such() -> None:
    some = answers(PROBABILITY, refused=[0, 3, 7])
    chosen = choose_examples(LABEL, some, threshold=0.5, count=2, classes=CLASSES)
    assert [example.caption for example in chosen] == [
        "surest: fracture, probability 0.900",
        "surest: intact, probability 0.100",
        "doubtful: intact, probability 0.490",
        "doubtful: fracture, probability 0.520",
        "wrong: fracture, probability 0.200",
        "refused: intact, domain score 8.500",  # the two least like a training image
        "refused: intact, domain score 4.500",
    ]
    everything = choose_examples(LABEL, answers(PROBABILITY, range(8)), 0.5, 16, CLASSES)
    assert {example.caption.split(":")[0] for example in everything} == {"refused"}
