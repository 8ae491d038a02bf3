"""The bare loop of `tests.bench.serving`: a version's own detector, and nothing around it."""

import json
import sys
import time
from pathlib import Path

import numpy as np

from stages.engine import devices
from stages.registry.sealed_package import open_sealed


def main(package: str, requests: str, size: str, *files: str) -> None:
    """Print processor seconds an answer, and the answers."""
    version = open_sealed(Path(package), expected=None, key=None)
    devices.configure(version.facts["processor"]["threads"])
    detector, step = version.detector(), int(size)
    images = [Path(file).read_bytes() for file in files]
    images = (images * (int(requests) // len(images) + 1))[: int(requests) or len(images)]
    answers: list[float | None] = []
    for some in (images[:8], images):  # the first ones are slower
        answers = []
        begin = time.process_time()
        for start in range(0, len(some), step):
            prepared = [detector.prepare(image) for image in some[start : start + step]]
            pixels = [one.pixels for one in prepared if one.pixels is not None]
            found = iter(detector.answer(np.stack(pixels)) if pixels else [])
            answers += [None if one.pixels is None else next(found).probability for one in prepared]
        spent = time.process_time() - begin
    print(json.dumps({"seconds": spent / len(images), "answers": answers}))


if __name__ == "__main__":
    main(*sys.argv[1:])
