"""Digests that tie a report to its model, data and content: judged.json."""

from pathlib import Path

from stages.engine.files import canonical_json, sha256_bytes, sha256_file
from stages.metrics.trees import RoleFigures


def report_digests(
    data: str, model: Path, figures: RoleFigures, predictions: str
) -> dict[str, str]:
    """Return the content of judged.json.

    Args:
        data: Digest of the shards.
        model: The model file.
        figures: The content of metrics.json.
        predictions: The text of predictions.csv.
    """
    return {
        "data": data,
        "model": sha256_file(model),
        "figures": sha256_bytes(canonical_json(figures).encode()),
        "predictions": sha256_bytes(predictions.encode()),
    }
