"""The devices that TensorFlow computes on, set once before the first tensor is made."""

import contextlib
import json
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_BEFORE_AVX2 = ("SSE41", "AVX")  # caps that oneDNN knows


def configure(threads: int) -> None:
    """Pin what decides the bits of a result: the intra-op thread count, and op determinism.

    The number of intra-op threads changes the order of float sums, so it is a param, not a
    property of the machine. Raises RuntimeError where TensorFlow has already computed with
    another number.
    """
    choose_kernels()
    with _hushed():
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        if tf.config.list_physical_devices("GPU"):  # on CPU, pinned threads are enough
            tf.config.experimental.enable_op_determinism()
        tf.constant(0)


def choose_kernels() -> None:
    """Have TensorFlow compute by oneDNN on every CPU; call it before TensorFlow's first import.

    Left alone, it does so only on CPUs with AVX-512 VNNI. The convolutions that others get add up
    in an order that depends on a film's place in its batch, and take longer.
    """
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Drop what C++ writes to stderr: TensorFlow greets with INFO lines that no setting stops.

    Python's own errors are raised as ever, after this.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def strategy() -> Any:
    """The `tf.distribute` strategy for where this process runs.

    Several workers named in TF_CONFIG, else several GPUs, else this one device.
    """
    import tensorflow as tf

    if "TF_CONFIG" in os.environ:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def is_chief() -> bool:
    """Whether this process writes files: the first worker of a cluster, or the only one."""
    task = json.loads(os.environ.get("TF_CONFIG", "{}")).get("task", {})
    return bool(task.get("index", 0) == 0)


def instruction_set() -> str:
    """The class of instruction set that float kernels choose their code by.

    "x86-64 avx512", "x86-64 avx2", "x86-64" or the machine's own name. Two machines of one
    class, lock file and thread count give the same bytes.
    """
    machine = platform.machine()
    if machine.lower() not in ("x86_64", "amd64"):
        return machine
    cap = os.environ.get("ONEDNN_MAX_CPU_ISA", "ALL").upper()
    flags = _cpu_flags()
    if "avx2" not in flags or cap in _BEFORE_AVX2:
        return "x86-64"
    wide = "avx512f" in flags and not cap.startswith("AVX2")
    return "x86-64 avx512" if wide else "x86-64 avx2"


def _cpu_flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return set()
    lines = [line for line in text.splitlines() if line.startswith("flags")]
    return set(lines[0].split(":", 1)[1].split()) if lines else set()
