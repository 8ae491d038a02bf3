import os
import subprocess
import sys

import pytest

from stages.engine import devices

x86_64 = pytest.mark.skipif(
    not devices.instruction_set().startswith("x86-64"), reason="tells x86-64 machines apart"
)
AVX2, AVX512 = {"avx", "avx2"}, {"avx", "avx2", "avx512f"}


@x86_64
@pytest.mark.parametrize(
    ("flags", "cap", "expected"),
    [
        (AVX512, "", "x86-64 avx512"),
        (AVX512, "avx512_core", "x86-64 avx512"),
        (AVX512, "AVX2", "x86-64 avx2"),
        (AVX512, "AVX2_VNNI", "x86-64 avx2"),
        (AVX512, "AVX", "x86-64"),
        (AVX2, "", "x86-64 avx2"),
        (AVX2, "AVX512_CORE", "x86-64 avx2"),
        (AVX2, "SSE41", "x86-64"),
        ({"sse4_1"}, "", "x86-64"),
    ],
)
def test_the_class_is_the_best_that_the_machine_has_and_the_cap_leaves(
    flags: set[str], cap: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_cpu_flags", lambda: flags)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", cap)
    assert devices.instruction_set() == expected


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
