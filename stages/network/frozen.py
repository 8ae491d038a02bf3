"""What is frozen with trained weights: their domain, and the operating point on validation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.engine.answers import Answers
from stages.images.shards import Role
from stages.metrics.monitor import Monitor
from stages.network import domain_fit, operating_point
from stages.network.domain import Domain
from stages.network.judging import judged
from stages.network.operating_point import OperatingPoint
from stages.network.options import TrainOptions
from stages.network.predict import answerer


@dataclass(frozen=True)
class Frozen:
    """Domain and operating point of a network, and its answers by validation role."""

    domain: Domain
    point: OperatingPoint
    answers: Mapping[str, Answers]


def freeze(
    model: Any, options: TrainOptions, train: Role, validation: Sequence[Role], monitor: Monitor
) -> Frozen:
    """Fit the domain, and the operating point on validation images.

    Args:
        model: The trained network, as it is saved.
        options: The section train of params.
        train: The training images.
        validation: The validation roles.
        monitor: Of these roles.
    """
    domain = domain_fit.fit(model, options, train, validation)
    outputs = monitor.logits_and_scores(answerer(model, domain))
    pools = {
        role.name: operating_point.pool(role.records, outputs[role.name][0]) for role in validation
    }
    point = operating_point.fit(pools, seed=options.seed, sensitivity=options.decision_sensitivity)
    answers = {name: judged(*output, point) for name, output in outputs.items()}
    return Frozen(domain, point, answers)
