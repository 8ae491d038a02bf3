"""The sources of the images, what became of each, and what differs from the last commit."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from stages.engine import git
from stages.engine.errors import InputError
from stages.engine.files import read_json
from stages.engine.tables import read_table
from stages.history.lock_file import LockFile
from stages.settings import paths
from stages.sources.source_file import listed

COLUMNS = ("source", "use", "data", "images", "patients", "roles", "pinned", "sha256")
_NAMED = {
    "use": "use",
    "data": "data set",
    "sha256": "sha256",
    "pinned": "pinned",
    "images": "images",
    "patients": "patients",
}
"""Facts of a source whose change is listed, with their names there."""


def rows() -> list[dict[str, str]]:
    """Return a row for each source in data/source.json, by COLUMNS.

    Raises:
        InputError: Nothing was fetched yet.
    """
    roles = _images_by_role()
    return [
        {
            "source": source["name"],
            "use": source["use"],
            "data": source["data"],
            "images": str(source["images"]),
            "patients": str(source.get("patients", "")),
            "roles": ", ".join(f"{role} {count}" for role, count in roles[source["name"]].items()),
            "pinned": "yes" if source["pinned"] else "no",
            "sha256": source["sha256"][:12],
        }
        for source in listed(read_json(paths.SOURCE))
    ]


def changes(in_params: Sequence[str]) -> list[str]:
    """Return what differs between params, the files and the last commit, a line each.

    Args:
        in_params: Names of the sources that params list.
    """
    here = {source["name"]: source for source in listed(read_json(paths.SOURCE))}
    lines = [
        f"{name}: in {paths.PARAMS}, not fetched yet; run `dvc repro`"
        for name in in_params
        if name not in here
    ]
    lines += [
        f"{name}: fetched, not in {paths.PARAMS} any more; run `dvc repro`"
        for name in here
        if name not in in_params
    ]
    try:
        committed = listed(json.loads(git.file_at("HEAD", paths.SOURCE)))
        recorded = LockFile.at("HEAD").stage("fetch").outs.get(paths.RAW.as_posix())
    except InputError as error:
        return [*lines, f"the last commit has no record of the images ({error})"]
    before = {source["name"]: source for source in committed}
    for name in dict.fromkeys([*before, *here]):
        lines += _differences(name, before.get(name), here.get(name))
    if LockFile.read().stage("fetch").outs.get(paths.RAW.as_posix()) != recorded:
        lines.append(f"{paths.RAW}: other files than the last commit records")
    return lines


def _differences(
    name: str, before: Mapping[str, Any] | None, now: Mapping[str, Any] | None
) -> list[str]:
    if before is None and now is not None:
        return [f"{name}: new, {now['images']} images"]
    if before is None or now is None:
        return [f"{name}: gone, {before['images']} images" if before else name]
    found = [
        f"{title} {now.get(key)}, was {before.get(key, 'not recorded')}"
        for key, title in _NAMED.items()
        if now.get(key) != before.get(key)
    ]
    return [f"{name}: {'; '.join(found)}"] if found else []


def _images_by_role() -> Mapping[str, Counter[str]]:
    """Count the images of each source by role; nothing where there are no shards of this format."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    records = paths.SHARDS / "records.csv"
    if records.exists():
        with records.open(newline="", encoding="utf-8") as handle:
            for row in read_table(handle)[1]:
                counts[row.get("source", "")][row["role"]] += 1
    return counts
