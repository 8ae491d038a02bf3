"""The files by which MLflow knows a folder as a model, written without times, ids and machines.

`mlflow.pyfunc.save_model` would write when, where and by which Python a model was saved. What
MLflow needs to load, serve and list it is documented ("MLflow Model format") and little.
"""

import json
from typing import Any

import yaml

PYTHON = "3.11"
"""The oldest Python that the lock files are for; for environments that MLflow makes."""

# A PNG of 64 x 64 pixels from black to white: no patient's image.
_IMAGE = (
    "iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAAAAACPAi4CAAAAM0lEQVR4nO3MoQ0AMAgAQUpg/5W7AIKkpuJevrgT"
    "NdT7mfEYAAAAAAAAAAAAAAAAgN+BCzAvAX/LzSwKAAAAAElFTkSuQmCC"
)
_INPUTS = [{"type": "binary", "name": "image", "required": True}]
_OUTPUTS = [
    {"type": "double", "name": "probability", "required": False},
    {"type": "string", "name": "decision", "required": False},
    {"type": "double", "name": "domain_score", "required": False},
    {"type": "string", "name": "refused", "required": False},
    {"type": "array", "items": {"type": "string"}, "name": "cautions", "required": True},
    {"type": "string", "name": "model_digest", "required": True},
]


def mlflow_files(
    code: str, metadata: dict[str, Any], *, mlflow: str, requirements: list[str], pins: list[str]
) -> dict[str, str]:
    """Return the texts of MLflow's files by name.

    Args:
        code: Name of the file that MLflow runs.
        metadata: What MLflow's pages and clients get to know of the model.
        mlflow: Version of MLflow.
        requirements: The packages that the model needs.
        pins: These and all that they need.
    """
    # The constraints hold the requirements' own dependencies to the lock file as well.
    needed = [*requirements, "-c constraints.txt"]
    example = {"columns": ["image"], "data": [[_IMAGE]]}
    model = {
        "flavors": {
            "python_function": {
                "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
                "loader_module": "mlflow.pyfunc.loaders.code_model",
                "model_code_path": code,
                "python_version": PYTHON,
                "streamable": False,
            }
        },
        "is_signature_from_type_hint": False,
        "metadata": metadata,
        "mlflow_version": mlflow,
        "saved_input_example_info": {
            "artifact_path": "input_example.json",
            "pandas_orient": "split",
            "serving_input_path": "serving_input_example.json",
            "type": "dataframe",
        },
        "signature": {"inputs": json.dumps(_INPUTS), "outputs": json.dumps(_OUTPUTS)},
        "type_hint_from_example": False,
    }
    conda = {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [f"python={PYTHON}", "pip", {"pip": needed}],
    }
    environment = {
        "python": PYTHON,
        "build_dependencies": ["pip", "setuptools", "wheel"],
        "dependencies": ["-r requirements.txt"],
    }
    return {
        "MLmodel": yaml.safe_dump(model),
        "conda.yaml": yaml.safe_dump(conda),
        "python_env.yaml": yaml.safe_dump(environment),
        "requirements.txt": "\n".join(needed) + "\n",
        "constraints.txt": "\n".join(pins) + "\n",
        "input_example.json": json.dumps(example),
        "serving_input_example.json": json.dumps({"dataframe_split": example}, indent=2),
    }
