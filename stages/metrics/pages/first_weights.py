"""Where a model's first weights come from, in words for card and registry."""

from collections.abc import Mapping
from typing import Any

from stages.metrics.pages.text import markdown_text


def short(facts: Mapping[str, Any] | None) -> str:
    """Return one line of plain text.

    Args:
        facts: As of `network.pretrained.origin.Origin.facts`; None for random weights.
    """
    if facts is None:
        return "random"
    version = f" {facts['version']}" if facts["version"] else ""
    return f"{facts['name']}{version}, {facts['file']}, sha256 {facts['sha256']}"


def sentence(facts: Mapping[str, Any] | None) -> str:
    """Return what `facts` say in Markdown, with licence and training data."""
    if facts is None:
        return "Initial weights: random."
    return (
        f"Initial weights: {markdown_text(short(facts))}. Licence of these weights: "
        f"{markdown_text(facts['licence'])}. Trained on: {markdown_text(facts['trained_on'])}."
        + (f" Stated beside that: {markdown_text(facts['note'])}." if facts["note"] else "")
    )
