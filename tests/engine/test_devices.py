"""The class of CPU, what is refused, and the kernels that TensorFlow uses."""

import os
import subprocess
import sys

import pytest

from stages.engine import devices, kernels
from stages.engine.errors import InputError

x86_64 = pytest.mark.skipif(
    not devices.instruction_set().startswith("x86-64"), reason="about classes of x86-64"
)
V3 = "sse4_2 avx avx2 bmi1 bmi2 f16c fma movbe abm"
WITHOUT_FMA = V3.replace(" fma", "")


@pytest.fixture
def processor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace what /proc/cpuinfo says by flags and the maker."""
    flags, maker = request.param
    entry = {"flags": flags, "vendor_id": maker, "model name": f"{maker} X1"} if flags else {}
    monkeypatch.setattr(kernels, "processor", lambda: entry)


@x86_64
@pytest.mark.parametrize(
    ("processor", "expected"),
    [
        ((V3, "GenuineIntel"), "x86-64-v3"),
        ((V3, "AuthenticAMD"), "x86-64-v3"),
        ((f"{V3} avx512f avx512bw", "GenuineIntel"), "x86-64-v3"),
        ((f"{V3} avx512f avx512bw", "AuthenticAMD"), "x86-64-v3"),
        ((V3, "Other Maker"), "x86-64-v3"),
        ((WITHOUT_FMA, "GenuineIntel"), "x86-64"),
        (("sse4_2", "AuthenticAMD"), "x86-64"),
        (("", ""), "x86-64"),
    ],
    indirect=["processor"],
)
def test_the_class_depends_on_the_instruction_set_and_not_on_the_maker(
    processor: None, expected: str
) -> None:
    assert devices.instruction_set() == expected


@x86_64
@pytest.mark.parametrize(
    ("processor", "found"),
    [
        ((WITHOUT_FMA, "GenuineIntel"), "found GenuineIntel X1 without fma; run on a newer"),
        (("sse4_2", "AuthenticAMD"), "AuthenticAMD X1 without abm, avx, avx2, bmi1, bmi2, f16c"),
        (("", ""), "found a processor that /proc/cpuinfo doesn't name without abm"),
    ],
    indirect=["processor"],
)
def test_an_older_processor_is_refused_before_any_work(processor: None, found: str) -> None:
    with pytest.raises(InputError, match="processor: expected x86-64-v3") as refused:
        devices.configure(2)
    assert found in str(refused.value)


@pytest.mark.parametrize("processor", [(V3, "Other Maker")], indirect=True)
def test_a_processor_of_the_class_is_accepted(processor: None) -> None:
    devices.require_supported()


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
