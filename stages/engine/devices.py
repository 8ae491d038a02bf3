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
_MAKERS = {"GenuineIntel": "Intel", "AuthenticAMD": "AMD"}


def configure(threads: int) -> None:
    """Pin what decides the bits of a result: the intra-op thread count, and op determinism.

    The number of intra-op threads changes the order of float sums, so it is a param, not a
    property of the machine. How many ops run beside each other (inter-op) changes no bit and is
    left to TensorFlow: pinned to one, it made training slower. Raises RuntimeError where
    TensorFlow has already computed with another number.
    """
    choose_kernels()
    with _hushed():
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        if tf.config.list_physical_devices("GPU"):  # on CPU, pinned threads are enough
            tf.config.experimental.enable_op_determinism()
        tf.constant(0)


def choose_kernels() -> None:
    """Have TensorFlow compute by oneDNN on every CPU; call it before TensorFlow's first import.

    Left alone, it does so only on CPUs with AVX-512 VNNI. The convolutions that others get add up
    in an order that depends on an image's place in its batch, and take longer.
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
    """The class of CPU that float kernels choose their code, and get their bits, by.

    "x86-64 avx512, Intel", "x86-64 avx2, AMD", "x86-64, Intel" or the machine's own name. Two
    machines of one class, lock file and thread count give the same bytes. The maker is part of
    it: TensorFlow's reciprocal square root, which normalises each batch, is one step of Newton's
    from `rsqrtps`, an approximation that Intel and AMD compute differently.
    """
    machine = platform.machine()
    if machine.lower() not in ("x86_64", "amd64"):
        return machine
    cpu = _cpu()
    flags = set(cpu.get("flags", "").split())
    maker = _MAKERS.get(cpu.get("vendor_id", ""), cpu.get("vendor_id"))
    cap = os.environ.get("ONEDNN_MAX_CPU_ISA", "ALL").upper()
    if "avx2" not in flags or cap in _BEFORE_AVX2:
        level = ""
    elif "avx512f" in flags and not cap.startswith("AVX2"):
        level = " avx512"
    else:
        level = " avx2"
    return f"x86-64{level}" + (f", {maker}" if maker else "")


def _cpu() -> dict[str, str]:
    """What the kernel says of the first processor, by key; nothing where it can't be asked."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return {}
    pairs = [line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line]
    return {key.strip(): value.strip() for key, value in pairs}
