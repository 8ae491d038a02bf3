"""Freeze the roles of the data set that lies here, and tell whether it has the frozen ones."""

from typing import NamedTuple

from stages.engine import checksums
from stages.engine.errors import InputError
from stages.images import frozen_roles
from stages.images.frozen_roles import RecordedGroup, read_frozen_roles
from stages.images.role_names import GUARDED
from stages.images.shards import MANIFEST, RECORDS
from stages.settings import paths


def shards_agree() -> bool:
    """Whether data/roles.csv has every group of data/shards, in the role that it has there.

    Raises:
        InputError: data/roles.csv is not such a file.
    """
    frozen = read_frozen_roles(paths.ROLES)
    try:
        return frozen_roles.agrees(frozen, _recorded())
    except InputError:  # shards that are missing or changed are reported as such
        return False


class Freezing(NamedTuple):
    """Whether data/roles.csv was written, and a message for the user."""

    written: bool
    message: str


def freeze(data_digest: str) -> Freezing:
    """Write the roles of data/shards to data/roles.csv.

    What is frozen already stays. Nothing is written where data/shards is another data set than
    that of the version, or has groups in other roles than the frozen ones.

    Args:
        data_digest: Of the data set that the promoted version was trained on.
    """
    try:
        here = checksums.read_digested(paths.SHARDS / MANIFEST)["digest"]
        if here != data_digest:
            return Freezing(
                False,
                f"{paths.ROLES}: nothing frozen, because {paths.SHARDS} is not the data set of "
                f"this version ({data_digest[:12]}, here {here[:12]}); check out the commit that "
                "made the version, `dvc checkout`, and promote it again",
            )
        found = _recorded()
        before = read_frozen_roles(paths.ROLES)
        after = before.with_groups(found)
    except InputError as error:
        return Freezing(False, f"{paths.ROLES}: nothing frozen: {error}")
    new = len(after.entries) - len(before.entries)
    if not new:
        return Freezing(
            False,
            f"{paths.ROLES}: the roles of all {len(found)} groups of patients were frozen before",
        )
    after.write(paths.ROLES)
    counts = ", ".join(
        f"{role} {count}" for role in GUARDED if (count := sum(e.role == role for e in found))
    )
    return Freezing(
        True,
        f"{paths.ROLES}: the roles of {len(found)} groups of patients are frozen ({counts}; {new} "
        f"of them new). Commit it, so that growth leaves them as they are: "
        f'`git add {paths.ROLES} && git commit -m "Freeze roles"`. The next `dvc repro` runs '
        "preprocess once, to the same bytes",
    )


def _recorded() -> list[RecordedGroup]:
    manifest = paths.SHARDS / MANIFEST
    facts = checksums.read_digested(manifest)
    remedy = "run `dvc repro --force preprocess`"
    checksums.verify_sha256(paths.SHARDS / RECORDS, facts["records"], manifest, remedy)
    if "joined_groups" not in facts:
        raise InputError(f"{manifest}: written by an earlier version; run `dvc repro`")
    return frozen_roles.read_recorded_groups(paths.SHARDS / RECORDS, facts["joined_groups"])
