"""All figures of a run in one page, with their intervals, as MLflow's artifact pane shows it."""

import html
from collections.abc import Iterator, Mapping
from typing import Any

from stages.metrics.pages.text import format_figure
from stages.registry.note import headline
from stages.registry.record import Record

_STYLE = (
    "body{font:14px/1.4 system-ui,sans-serif;margin:1.5em;color:#222}"
    "table{border-collapse:collapse}th,td{padding:.25em 1em .25em 0;text-align:left;"
    "border-bottom:1px solid #ddd;white-space:nowrap;font-variant-numeric:tabular-nums}"
    "th.part{padding-top:1.2em;border-bottom:2px solid #888}"
)


def page(record: Record) -> str:
    """One row for each figure and one column for each role, as HTML; from the files alone."""
    roles = sorted(record.figures, key=lambda role: role != "test")
    tables = {role: dict(_rows(record.figures[role])) for role in roles}
    names = dict.fromkeys(name for role in roles for name in tables[role])
    body, part = [], ""
    for name in sorted(names, key=lambda name: name.rpartition("/")[0]):  # stable within a part
        of, _, short = name.rpartition("/")
        if of != part:
            part = of
            heading = html.escape(of.replace("_", " ").replace("/", ", "))
            body.append(f'<tr><th class="part" colspan="{len(roles) + 1}">{heading}</th></tr>')
        cells = "".join(f"<td>{tables[role].get(name, '')}</td>" for role in roles)
        body.append(f"<tr><td>{html.escape(short.replace('_', ' '))}</td>{cells}</tr>")
    heads = "".join(f"<th>{html.escape(role)}</th>" for role in roles)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Figures</title>'
        f"<style>{_STYLE}</style><h1>Figures</h1><p>{html.escape(headline(record))} In brackets: "
        f"intervals.</p><table><tr><th></th>{heads}</tr>{''.join(body)}</table></html>"
    )


def _rows(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Path and text of each figure: "kind/viral/sensitivity", "0.910 (0.850 to 0.960)"."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and {"value", "low", "high"} <= set(value):
            yield prefix + key, format_figure(value)
        elif isinstance(value, Mapping) and "value" in value:
            yield prefix + key, f"{value['value']:.3f}"
        elif isinstance(value, Mapping):
            yield from _rows(value, f"{prefix}{key}/")
        else:
            yield prefix + key, f"{value:g}"
