"""What both halves share: tasks on stdin, a line of JSON each, and their answers on stdout.

A task has "network", "kind" and "repeats". "train" is one optimisation step over "batch" crops of
"crop_px", "predict" the logits of 8 images of "image_px". An answer has seconds by the clock,
seconds of processor time, and the number of trainable parameters. The first task of a network
builds it and does each kind once, uncounted. Imports nothing but Python.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Prepared:
    """A network: the number of its parameters, and one training step and prediction."""

    parameters: int
    train: Callable[[], None]
    predict: Callable[[], None]


def serve(version: str, prepare: Callable[[str, int, int, int], Prepared]) -> None:
    """Print the version, then answer tasks until stdin ends."""
    networks: dict[str, Prepared] = {}
    print(json.dumps({"version": version}), flush=True)
    for line in sys.stdin:
        print(json.dumps(_answer(networks, prepare, json.loads(line))), flush=True)


def _answer(
    networks: dict[str, Prepared],
    prepare: Callable[[str, int, int, int], Prepared],
    task: dict[str, Any],
) -> dict[str, float]:
    name = task["network"]
    if name not in networks:
        networks[name] = prepare(name, task["batch"], task["crop_px"], task["image_px"])
        networks[name].train()
        networks[name].predict()
    network = networks[name]
    function = network.train if task["kind"] == "train" else network.predict
    clock, processor = time.perf_counter(), time.process_time()
    for _ in range(task["repeats"]):
        function()
    return {
        "seconds": time.perf_counter() - clock,
        "processor_s": time.process_time() - processor,
        "parameters": network.parameters,
    }
