"""Is dvc.lock the record of what lies here? Each stage's params, code, dependencies and outs.

DVC compares them only for the stages that a command is about: `dvc repro -s register`, a frozen
stage or a lock file of another branch leave figures beside params that never ran.

A promotion changes one dependency after all has run: data/roles.csv. It then holds the roles of
data/shards, with which preprocess writes the same shards again, so it counts as what ran.
"""

import functools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from stages.engine.errors import InputError, NotFound
from stages.engine.file_memory import FileMemory
from stages.engine.files import read_json
from stages.engine.keys import differences
from stages.engine.root import project_root
from stages.engine.tables import read_table
from stages.history import frozen, lock_file, plan
from stages.history.lock_file import LockFile, Mismatch, dvc_md5, file_md5
from stages.settings import digests, fetch_inputs, outside, params, paths
from stages.settings.digests import JUDGED
from stages.sources import source_file
from stages.sources.index import INDEX_FILE, iterate_rows
from stages.sources.received import data_sha256

_MANIFEST = (paths.SHARDS / "manifest.json").as_posix()
_RECORDS = (paths.SHARDS / "records.csv").as_posix()
_SOURCE = paths.SOURCE.as_posix()
_OPTIONAL = paths.RAW.as_posix()
"""Images as received, gigabytes that a clone may have left where they are."""


def mismatches(lock: LockFile, tree: Path) -> list[Mismatch]:
    """Return what differs between the record of fetch to evaluate and the files in `tree`.

    Args:
        lock: The record.
        tree: A folder with dvc.yaml, params, code and what else is no out of a stage.

    Raises:
        InputError: dvc.yaml or a file of params can't be read.
    """
    try:
        planned = plan.read_plan(tree / plan.PATH)
    except FileNotFoundError:
        planned = {}
    md5 = functools.cache(dvc_md5)  # stages share most of their code
    return [
        found
        for stage in JUDGED
        for found in (
            lock.mismatches(stage, planned[stage], tree, md5)
            if stage in planned
            else [Mismatch(stage, "the stage", "recorded", "no stage of dvc.yaml")]
        )
    ]


def workspace_mismatches(lock: LockFile) -> list[Mismatch]:
    """Like `mismatches` for the workspace, with its outs and the files outside it.

    Large files are read only after they have changed (`engine.file_memory`).
    """
    memory = FileMemory(project_root() / ".cache/md5.json", file_md5)
    md5 = functools.partial(dvc_md5, of_file=memory.of)
    differing = mismatches(lock, Path())
    if any(map(_is_of_roles, differing)) and frozen.shards_agree():
        differing = without_roles(differing)

    def changed() -> Iterator[Mismatch]:
        for stage in JUDGED:
            for found in lock.changed_outs(stage, Path(), md5):
                if found.key != _OPTIONAL or Path(_OPTIONAL).exists():
                    yield found

    found = [*differing, *changed(), *changed_outside(), *made_otherwise()]
    memory.save()
    return found


def without_roles(found: Iterable[Mismatch]) -> list[Mismatch]:
    """Return `found` without another content of data/roles.csv."""
    return [mismatch for mismatch in found if not _is_of_roles(mismatch)]


def _is_of_roles(mismatch: Mismatch) -> bool:
    return mismatch.key == paths.ROLES.as_posix()


def changed_outside() -> Iterator[Mismatch]:
    """Yield what differs between data/inputs.json and the files outside the repository and words.

    `inputs` runs on each `dvc repro`, and not on that of a single stage.
    """
    memory = fetch_inputs.large_files()
    for key, (recorded, found) in outside.changes(params.load(), digests.outside(), memory).items():
        yield Mismatch(
            key.partition(".")[0],
            f"the content of {key}",
            str(recorded or "nothing")[:12],
            str(found or "nothing")[:12],
            paths.INPUTS.as_posix(),
        )
    memory.save()


def made_otherwise() -> Iterator[Mismatch]:
    """Yield what fetch and preprocess wrote of what they read, where other things are recorded.

    `dvc commit` makes DVC take params and inputs for those that the data were made with.
    """
    if Path(_MANIFEST).exists():
        made = read_json(Path(_MANIFEST)).get("options", {})
        options = {key: params.load().preprocess.of_shards.get(key) for key in made}
        for key, (was, now) in differences(made, options).items():
            yield Mismatch("preprocess", f"preprocess.{key}", str(was), str(now), _MANIFEST)
    yield from _prepared_otherwise()
    recorded = digests.outside().get("fetch", {})
    read = source_file.listed(read_json(paths.SOURCE)) if paths.SOURCE.exists() else []
    for source in read:
        archive, table = (recorded.get(f"{source['name']}.{key}") for key in ("path", "labels"))
        wanted = data_sha256(archive, table) if archive else source["sha256"]
        if source["sha256"] != wanted:
            key = f"the SHA-256 of archive and labels of {source['name']}"
            found = (source["sha256"] or "nothing")[:12]
            yield Mismatch("fetch", key, found, wanted[:12], _SOURCE)


def _prepared_otherwise() -> Iterator[Mismatch]:
    """Yield the first fact of an image that preprocess wrote and fetch has otherwise.

    Of images as received a clone may have none, or those of an earlier version; then nothing is
    compared.
    """
    index = paths.RAW / INDEX_FILE
    if not (index.exists() and Path(_RECORDS).exists()):
        return
    try:
        received = {row.path: row for row in iterate_rows(index)}
    except InputError:
        return
    with Path(_RECORDS).open(encoding="utf-8", newline="") as handle:
        for record in read_table(handle)[1]:
            name = record["id"]
            copy = name not in received
            row = received.get(name.rpartition("#")[0] if copy else name)
            if row is None:
                yield Mismatch("preprocess", f"the image {name!r}", "listed", "nowhere", _RECORDS)
                return
            facts = {"label": row.label, "patient": row.patient}
            for key, fact in (facts if copy else facts | {"bytes": row.bytes}).items():
                if record.get(key) not in (None, str(fact)):
                    name = f"{key} of {name!r}"
                    yield Mismatch("preprocess", name, record[key], str(fact), _RECORDS)
                    return


def of_workspace() -> list[Mismatch]:
    """Return `workspace_mismatches` of the dvc.lock that lies there.

    Raises:
        InputError: dvc.lock is cut off, or another file can't be read.
    """
    try:
        return workspace_mismatches(LockFile.read())
    except NotFound:
        return workspace_mismatches(LockFile({}))


def require_closed() -> None:
    """Raise InputError unless dvc.lock records fetch to evaluate with what lies in the workspace.

    Raises:
        InputError: The message names stages and what differs.
    """
    found = of_workspace()
    if found:
        raise InputError(refusal(found, lock_file.PATH.as_posix()))


def refusal(found: Sequence[Mismatch], name: str, most: int = 3) -> str:
    """Return a message of what differs and what to do about it.

    Args:
        found: What differs.
        name: The lock file, for the message.
        most: How many are named.
    """
    hidden = sorted({each.stage for each in found if each.file in (_MANIFEST, _RECORDS, _SOURCE)})
    first = "".join(f"`dvc repro --force --single-item {stage}`, " for stage in hidden)
    first = f"{first}since `dvc commit` hides this from DVC, and then " if first else ""
    more = f"; and {len(found) - most} more" if len(found) > most else ""
    return (
        f"{name}: expected the record of what lies here, found another: "
        f"{'; '.join(map(str, found[:most]))}{more}. Run {first}the whole `dvc repro` "
        "(after `dvc unfreeze` of a frozen stage), or restore what was changed"
    )
