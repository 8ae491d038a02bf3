"""From a network's numbers to its answers, by the operating point and the limit of the domain."""

from stages.engine.answers import Answers
from stages.engine.arrays import Floats
from stages.network.domain import LIMIT
from stages.network.operating_point import OperatingPoint
from stages.network.predict import Logits


def judged(logits: Logits, scores: Floats, point: OperatingPoint) -> Answers:
    """Return the answers with these logits and domain scores, (N,) each."""
    refused = ~(scores <= LIMIT)  # NaN is no answer either
    return Answers(logits, point.probability(logits), scores, refused)
