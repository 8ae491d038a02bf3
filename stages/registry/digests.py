"""The two identities: of a run, and of a model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.engine.files import digest, sha256_file


def run_digest(*, data: str, params: Mapping[str, Any], code: Mapping[str, str], lock: str) -> str:
    """Name of a run: all that decides what its files hold, and nothing else.

    data: digest of the data set. params: the sections fetch to evaluate. code: SHA-256 of each
    file that the stages fetch to evaluate reach. lock: SHA-256 of the environment's lock file.
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
