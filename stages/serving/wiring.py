"""Choose the parts of the service."""

from stages.serving.access import Access, make_rules
from stages.serving.answer_log import FolderAnswerLog
from stages.serving.app import make_app
from stages.serving.batcher import Batcher
from stages.serving.decoding import Decoder
from stages.serving.key_ring import KeyRing
from stages.serving.log_lines import ServiceLog
from stages.serving.metrics import PrometheusMetrics
from stages.serving.options import ServeOptions
from stages.serving.seams import AnswerLog, App, FixedModel, Follower, NoAnswerLog
from stages.serving.service import Service


def build(options: ServeOptions, follower: Follower | None = None) -> tuple[Service, App]:
    """Return the service and its application; nothing is loaded yet.

    Args:
        options: Of the command.
        follower: Takes the place of the one that `options` ask for, in a test.

    Raises:
        InputError: Keys, hosts, origins or the answer log can't be used.
    """
    log = ServiceLog(as_json=options.log_json)
    access = Access(
        make_rules(
            host=options.host,
            loopback=options.is_loopback,
            allow_hosts=options.allowed_hosts,
            allow_origins=options.allowed_origins,
        ),
        None if options.keys is None else KeyRing(options.keys),
    )
    answer_log = _answer_log(options, log)
    metrics = PrometheusMetrics(
        log_lines=answer_log.count_lines if isinstance(answer_log, FolderAnswerLog) else None
    )
    decoder = Decoder(options.decoders, options.limits.decode_seconds)
    # What follows the alias plugs in here; it calls `decoder.warm` before it swaps.
    follower = follower or FixedModel(None)
    service = Service(options, follower, decoder, Batcher(metrics), answer_log, metrics)
    return service, make_app(service, access, log)


def _answer_log(options: ServeOptions, log: ServiceLog) -> AnswerLog:
    if options.answers is None:
        return NoAnswerLog()
    # Whoever keeps the service's log elsewhere can tell later that the answer log is the same.
    return FolderAnswerLog(
        options.answers, note=lambda head: log.event("answer_log", head=str(head))
    )
