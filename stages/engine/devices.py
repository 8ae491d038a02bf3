"""Configure the devices that TensorFlow computes on, before the first tensor is made."""

import contextlib
import json
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_BELOW_AVX2 = ("SSE41", "AVX")  # values of ONEDNN_MAX_CPU_ISA
_VENDORS = {"GenuineIntel": "Intel", "AuthenticAMD": "AMD"}


def configure(threads: int) -> None:
    """Fix what decides the bits of a result: the number of intra-op threads, and determinism.

    The number of intra-op threads changes the order of float sums, so it is a param and not a
    property of the machine. The number of ops that run at the same time (inter-op) changes no bit
    and is left to TensorFlow, since training was slower with one.

    Args:
        threads: Number of intra-op threads.

    Raises:
        RuntimeError: TensorFlow has already computed with another number.
    """
    choose_kernels()
    with _silent_stderr():
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        if tf.config.list_physical_devices("GPU"):  # on CPU, pinned threads are enough
            tf.config.experimental.enable_op_determinism()
        tf.constant(0)


def choose_kernels() -> None:
    """Make TensorFlow use oneDNN on every CPU; call this before TensorFlow is first imported.

    By default it does so on CPUs with AVX-512 VNNI only. The convolutions of other CPUs add up in
    an order that depends on an image's place in its batch, and are slower.
    """
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"


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
    """Return the class of CPU, by which float kernels choose their code.

    Two machines of one class, lock file and thread count give the same bytes. The vendor is part
    of the class: TensorFlow's reciprocal square root, which normalises each batch, is one step of
    Newton's method from `rsqrtps`, an approximation that Intel and AMD compute differently.

    Returns:
        Such as "x86-64 avx512, Intel", "x86-64 avx2, AMD" or "x86-64, Intel"; on other
        architectures the machine's own name.
    """
    machine = platform.machine()
    if machine.lower() not in ("x86_64", "amd64"):
        return machine
    cpu = _cpu()
    flags = set(cpu.get("flags", "").split())
    vendor = _VENDORS.get(cpu.get("vendor_id", ""), cpu.get("vendor_id"))
    cap = os.environ.get("ONEDNN_MAX_CPU_ISA", "ALL").upper()
    if "avx2" not in flags or cap in _BELOW_AVX2:
        level = ""
    elif "avx512f" in flags and not cap.startswith("AVX2"):
        level = " avx512"
    else:
        level = " avx2"
    return f"x86-64{level}" + (f", {vendor}" if vendor else "")


def _cpu() -> dict[str, str]:
    """Return the first processor's entry in /proc/cpuinfo by key; empty where there is none."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return {}
    pairs = [line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line]
    return {key.strip(): value.strip() for key, value in pairs}
