"""Hold the numerical libraries to the kernels that every x86-64-v3 processor has.

NumPy, OpenCV, OpenBLAS and oneDNN choose their code by the processor's instruction set or maker,
and other code rounds differently. Each reads environment variables once, when it is first imported,
so `stages/__init__.py` imports this module before anything else. Run as a program, it prints the
variables, for a process that imports a library before this project:

    env $(python stages/engine/kernels.py) mlflow models serve ...
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

_EVERYWHERE = {
    # By default TensorFlow uses oneDNN on CPUs with AVX-512 VNNI only. Its own convolutions add up
    # in an order that depends on an image's place in its batch, and are slower.
    "TF_ENABLE_ONEDNN_OPTS": "1",
    # Shared between threads, a sum is added up in another order. The products here are small.
    "OPENBLAS_NUM_THREADS": "1",
}
_X86_64 = {
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    # Unset, OpenBLAS chooses by the maker's name too.
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4,AVX512_ICL,AVX512_SPR",
    # Intel's library in OpenCV, which has code for each generation of processors.
    "OPENCV_IPP": "disabled",
    "OPENCV_CPU_DISABLE": "AVX512-SKX",
}
_OPENCV_AVX512 = {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"}
_OPENBLAS = ("OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS")
_READ_BY = {
    "numpy": ("NPY_DISABLE_CPU_FEATURES", *_OPENBLAS),
    "scipy": _OPENBLAS,
    "cv2": (*_OPENBLAS, "OPENCV_IPP", "OPENCV_CPU_DISABLE"),
    "tensorflow": ("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA"),
}


def limits() -> dict[str, str]:
    """Return the variables that a record of this architecture was made with, on any processor."""
    x86_64 = os.uname().machine.lower() in ("x86_64", "amd64")
    return {**_EVERYWHERE, **(_X86_64 if x86_64 else {})}


def apply(*, required: bool) -> None:
    """Set the variables in this process and those it starts, whatever they were set to before.

    Args:
        required: Refuse to go on where it is too late for a library; otherwise that library keeps
            the kernels it has chosen.

    Raises:
        RuntimeError: A library was imported before, without its variables.
    """
    wanted = _here()
    late = [
        library
        for library, names in _READ_BY.items()
        if library in sys.modules
        and any(name in wanted and os.environ.get(name) != wanted[name] for name in names)
    ]
    if late and required:
        raise RuntimeError(
            f"stages: expected to be imported before {' and '.join(late)}, found it imported: its "
            "results would depend on the processor; import stages first, or start the program with "
            "`env $(python stages/engine/kernels.py) ...`"
        )
    os.environ.update(wanted)
    # Without IPP, OpenCV warns that it is disabled.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")


def _here() -> Mapping[str, str]:
    """Return `limits` without what would make a library warn on this processor."""
    wanted = limits()
    if not processor_flags() >= _OPENCV_AVX512:
        wanted.pop("OPENCV_CPU_DISABLE", None)
    return wanted


def processor() -> dict[str, str]:
    """Return the first processor's entry in /proc/cpuinfo by key; empty where there is none."""
    try:
        file = os.open("/proc/cpuinfo", os.O_RDONLY)
    except OSError:
        return {}
    try:
        text = os.read(file, 1 << 13).decode("ascii", errors="replace")
    finally:
        os.close(file)
    pairs = [line.split(":", 1) for line in text.split("\n\n")[0].splitlines() if ":" in line]
    return {key.strip(): value.strip() for key, value in pairs}


def processor_flags() -> set[str]:
    """Return the instruction sets of the processor, in Linux's names."""
    return set(processor().get("flags", "").split())


if __name__ == "__main__":
    print(*(f"{name}={value}" for name, value in _here().items()))
