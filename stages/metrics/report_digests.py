"""Digests that tie a report to its model, data and content: judged.json."""

from pathlib import Path

from stages.engine.files import canonical_json, sha256_bytes, sha256_file
from stages.metrics.trees import RoleFigures

DIGESTED = {
    "figures": "metrics.json",
    "predictions": "predictions.csv",
    "reference": "reference.json",
    "probe": "probe.zip",
}
"""The files of a report that judged.json has the digests of, by key."""


def report_digests(data: str, model: Path, figures: RoleFigures, report: Path) -> dict[str, str]:
    """Return the content of judged.json.

    Args:
        data: Digest of the shards.
        model: The model file.
        figures: What metrics.json will hold, which is written last.
        report: Folder that has the other files.
    """
    digests = {
        key: sha256_file(report / name) for key, name in DIGESTED.items() if key != "figures"
    }
    return {
        "data": data,
        "model": sha256_file(model),
        "figures": sha256_bytes(canonical_json(figures).encode()),
        **digests,
    }
