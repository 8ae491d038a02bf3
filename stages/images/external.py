"""The external roles: images of sources that models are only judged on, one role each.

No weight, epoch, calibration or threshold depends on them, nor does the role of any other image.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence

from stages.engine.errors import InputError
from stages.sources.index import IndexRow

_PREFIX = "external_"
_LISTED = 5


def external_role(source: str) -> str:
    """Return the role of the images of a source with `use: judge`."""
    return f"{_PREFIX}{source}"


def is_external(role: str) -> bool:
    """Whether a role is one of these."""
    return role.startswith(_PREFIX)


def check_apart(rows: Sequence[IndexRow], judges: Collection[str]) -> None:
    """Check that nobody is in a source that models are judged on and in one they are trained on.

    Args:
        rows: All images.
        judges: The names of the former sources.

    Raises:
        InputError: Somebody is, by the table of `fetch.same_patients`.
    """
    sources: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        sources[row.patient].add(row.source)
    both = sorted(
        (patient, sorted(found))
        for patient, found in sources.items()
        if found & set(judges) and found - set(judges)
    )
    if both:
        listed = "; ".join(
            f"{patient} in {' and '.join(found)}" for patient, found in both[:_LISTED]
        )
        raise InputError(
            f"data/raw: expected no patient of a source with use: judge in another source, "
            f"received {len(both)} ({listed}): by fetch.same_patients they are one person; leave "
            "their images out of one of the sources"
        )
