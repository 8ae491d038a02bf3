"""`python -m tests.serving.fake_process [drain seconds]`: a service whose network waits for a file.

It answers when the file named by the variable GO is there.
"""

import os
import sys
import time
from pathlib import Path

from stages.engine.arrays import GrayImages
from stages.network.detector import Answer
from stages.serving.options import Limits, ServeOptions
from stages.serving.run import run
from stages.serving.seams import FixedModel
from tests.serving.fake_detector import FakeDetector
from tests.serving.running import served_model


class Waiting(FakeDetector):
    def answer(self, pixels: GrayImages) -> list[Answer]:
        while not Path(os.environ["GO"]).exists():
            time.sleep(0.02)
        return super().answer(pixels)


if __name__ == "__main__":
    seconds = float(sys.argv[1])
    options = ServeOptions(port=0, workers=1, limits=Limits(drain_seconds=seconds))
    sys.exit(run(options, follower=FixedModel(served_model(Waiting()))))
