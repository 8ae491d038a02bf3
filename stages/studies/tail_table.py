"""What the models of all blocks answered, one row for each model and image, as one file.

Rules for the threshold are fitted on it afterwards without any training.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.engine.errors import InputError
from stages.engine.files import write_bytes
from stages.images.shards import Role

BLOCK, COPIES, VAL, MATCHED = "block", "copies", "val", "val_matched"
"""The normals of the block; their re-acquired copies; validation images outside the block."""

COLUMNS = ("block", "seed", "images", "id", "label", "patient", "logit")
MODEL = ["block", "seed"]
"""The columns that name the model of a row."""


@dataclass(frozen=True)
class TailTable:
    """Answers of the models of all blocks.

    Attributes:
        rows: A row for each model and image, with COLUMNS: `block` is the number of the block that
            the model did not see, `seed` that of its training, `images` the set of the image.
        facts: How the models were made: "nuisance", "folds", "copies", "data", "params".
    """

    rows: pd.DataFrame
    facts: Mapping[str, Any]

    @property
    def blocks(self) -> list[int]:
        """Numbers of the blocks."""
        return sorted(int(number) for number in self.rows["block"].unique())

    def has(self, images: str) -> bool:
        """Whether there is a set of images of this name."""
        return bool((self.rows["images"] == images).any())

    def save(self, path: Path) -> None:
        """Write everything to one file (.npz)."""
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {
            name: self.rows[name].to_numpy().astype(kind)
            for name, kind in zip(COLUMNS, (int, int, str, str, int, str, np.float32), strict=True)
        }
        facts = np.frombuffer(json.dumps(self.facts).encode(), np.uint8)
        np.savez_compressed(buffer, allow_pickle=False, facts=facts, **arrays)
        write_bytes(path, buffer.getvalue())


def places_by_model(rows: pd.DataFrame) -> list[tuple[int, NDArray[np.intp]]]:
    """Return the block of each model, and the places of its rows."""
    block, seed = rows["block"].to_numpy(), rows["seed"].to_numpy()
    models = sorted({*zip(block.tolist(), seed.tolist(), strict=True)})
    return [
        (number, np.flatnonzero((block == number) & (seed == of_model)))
        for number, of_model in models
    ]


def rows_of(model: tuple[int, int], images: str, role: Role, logits: Any) -> pd.DataFrame:
    """Return the rows of one set of images, judged by the model of a block and a seed."""
    records = role.records
    return pd.DataFrame(
        {
            "block": model[0],
            "seed": model[1],
            "images": images,
            "id": records["id"].to_numpy(),
            "label": records["label"].to_numpy(),
            "patient": records["patient"].to_numpy(),
            "logit": np.asarray(logits, np.float32),
        }
    )


def load(path: Path) -> TailTable:
    """Read what `TailTable.save` wrote.

    Raises:
        InputError: There is no such file, or it is another.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in COLUMNS}
            facts = json.loads(stored["facts"].tobytes())
    except FileNotFoundError:
        raise InputError(
            f"{path}: expected the answers that `pneumonia study tail` keeps, found no file"
        ) from None
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise InputError(
            f"{path}: expected the answers that `pneumonia study tail` keeps, received another "
            f"file ({error})"
        ) from error
    return TailTable(pd.DataFrame(arrays), facts)
