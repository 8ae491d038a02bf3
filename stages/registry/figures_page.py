"""An HTML page of all figures of a run with their intervals, for MLflow's artifact view."""

import html
from collections.abc import Iterator, Mapping

from stages.engine.printable import printable
from stages.metrics.pages.refusals import refusal_findings
from stages.metrics.pages.text import format_figure
from stages.metrics.trees import Figures
from stages.registry.description import headline
from stages.registry.record import Record

_STYLE = (
    "body{font:14px/1.4 system-ui,sans-serif;margin:1.5em;color:#222}"
    "table{border-collapse:collapse}th,td{padding:.25em 1em .25em 0;text-align:left;"
    "border-bottom:1px solid #ddd;white-space:nowrap;font-variant-numeric:tabular-nums}"
    "th.part{padding-top:1.2em;border-bottom:2px solid #888}"
)


def figures_page(record: Record) -> str:
    """Return the page: one row per figure, one column per role, a heading per group."""
    roles = sorted(record.figures, key=lambda role: role != "test")
    columns = {role: dict(_cells(record.figures[role])) for role in roles}
    paths = dict.fromkeys(path for role in roles for path in columns[role])
    rows, group = [], ""
    for path in sorted(paths, key=lambda path: path.rpartition("/")[0]):  # stable in a group
        parent, _, name = path.rpartition("/")
        if parent != group:
            group = parent
            heading = _text(group.replace("/", ", "))
            rows.append(f'<tr><th class="part" colspan="{len(roles) + 1}">{heading}</th></tr>')
        cells = "".join(f"<td>{columns[role].get(path, '')}</td>" for role in roles)
        rows.append(f"<tr><td>{_text(name)}</td>{cells}</tr>")
    findings = "".join(
        f"<p><strong>Finding.</strong> {html.escape(printable(text))}</p>"
        for text in refusal_findings(record.figures)
    )
    header = "".join(f"<th>{_text(role)}</th>" for role in roles)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Figures</title>'
        f"<style>{_STYLE}</style><h1>Figures</h1><p>{html.escape(headline(record))} Intervals in "
        f"brackets. A refused image counts as decided wrongly.</p>{findings}"
        f"<table><tr><th></th>{header}</tr>{''.join(rows)}</table></html>"
    )


def _cells(tree: Figures, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield path and text of each figure: "kind/viral/auroc", "0.910 (0.850 to 0.960)"."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and {"value", "low", "high"} <= set(value):
            yield prefix + key, format_figure(value)
        elif isinstance(value, Mapping) and "value" in value:
            yield prefix + key, f"{value['value']:.3f}"
        elif isinstance(value, Mapping):
            yield from _cells(value, f"{prefix}{key}/")
        else:
            yield prefix + key, f"{value:g}"


def _text(name: str) -> str:
    return html.escape(printable(name).replace("_", " "))
