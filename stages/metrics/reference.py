"""The distributions that images of a release had, against which drift is measured: reference.json.

For each role 200 quantiles of every fact of its images (`images.facts`), of the model's domain
scores and of its probabilities. No image, name or patient is in it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stages.engine.answers import AnswerImages, Answers
from stages.engine.arrays import Floats
from stages.engine.classes import CLASS_KEYS
from stages.engine.files import DECIMALS
from stages.images.facts import NUMBERS, Facts, file_facts, pixel_facts
from stages.images.shards import Role

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
QUANTILES = 200

MAX_IMAGES = 2000
"""Of a role, measured: enough for 200 quantiles, and a bound to the time on large data."""

_AT_ONCE = 256
"""Images in memory."""


def reference(roles: Iterable[Role], answer: AnswerImages) -> dict[str, Any]:
    """Return the content of reference.json: for each role, of its images or MAX_IMAGES of them."""
    return {"format": FORMAT, "roles": {role.name: _of_role(role, answer) for role in roles}}


def _of_role(role: Role, answer: AnswerImages) -> dict[str, Any]:
    rows = _spread(len(role.records))
    records = role.records.iloc[rows]
    of_pixels: list[Facts] = []
    answered: list[Answers] = []
    for start in range(0, len(rows), _AT_ONCE):
        pixels = role.pixels[rows[start : start + _AT_ONCE]]
        of_pixels += map(pixel_facts, pixels)
        answered.append(answer(pixels))
    facts = [
        {**of_file, **rest} for of_file, rest in zip(_of_files(records), of_pixels, strict=True)
    ]
    answers = Answers.joined(answered)
    numbers = {name: np.array([each[name] for each in facts], np.float64) for name in NUMBERS}
    numbers |= {"domain_score": answers.domain_score, "probability": answers.probability}
    label = records["label"].to_numpy()
    return {
        "images": len(role.records),
        "measured": len(rows),
        "classes": {name: int((label == value).sum()) for value, name in enumerate(CLASS_KEYS)},
        "refused": int(answers.refused.sum()),
        "mode": dict(Counter(records["mode"])),
        "quantiles": {name: _distribution(values) for name, values in numbers.items()},
    }


def _spread(images: int) -> NDArray[np.intp]:
    """Return the rows of the images that are measured, (N,): all, or MAX_IMAGES evenly spread."""
    count = min(images, MAX_IMAGES)
    return (2 * np.arange(count) + 1) * images // (2 * count)


def _of_files(records: "pd.DataFrame") -> Iterator[Facts]:
    """Yield the facts of the images' files, from their rows of records.csv."""
    columns = [
        np.asarray(records[name], np.float64)
        for name in ("width", "height", "bytes", "jpeg_table_mean")
    ]
    for *numbers, mode in zip(*columns, records["mode"], strict=True):
        width, height, size, table = (None if np.isnan(each) else float(each) for each in numbers)
        yield file_facts(width, height, size, table, mode)


def _distribution(values: Floats) -> dict[str, Any]:
    """Return how many values are known, and QUANTILES of them in ascending order.

    The k-th is the value with a share of (k + 1/2) / QUANTILES below it, one that occurs.
    """
    known = np.sort(values[np.isfinite(values)])
    at = (2 * np.arange(QUANTILES) + 1) * len(known) // (2 * QUANTILES)
    chosen = known[at] if len(known) else known
    return {"known": len(known), "values": [round(float(each), DECIMALS) for each in chosen]}
