"""Read source.json: where images come from, and how many each source gave.

Imports nothing of the project, so that what only names the data depends on no reader of images.
"""

from collections.abc import Mapping
from typing import Any

FORMAT = 2


def listed(source: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the sources in the content of a source.json, of format 1 too, which has one."""
    sources: list[Mapping[str, Any]] = source.get("sources", [])
    return sources or [{**source, "use": "train", "data": source["name"]}]


def short_name(source: Mapping[str, Any]) -> str:
    """Name the data: its data set, or all sources, such as "lyon, paris (judge only)"."""
    sources = listed(source)
    if len(sources) == 1:
        return str(source["name"])
    judge = {"train": "", "judge": " (judge only)"}
    return ", ".join(f"{each['name']}{judge[each['use']]}" for each in sources)
