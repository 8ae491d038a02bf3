"""What a version must prove before it answers: that it computes here what it computed when judged.

It answers the images of its probe (`network.probe`). With other bits than on record it is refused
where class of processor and threads are those of the record: then this installation is not the one
that the gate judged, or the machine is faulty, and no figure on record holds. In other
circumstances the last bits may differ, which is no fault. There the answers must agree within
MOST_DIFFERENCE, and carry a caution.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from stages.engine.arrays import GrayImages
from stages.engine.errors import InputError
from stages.network.probe import read_probe
from stages.serving.served import Answering

MOST_DIFFERENCE = 0.001
"""Of a probability; of a domain score, as a share of it."""

_BATCH = 8
"""Images that the network answers for at a time."""


class Circumstances(NamedTuple):
    """What decides the last bits of an answer; None where it is not on record."""

    processor: str | None
    threads: int | None

    def __str__(self) -> str:
        return f"{self.processor}, {self.threads} threads"


class Proving(Answering, Protocol):
    """A detector of format 2."""

    def differing(self, probe: Path) -> list[str]:
        """Return the names of the images in a probe.zip that are answered otherwise here."""


def differing(
    detector: Proving, probe: Path, record: Circumstances, here: Circumstances
) -> tuple[str, ...]:
    """Compare answers with the record, and return a caution if their last bits differ.

    Args:
        detector: The loaded version.
        probe: Its probe.zip.
        record: Where it was judged.
        here: Where it is to answer.

    Raises:
        InputError: They differ more than these circumstances explain.
    """
    names = detector.differing(probe)
    if not names:
        return ()
    count = f"{len(names)} of its probe images"
    if record == here:
        raise InputError(
            f"it answers {count} with other bits than on record, in the circumstances on record "
            f"({here}); install the packages of its requirements.txt, or look for a fault of this "
            "machine"
        )
    difference = _largest_difference(detector, probe, names)
    if not difference <= MOST_DIFFERENCE:
        raise InputError(
            f"it answers {count} otherwise than on record, by up to {difference:.3g}; expected at "
            f"most {MOST_DIFFERENCE:g} between {record}, where it was judged, and {here}, where it "
            "would answer"
        )
    return (
        f"{count} get other last bits here ({here}) than where it was judged ({record}): a "
        f"difference of up to {difference:.1g}",
    )


def place_matters(detector: Answering, probe: Path) -> bool:
    """Return whether the last bits of an answer depend on an image's place in its batch."""
    names = list(read_probe(probe).files)[:_BATCH]
    pixels = _prepared(detector, probe, names)
    expected, places = detector.answer(pixels), np.arange(len(pixels))
    return any(
        detector.answer(pixels[order]) != [expected[place] for place in order]
        for order in (places[::-1], np.roll(places, 3))
    )


def admit_short_batches(detector: Answering, probe: Path) -> None:
    """Let few images be answered in smaller batches, where they have the same bits.

    Versions registered before that was possible answer in whole batches.
    """
    admit = getattr(detector, "admit_short_batches", None)
    if admit is not None:
        admit(probe)


def _largest_difference(detector: Answering, probe: Path, names: Sequence[str]) -> float:
    recorded = read_probe(probe).answers
    answers = detector.answer(_prepared(detector, probe, names))
    found = []
    for name, answer in zip(names, answers, strict=True):
        score, probability = recorded[name]["domain_score"], recorded[name]["probability"]
        if answer.domain_score is not None:
            found.append(abs(answer.domain_score - score) / max(abs(score), 1e-9))
        if answer.probability is not None:
            found.append(abs(answer.probability - probability))
    return float(np.max(found))  # NaN if one is


def _prepared(detector: Answering, probe: Path, names: Sequence[str]) -> GrayImages:
    """Return the pixels of probe images, uint8 (N, H, W)."""
    files = read_probe(probe).files
    pixels = [detector.prepare(files[name]).pixels for name in names]
    if any(one is None for one in pixels):
        raise InputError("it can't read an image of its own probe")
    return np.stack([one for one in pixels if one is not None])
