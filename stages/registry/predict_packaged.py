"""Print the decisions of a packaged version, in a process that has nothing but the package.

`python -P predict_packaged.py PACKAGE FOLDER COUNT` reads the images FOLDER/0 to FOLDER/COUNT-1.
The last line printed is a JSON list, true for a positive, null for an image that is refused. It
imports nothing of this project, since the package may be from an earlier version of it.
"""

import json
import sys
from pathlib import Path

_BATCH = 64
"""Images in memory at a time."""


def main(package: str, folder: str, count: int) -> None:
    """Print the decisions."""
    import mlflow
    import pandas as pd

    model = mlflow.pyfunc.load_model(package)
    # A package of an earlier version states no classes.
    _, positive = (model.metadata.metadata or {}).get("classes", ("normal", "pneumonia"))
    decisions: list[bool | None] = []
    for start in range(0, count, _BATCH):
        numbers = range(start, min(start + _BATCH, count))
        images = [(Path(folder) / str(number)).read_bytes() for number in numbers]
        answer = model.predict(pd.DataFrame({"image": images}))
        decisions += [
            decision == positive if isinstance(decision, str) else None  # refused: no text
            for decision in answer["decision"]
        ]
    print(json.dumps(decisions))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
