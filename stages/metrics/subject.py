"""What a report was made from and says, by digests, so that none can be shown for another model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.engine.files import canonical_json, sha256_bytes, sha256_file


def subject(data: str, model: Path, figures: Mapping[str, Any], predictions: str) -> dict[str, str]:
    """The digests in judged.json. data: the shards' digest; predictions: predictions.csv."""
    return {
        "data": data,
        "model": sha256_file(model),
        "figures": sha256_bytes(canonical_json(figures).encode()),
        "predictions": sha256_bytes(predictions.encode()),
    }
