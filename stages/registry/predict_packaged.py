"""Print the decisions of a version of format 1, in a process that has nothing but the package.

`python -P predict_packaged.py PACKAGE FOLDER` reads the files in FOLDER, by name.
The last line printed is a JSON list, true for a positive. It imports nothing of this project: the
package has the code of an earlier version of it.
"""

import json
import sys
from pathlib import Path

_BATCH = 64
"""Images in memory at a time."""


def main(package: str, folder: str) -> None:
    """Print the decisions."""
    import mlflow
    import pandas as pd

    model = mlflow.pyfunc.load_model(package)
    # A package of an earlier version states no classes.
    _, positive = (model.metadata.metadata or {}).get("classes", ("normal", "pneumonia"))
    decisions: list[bool] = []
    files = sorted(Path(folder).iterdir())
    for start in range(0, len(files), _BATCH):
        images = [path.read_bytes() for path in files[start : start + _BATCH]]
        answer = model.predict(pd.DataFrame({"image": images}))
        decisions += [decision == positive for decision in answer["decision"]]
    print(json.dumps(decisions))


if __name__ == "__main__":
    main(*sys.argv[1:])
