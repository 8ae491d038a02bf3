import os
import subprocess
import sys

import pytest

from stages.engine import devices

x86_64 = pytest.mark.skipif(
    not devices.instruction_set().startswith("x86-64"), reason="tells x86-64 machines apart"
)
AVX2, AVX512 = "avx avx2", "avx avx2 avx512f"


@x86_64
@pytest.mark.parametrize(
    ("flags", "maker", "cap", "expected"),
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
def test_the_class_is_the_best_that_the_cpu_has_and_the_cap_leaves_and_its_maker(
    flags: str, maker: str, cap: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_cpu", lambda: {"flags": flags, "vendor_id": maker})
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", cap)
    assert devices.instruction_set() == expected


@x86_64
def test_a_machine_that_tells_nothing_of_its_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_cpu", dict)
    assert devices.instruction_set() == "x86-64"


@x86_64
@pytest.mark.parametrize("wish", ["0", "1", None])
def test_the_kernels_are_the_same_whatever_the_environment_wishes(wish: str | None) -> None:
    code = (
        "from stages.engine import devices; devices.configure(1);"
        "from tensorflow.python.util import _pywrap_util_port as port;"
        "print(port.IsMklEnabled())"
    )
    environment = {key: value for key, value in os.environ.items() if key[:9] != "TF_ENABLE"}
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=environment | ({} if wish is None else {"TF_ENABLE_ONEDNN_OPTS": wish}),
    ).stdout  # fmt: skip
    assert said.strip() == "True"
