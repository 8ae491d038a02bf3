"""Configure the devices that TensorFlow computes on, before the first tensor is made."""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.engine import kernels
from stages.engine.errors import InputError

PORTABLE = "x86-64-v3"
"""The class of every x86-64 processor that has _V3, of whatever maker and generation."""

_V3 = {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "abm"}
"""What x86-64-v3 asks for beyond x86-64-v2, in Linux's names: "abm" is lzcnt."""


def configure(threads: int) -> None:
    """Fix what decides the bits of a result: the number of intra-op threads, and determinism.

    The number of intra-op threads changes the order of float sums, so it is a param and not a
    property of the machine. The number of ops that run at the same time (inter-op) changes no bit
    and is left to TensorFlow, since training was slower with one.

    Args:
        threads: Number of intra-op threads.

    Raises:
        InputError: The processor is older than x86-64-v3.
        RuntimeError: TensorFlow has already computed with another number.
    """
    require_supported()
    with _silent_stderr():
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        if tf.config.list_physical_devices("GPU"):  # on CPU, pinned threads are enough
            tf.config.experimental.enable_op_determinism()
        tf.constant(0)


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Discard stderr, to which TensorFlow's C++ code logs INFO lines that no setting stops.

    Python exceptions are raised as usual.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    original = os.dup(2)
    try:
        with Path(os.devnull).open("w") as null:
            os.dup2(null.fileno(), 2)
        yield
    finally:
        os.dup2(original, 2)
        os.close(original)


def require_precision(precision: str) -> None:
    """Raise where no device computes in a number format, `train.precision`.

    Raises:
        InputError: It is mixed_float16, whose convolutions TensorFlow refuses without a GPU.
    """
    import tensorflow as tf

    if precision == "mixed_float16" and not tf.config.list_physical_devices("GPU"):
        raise InputError(
            "params.yaml: train.precision: expected float32 on a processor, received "
            f"{precision!r}, which needs a GPU, and TensorFlow found none; set float32, or install "
            "TensorFlow for GPUs (`make setup EXTRAS=gpu`)"
        )


def strategy() -> Any:
    """Return the `tf.distribute` strategy: workers in TF_CONFIG, else all GPUs, else one device."""
    import tensorflow as tf

    if "TF_CONFIG" in os.environ:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def is_chief() -> bool:
    """Whether this process writes files: the only one, or the first worker of a cluster."""
    task = json.loads(os.environ.get("TF_CONFIG", "{}")).get("task", {})
    return bool(task.get("index", 0) == 0)


def instruction_set() -> str:
    """Return the class of CPU; equal class, lock file and thread count give equal bytes.

    `stages.engine.kernels` holds the libraries to what every x86-64-v3 processor has, so they are
    one class. Records of before it name the level and the maker, such as "x86-64 avx512, Intel".

    Returns:
        "x86-64-v3"; "x86-64" for older processors; on other architectures the machine's own name.
    """
    machine = os.uname().machine
    if machine.lower() not in ("x86_64", "amd64"):
        return machine
    return "x86-64" if _missing() else PORTABLE


def on_record() -> dict[str, str]:
    """Return what the record of a training names: the class of CPU and the limits on kernels."""
    limits = " ".join(f"{name}={value}" for name, value in kernels.limits().items())
    return {"instruction_set": instruction_set(), "kernels": limits}


def require_supported() -> None:
    """Raise InputError on an x86-64 processor that is older than x86-64-v3."""
    if instruction_set() == "x86-64":
        model = kernels.processor().get("model name", "a processor that /proc/cpuinfo doesn't name")
        raise InputError(
            f"processor: expected {PORTABLE} (Intel since 2013, AMD since 2015), found {model} "
            f"without {', '.join(_missing())}; run on a newer one, or let the virtual machine see "
            "these features of its host"
        )


def _missing() -> list[str]:
    return sorted(_V3 - kernels.processor_flags())
