"""The class of CPU, and the kernels that TensorFlow uses on it."""

import os
import subprocess
import sys

import pytest

from stages.engine import devices

x86_64 = pytest.mark.skipif(
    not devices.instruction_set().startswith("x86-64"), reason="about classes of x86-64"
)
AVX2, AVX512 = "avx avx2", "avx avx2 avx512f"


@x86_64
@pytest.mark.parametrize(
    ("flags", "vendor", "cap", "expected"),
    [
        (AVX512, "GenuineIntel", "", "x86-64 avx512, Intel"),
        (AVX512, "AuthenticAMD", "", "x86-64 avx512, AMD"),
        (AVX512, "GenuineIntel", "avx512_core", "x86-64 avx512, Intel"),
        (AVX512, "GenuineIntel", "AVX2", "x86-64 avx2, Intel"),
        (AVX512, "GenuineIntel", "AVX2_VNNI", "x86-64 avx2, Intel"),
        (AVX512, "GenuineIntel", "AVX", "x86-64, Intel"),
        (AVX2, "AuthenticAMD", "", "x86-64 avx2, AMD"),
        (AVX2, "AuthenticAMD", "AVX512_CORE", "x86-64 avx2, AMD"),
        (AVX2, "AuthenticAMD", "SSE41", "x86-64, AMD"),
        ("sse4_1", "Other Maker", "", "x86-64, Other Maker"),
    ],
)
def test_the_class_is_the_best_level_within_the_cap_and_the_vendor(
    flags: str, vendor: str, cap: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_cpu", lambda: {"flags": flags, "vendor_id": vendor})
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", cap)
    assert devices.instruction_set() == expected


@x86_64
def test_a_machine_without_cpuinfo_has_the_lowest_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_cpu", dict)
    assert devices.instruction_set() == "x86-64"


@x86_64
@pytest.mark.parametrize("setting", ["0", "1", None])
def test_the_kernels_are_the_same_whatever_the_environment_sets(setting: str | None) -> None:
    code = (
        "from stages.engine import devices; devices.configure(1);"
        "from tensorflow.python.util import _pywrap_util_port as port;"
        "print(port.IsMklEnabled())"
    )
    environment = {key: value for key, value in os.environ.items() if key[:9] != "TF_ENABLE"}
    if setting is not None:
        environment["TF_ENABLE_ONEDNN_OPTS"] = setting
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert finished.stdout.strip() == "True"
