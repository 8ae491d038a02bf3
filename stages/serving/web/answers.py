"""The JSON that the service sends for images: schema 1, for refusals too."""

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.engine.arrays import GrayImage
from stages.engine.printable import printable
from stages.network.detector import Answer
from stages.serving.served import ServedModel

SCHEMA = 1

UNREADABLE, OUT_OF_DOMAIN = "unreadable", "out_of_domain"
"""Kinds of refusals, besides those of `decoding`."""

HEADLINE = ("auroc", "sensitivity", "specificity")
_INTERVAL = ("value", "low", "high")
_LONGEST_REASON = 300
# Pillow quotes the bytes that it does not understand; dates, ids and UIDs are such numbers.
_QUOTED = re.compile(
    r"""b?'[^']*'|b?"[^"]*"|\d+(?:\.\d+){2,}|(?<![\d,])\d{6,}|\d(?:\.\d+)?e[+-]?\d+"""
)


@dataclass(frozen=True)
class Refusal:
    """Why an image got no answer."""

    kind: str
    reason: str


@dataclass(frozen=True)
class Judged:
    """What became of one image.

    Attributes:
        answer: Of the network, which may be a refusal; None if the network never saw the image.
        refused: Why there is no probability; None if there is one.
        cautions: What makes the image doubtful.
        pixels: What was judged, uint8 (H, W); None if the image can't be used.
    """

    answer: Answer | None
    refused: Refusal | None
    cautions: tuple[str, ...] = ()
    pixels: GrayImage | None = None


def answer_json(served: ServedModel, request_id: str, judged: Sequence[Judged]) -> dict[str, Any]:
    """Return the whole answer to a request."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    return {
        "schema": SCHEMA,
        "request_id": request_id,
        "time": now.replace("+00:00", "Z"),
        "model": model_json(served),
        "images": [image_json(served, index, one) for index, one in enumerate(judged)],
    }


def model_json(served: ServedModel) -> dict[str, Any]:
    """Return what is on record of the version that answers."""
    return {
        "name": served.name,
        "version": served.version,
        "alias": served.alias,
        "format": served.format,
        "model_digest": served.model_digest,
        "package_digest": served.package_digest,
        "commit": served.commit,
        "synthetic": served.synthetic,
        "intended_use": served.intended_use,
        "cautions": list(served.cautions),
        "classes": list(served.classes),
        "prior": served.prior,
        "threshold": served.threshold,
        "domain_limit": served.domain_limit,
        "figures": {role: _headline(tree) for role, tree in served.figures.items()},
    }


def image_json(served: ServedModel, index: int, judged: Judged) -> dict[str, Any]:
    """Return the answer for one image; a refusal has no probability."""
    answer = judged.answer
    domain = None
    if answer is not None and answer.domain_score is not None:
        domain = {
            "score": answer.domain_score,
            "percentile": served.percentile(answer.domain_score),
            "limit": served.domain_limit,
        }
    answered = answer is not None and judged.refused is None
    return {
        "index": index,
        "decision": answer.decision if answered and answer else None,
        "probability": answer.probability if answered and answer else None,
        "domain": domain,
        "refused": None if judged.refused is None else dict(vars(judged.refused)),
        "cautions": [printable(caution) for caution in judged.cautions],
    }


def unreadable(reason: str | None) -> Refusal:
    """Return the refusal of an image that a version can't read, without any of its bytes."""
    plain = _QUOTED.sub("...", printable(reason or "the image can't be read"))
    return Refusal(UNREADABLE, plain[:_LONGEST_REASON])


def _headline(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headline figures of a role, with their intervals."""
    return {
        name: {key: tree[name].get(key) for key in _INTERVAL}
        for name in HEADLINE
        if isinstance(tree.get(name), Mapping)
    }
