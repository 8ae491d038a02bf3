"""What an answer says of the version that gives it, from the files of the version."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stages.engine.errors import InputError
from stages.engine.files import read_json

HEADLINE = ("auroc", "sensitivity", "specificity")
"""Figures on test that every answer carries, with their intervals."""

_INTERVAL = ("value", "low", "high")
_QUANTILES = 200


def two(classes: Sequence[str]) -> tuple[str, str]:
    """Return the names of the negative and the positive class."""
    negative, positive = classes
    return str(negative), str(positive)


class Point(NamedTuple):
    """What an answer says of the operating point."""

    prior: float
    threshold: float


def read_point(path: Path) -> Point:
    """Read prior and threshold from an operating_point.json, of any format so far.

    Raises:
        InputError: It has none.
    """
    facts = read_json(path)
    try:
        return Point(float(facts["prior"]), float(facts["thresholds"]["decision"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path.name}: expected a prior and a threshold, received something else ({error})"
        ) from None


def headline(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headline figures on test with their intervals; empty if it was not judged."""
    test = figures.get("test", {})
    found = {
        name: {key: float(test[name][key]) for key in _INTERVAL}
        for name in HEADLINE
        if isinstance(test.get(name), Mapping) and set(_INTERVAL) <= set(test[name])
    }
    return {"test": found} if found else {}


def domain_scores(path: Path) -> tuple[float, ...]:
    """Return quantiles of the domain scores of a reference.json, pooled over its validation roles.

    The network was not trained on these; scores of training images would be too low. Empty where
    none are on record.
    """
    roles = read_json(path).get("roles", {})
    chosen = [name for name in roles if name.startswith("val")] or [*roles]
    values: list[float] = []
    weights: list[float] = []
    for name in chosen:
        scores = roles[name].get("quantiles", {}).get("domain_score", {"known": 0, "values": []})
        values += scores["values"]
        weights += [scores["known"] / max(1, len(scores["values"]))] * len(scores["values"])
    if not values:
        return ()
    order = np.argsort(values)
    shares = (np.cumsum(np.array(weights)[order]) - np.array(weights)[order] / 2) / sum(weights)
    at = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    return tuple(float(each) for each in np.interp(at, shares, np.array(values)[order]))
