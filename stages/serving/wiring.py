"""Choose the parts of the service."""

from stages.serving.app import make_app
from stages.serving.batcher import Batcher
from stages.serving.decoding import Decoder
from stages.serving.options import ServeOptions
from stages.serving.seams import (
    App,
    FaultsOnly,
    FixedModel,
    Follower,
    NoAnswerLog,
    NoMetrics,
    OpenAccess,
)
from stages.serving.service import Service


def build(options: ServeOptions, follower: Follower | None = None) -> tuple[Service, App]:
    """Return the service and its application; nothing is loaded yet.

    Args:
        options: Of the command.
        follower: Takes the place of the one that `options` ask for, in a test.
    """
    metrics = NoMetrics()  # the registry of metrics plugs in here
    answer_log = NoAnswerLog()  # the answer log plugs in here, if `options.answers` names one
    access = OpenAccess()  # keys, hosts and origins plug in here
    log = FaultsOnly()  # the log of requests and events plugs in here
    decoder = Decoder(options.decoders, options.limits.decode_seconds)
    # What follows the alias plugs in here; it calls `decoder.warm` before it swaps.
    follower = follower or FixedModel(None)
    service = Service(options, follower, decoder, Batcher(metrics), answer_log, metrics)
    return service, make_app(service, access, log)
