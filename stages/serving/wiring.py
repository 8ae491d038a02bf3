"""Choose the parts of the service."""

from stages.serving.access.access import Access
from stages.serving.access.access_rules import make_rules
from stages.serving.access.key_ring import KeyRing
from stages.serving.answering.batcher import Batcher
from stages.serving.answering.decoding import Decoder
from stages.serving.following.choosing import Repository, make_follower
from stages.serving.options import ServeOptions
from stages.serving.records.answer_log import FolderAnswerLog
from stages.serving.records.log_lines import ServiceLog
from stages.serving.records.metrics import PrometheusMetrics
from stages.serving.seams import AnswerLog, App, Follower, NoAnswerLog
from stages.serving.service import Service
from stages.serving.web.app import make_app


def build(
    options: ServeOptions,
    repository: Repository | None = None,
    *,
    follower: Follower | None = None,
) -> tuple[Service, App]:
    """Return the service and its application; of a registry, nothing is loaded yet.

    Args:
        options: Of the command.
        repository: Where it runs; None outside of one.
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
    follower = follower or make_follower(
        options, repository, warm=decoder.warm, log=lambda text: log.event("version", text=text)
    )
    service = Service(options, follower, decoder, Batcher(metrics), answer_log, metrics)
    return service, make_app(service, access, log)


def _answer_log(options: ServeOptions, log: ServiceLog) -> AnswerLog:
    if options.answers is None:
        return NoAnswerLog()
    # Whoever keeps the service's log elsewhere can tell later that the answer log is the same.
    return FolderAnswerLog(
        options.answers, note=lambda head: log.event("answer_log", head=str(head))
    )
