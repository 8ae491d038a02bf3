"""Bring the files of a version into the folder of kept versions, whole and as on record."""

import datetime
from dataclasses import replace
from pathlib import Path

from stages.engine.errors import InputError
from stages.registry.alias_source import AliasSource
from stages.registry.champion import Champion
from stages.registry.earlier_package import checked_copy, files_digest
from stages.registry.package_files import check_package
from stages.registry.signature import UntrustedVersionError
from stages.serving.following.kept import Kept, KeptVersion


def fetch(
    source: AliasSource, record: Champion, kept: Kept, key: Path | None
) -> tuple[Champion, str]:
    """Return a version with checked files among the kept ones, and the digest of these files.

    They are downloaded unless they are kept already. Nothing of them is imported.

    Args:
        source: Where it is registered.
        record: What is on record of it.
        kept: Where to keep its files.
        key: File of the public keys of which one must have signed it; None for no signature.

    Raises:
        InputError: They can't be downloaded, are not those on record, or are not signed.
    """
    if key is not None and not record.sealed:
        raise UntrustedVersionError(
            f"{record}: expected a signed version, found one of format 1, which can't be signed"
        )
    if record.package_digest is not None:
        found = _kept(record, record.package_digest, kept, key)
        if found is not None:
            return found, record.package_digest
    with kept.incoming() as folder:
        files = source.files(record, folder)
        if record.sealed:
            digest = replace(record, package=files).open(key).digest
        else:
            files, copied = folder / "checked", files
            expected = record.package_digest
            digest = checked_copy(copied, files, model=record.model_digest, expected=expected)
        return replace(record, package=kept.add(files, digest)), digest


def last(version: KeptVersion, kept: Kept, key: Path | None) -> Champion | None:
    """Return a kept version, with files that are whole and as they were; None if they are not.

    A caution says that nobody was asked about it.

    Raises:
        UntrustedVersionError: It is not signed by a key of `key`.
    """
    since = datetime.datetime.fromtimestamp(version.since, datetime.UTC)
    caution = (
        f"{version.name} version {version.version} was read from this machine's disk, where it "
        f"answered first on {since:%Y-%m-%d %H:%M} UTC; since this service started, no registry "
        "has confirmed that it still should"
    )
    record = Champion(
        version.name,
        version.version,
        Path(),
        version.model_digest,
        version.package_digest,
        version.sealed,
        (*version.cautions, caution),
        version.commit,
    )
    return _kept(record, version.files, kept, key)


def kept_version(record: Champion, digest: str, since: float) -> KeptVersion:
    """Return what is kept of a version on record.

    Args:
        record: The version.
        digest: Digest of its files.
        since: Seconds since 1970 at which it began to answer.
    """
    return KeptVersion(
        record.name,
        record.version,
        digest,
        record.model_digest,
        record.package_digest,
        record.sealed,
        record.commit,
        record.cautions,
        since,
    )


def _kept(record: Champion, digest: str, kept: Kept, key: Path | None) -> Champion | None:
    folder = kept.folder(digest)
    if folder is None:
        return None
    found = replace(record, package=folder)
    try:
        if record.sealed:
            found.open(key)
        else:
            check_package(folder, record.model_digest)
            if files_digest(folder) != digest:
                raise InputError("its files were changed")
    except UntrustedVersionError:
        raise
    except (InputError, OSError):
        kept.remove(digest)
        return None
    return found
