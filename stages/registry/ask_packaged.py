"""Ask a packaged version for its decisions, in a process that knows nothing but the package.

`python -P ask_packaged.py PACKAGE FOLDER COUNT`: the images are FOLDER/0 to FOLDER/COUNT-1; the
last line printed is a JSON list, true where pneumonia is called. Imports nothing of ours: the
version may come from another time of this repository.
"""

import json
import sys
from pathlib import Path

_AT_ONCE = 64  # images held in memory


def main(package: str, folder: str, count: int) -> None:
    """Print the decisions."""
    import mlflow
    import pandas as pd

    model = mlflow.pyfunc.load_model(package)
    called: list[bool] = []
    for start in range(0, count, _AT_ONCE):
        numbers = range(start, min(start + _AT_ONCE, count))
        images = [(Path(folder) / str(number)).read_bytes() for number in numbers]
        answer = model.predict(pd.DataFrame({"image": images}))
        called += [decision == "pneumonia" for decision in answer["decision"]]
    print(json.dumps(called))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
