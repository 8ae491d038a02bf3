"""Read the ground truth of phantoms."""

from pathlib import Path
from typing import TYPE_CHECKING

from stages.engine import checksums
from stages.sources.phantom.generate import TRUTH

if TYPE_CHECKING:  # phantoms are drawn without it
    import pandas as pd


def read_truth(raw: Path) -> "pd.DataFrame | None":
    """Return the rows of truth.csv in a folder of raw images; None where no image is a phantom.

    Raises:
        InputError: The file differs from its recorded checksum.
    """
    import pandas as pd

    path = raw / TRUTH
    checksums.verify_file(path)
    return pd.read_csv(path) if path.exists() else None
