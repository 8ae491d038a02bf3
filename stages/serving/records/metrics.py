"""Counts and durations for Prometheus, of a registry of their own.

No label comes from a request: values are the routes, stages, kinds and classes of this service, few
of each, so that neither names nor a flood of different values get into a monitoring system.
"""

from collections.abc import Callable, Iterator

import prometheus_client
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stages.serving.seams import FollowerStatus
from stages.serving.served import ServedModel

OTHER = "other"

STAGES = ("decode", "resize", "network", "saliency")

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_REQUEST_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_STAGE_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BATCH = (1, 2, 4, 8, 16, 24, 32)
_PROBABILITIES = tuple(step / 20 for step in range(1, 21))
_MOST_VALUES = 100

# A time of creation beside each count says nothing.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]


class _Version(Collector):
    """What is known of the version that answers, and of the registry."""

    def __init__(self) -> None:
        self.served: ServedModel | None = None
        self.status = FollowerStatus()

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily(
            "pneumonia_champion_info",
            "1 for the version that answers.",
            labels=("name", "version", "digest"),
        )
        if self.served is not None:
            served = self.served
            info.add_metric((served.name, served.version or "", served.model_digest), 1)
        yield info
        loads = CounterMetricFamily(
            "pneumonia_champion_loads",
            "Versions loaded, and loads that failed.",
            labels=("outcome",),
        )
        loads.add_metric(("loaded",), self.status.loads)
        loads.add_metric(("failed",), self.status.load_failures)
        yield loads
        yield GaugeMetricFamily(
            "pneumonia_champion_kept",
            "1 if the version that answers is the one kept on disk, for want of a registry.",
            value=self.status.kept,
        )
        if self.status.registry_up is not None:
            yield GaugeMetricFamily(
                "pneumonia_registry_up",
                "1 if the last look at the alias succeeded.",
                value=self.status.registry_up,
            )


class PrometheusMetrics:
    """The metrics of one service.

    Args:
        log_lines: Returns how many lines the answer log has; None: there is no log.
    """

    def __init__(self, *, log_lines: Callable[[], int] | None = None) -> None:
        self._known: set[tuple[str, str]] = set()
        registry = self._registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "pneumonia_requests", "Requests by status.", ("route", "code"), registry=registry
        )
        self._seconds = Histogram(
            "pneumonia_request_duration_seconds",
            "From the header of a request to the end of its answer.",
            ("route",),
            buckets=_REQUEST_S,
            registry=registry,
        )
        self._stages = Histogram(
            "pneumonia_stage_duration_seconds",
            "Parts of the work on an image, or on a batch of them.",
            ("stage",),
            buckets=_STAGE_S,
            registry=registry,
        )
        self._batches = Histogram(
            "pneumonia_batch_images",
            "Images that the network answered together.",
            buckets=_BATCH,
            registry=registry,
        )
        self._queue = Gauge(
            "pneumonia_queue_images", "Images admitted and not answered.", registry=registry
        )
        self._answers = Counter(
            "pneumonia_answers", "Images answered, by decision.", ("decision",), registry=registry
        )
        self._refusals = Counter(
            "pneumonia_refusals",
            "Images and requests refused, by kind.",
            ("kind",),
            registry=registry,
        )
        self._probabilities = Histogram(
            "pneumonia_probability",
            "Probability of the positive class, of the images answered.",
            buckets=_PROBABILITIES,
            registry=registry,
        )
        self._version = _Version()
        registry.register(self._version)
        if log_lines is not None:
            lines = Gauge(
                "pneumonia_answer_log_lines", "Lines of the answer log.", registry=registry
            )
            lines.set_function(log_lines)

    def request(self, route: str, code: int, seconds: float) -> None:
        """Count a request."""
        route = self._one_of_few("route", route)
        self._requests.labels(route, str(code) if 100 <= code <= 599 else OTHER).inc()
        self._seconds.labels(route).observe(seconds)

    def stage(self, stage: str, seconds: float) -> None:
        """Count the time of a stage, one of STAGES."""
        self._stages.labels(stage if stage in STAGES else OTHER).observe(seconds)

    def batch(self, images: int) -> None:
        """Count images that the network answered together."""
        self._batches.observe(images)

    def queue(self, images: int) -> None:
        """Note how many images are admitted and not answered."""
        self._queue.set(images)

    def answer(self, decision: str, probability: float) -> None:
        """Count an answer; `decision` is a class of the version that gave it."""
        self._answers.labels(self._one_of_few("decision", decision)).inc()
        self._probabilities.observe(probability)

    def refusal(self, kind: str) -> None:
        """Count a refusal; `kind` is a word of this service, of which there are few."""
        self._refusals.labels(self._one_of_few("kind", kind)).inc()

    def render(self, served: ServedModel | None, status: FollowerStatus) -> tuple[bytes, str]:
        """Return the text of /metrics and its content type."""
        self._version.served, self._version.status = served, status
        return generate_latest(self._registry), CONTENT_TYPE

    def _one_of_few(self, label: str, value: str) -> str:
        """Return a label's value, or OTHER once the label has had too many."""
        pair = label, value
        if pair not in self._known:
            if sum(known == label for known, _ in self._known) >= _MOST_VALUES:
                return OTHER
            self._known.add(pair)
        return value
