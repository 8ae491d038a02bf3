"""The digests that name things: the run digest, and the model digest of each package format."""

from collections.abc import Mapping
from pathlib import Path

from stages.engine.files import digest, sha256_file


def run_digest(
    *, data: str, params: Mapping[str, object], code: Mapping[str, str], lock: str
) -> str:
    """Return the name of a run: a digest of all that decides its model and figures.

    Args:
        data: Digest of the data set; how fetch and preprocess made it does not matter.
        params: What training and the computation of figures read of params.yaml.
        code: Digest by path of each file that training reaches.
        lock: SHA-256 of the environment's lock file.
    """
    return digest({"data": data, "params": dict(params), "code": dict(code), "lock": lock})


def model_digest(
    model: Path, operating_point: Path, domain: Path, pixels: Mapping[str, object], code: str
) -> str:
    """Return the name of a model: a digest of all that decides its answers.

    Args:
        model: The `.keras` file.
        operating_point: The `operating_point.json` that was frozen for it.
        domain: The `domain.npz` that was fitted with it.
        pixels: The preprocessing options.
        code: Digest of the code that it answers with (`packaged_code.code_digest`).
    """
    return package_model_digest(
        sha256_file(model), sha256_file(operating_point), sha256_file(domain), pixels, code
    )


def package_model_digest(
    model: str, operating_point: str, domain: str, pixels: Mapping[str, object], code: str
) -> str:
    """Return the same from the SHA-256 of the files, as package.json lists them."""
    return digest(
        {
            "format": 2,
            "model": model,
            "operating_point": operating_point,
            "domain": domain,
            "preprocess": dict(pixels),
            "code": code,
        }
    )


def model_digest_of_format_1(
    model: Path, operating_point: Path, pixels: Mapping[str, object]
) -> str:
    """Return the name that a model had before its code and its domain were part of it."""
    return digest(
        {
            "model": sha256_file(model),
            "operating_point": sha256_file(operating_point),
            "preprocess": dict(pixels),
        }
    )
