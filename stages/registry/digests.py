"""The two identities: of a run, and of a model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.engine.files import digest, sha256_file


def run_digest(*, data: str, params: Mapping[str, Any], code: Mapping[str, str], lock: str) -> str:
    """Name of a run: all that decides its model and its figures, and nothing else.

    Args:
        data: Digest of the data set, which fetch and preprocess made whatever they were told.
        params: What training and the computing of figures read of params.yaml.
        code: Digest of each file that training reaches, by path.
        lock: SHA-256 of the environment's lock file.
    """
    return digest({"data": data, "params": dict(params), "code": dict(code), "lock": lock})


def model_digest(model: Path, operating_point: Path, pixels: Mapping[str, Any]) -> str:
    """Name of a model: the network, its frozen decisions, and how images become its pixels."""
    return digest(
        {
            "model": sha256_file(model),
            "operating_point": sha256_file(operating_point),
            "preprocess": dict(pixels),
        }
    )
