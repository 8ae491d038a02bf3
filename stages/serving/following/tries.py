"""When a version that did not load is tried again: ever later, and at once after another one."""

from dataclasses import dataclass, replace

FIRST_WAIT_S, LONGEST_WAIT_S = 15.0, 300.0


@dataclass(frozen=True)
class Failure:
    """A version that did not load.

    Attributes:
        version: Its number.
        reason: Why, in words for anybody.
        tries: How often it was tried.
        again: Seconds since 1970 from which it is tried again.
    """

    version: str
    reason: str
    tries: int
    again: float


def failed(before: Failure | None, version: str, reason: str, now: float) -> Failure:
    """Return the failure of a version.

    Args:
        before: The last failure, of whatever version.
        version: Its number.
        reason: Why it does not load.
        now: Seconds since 1970.
    """
    tries = before.tries if before is not None and before.version == version else 0
    wait = min(FIRST_WAIT_S * 2**tries, LONGEST_WAIT_S)
    return Failure(version, reason, tries + 1, now + wait)


def at_once(failure: Failure | None) -> Failure | None:
    """Let a version be tried at once: what it failed of may have been the registry."""
    return None if failure is None else replace(failure, again=0.0)
