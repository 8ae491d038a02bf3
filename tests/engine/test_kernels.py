"""The variables that hold numerical libraries to one class of processor."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stages.engine import devices, kernels
from tests.workspace import ROOT

x86_64 = pytest.mark.skipif(
    devices.instruction_set() != devices.PORTABLE, reason="the limits of x86-64"
)
NAMES = {*kernels.limits(), "OPENCV_LOG_LEVEL"}
LOADED = """
import json, threadpoolctl, cv2, numpy, scipy.linalg
from numpy._core._multiarray_umath import __cpu_features__ as features
print(json.dumps({
    "blas": sorted({
        f"{pool['architecture']}, {pool['num_threads']} thread"
        for pool in threadpoolctl.threadpool_info() if "architecture" in pool
    }),
    "numpy": [name for name in ("X86_V4", "AVX512_ICL", "AVX512_SPR") if features[name]],
    "ipp": cv2.ipp.useIPP(),
}))
"""


def python(
    code: str, set_before: dict[str, str] | None = None, folder: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run code in a new process that inherits none of the variables; warnings are errors."""
    clean = {key: value for key, value in os.environ.items() if key not in NAMES}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        env={**clean, "PYTHONPATH": str(folder), **(set_before or {})},
        capture_output=True,
        text=True,
        check=False,
    )


@x86_64
@pytest.mark.parametrize(
    "set_before", [{}, dict.fromkeys(kernels.limits(), "other")], ids=["unset", "set otherwise"]
)
def test_the_libraries_use_what_every_processor_of_the_class_has(
    set_before: dict[str, str],
) -> None:
    finished = python(f"import stages\n{LOADED}", set_before)
    assert finished.stderr == ""
    assert json.loads(finished.stdout) == {"blas": ["Haswell, 1 thread"], "numpy": [], "ipp": False}


@pytest.mark.parametrize("library", ["numpy", "scipy", "cv2"])
def test_a_library_that_is_imported_before_is_refused(library: str) -> None:
    finished = python(f"import {library}\nimport stages.fetch")
    assert finished.returncode == 1
    assert "RuntimeError: stages: expected to be imported before" in finished.stderr
    assert library in finished.stderr.splitlines()[-1]
    assert "env $(python stages/engine/kernels.py)" in finished.stderr


def test_a_library_that_is_imported_before_with_the_variables_is_accepted() -> None:
    printed = subprocess.run(
        [sys.executable, kernels.__file__], capture_output=True, text=True, check=True
    ).stdout
    variables = dict(word.split("=", 1) for word in printed.split())
    assert python("import numpy\nimport stages", variables).returncode == 0


def test_a_packaged_model_loads_in_a_program_that_has_numpy_already(tmp_path: Path) -> None:
    code = tmp_path / "pneumonia_0123456789ab"
    (code / "engine").mkdir(parents=True)
    for name in ("__init__.py", "engine/__init__.py", "engine/kernels.py"):
        text = (ROOT / "stages" / name).read_text()
        (code / name).write_text(text.replace("from stages", f"from {code.name}"))
    load = f"import os, numpy, {code.name}; print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    finished = python(load, folder=tmp_path)
    assert (finished.stdout, finished.stderr) == ("1\n", "")


def test_opencv_is_held_only_where_it_knows_the_instruction_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kernels, "processor_flags", lambda: {"avx2", "avx512f"})
    monkeypatch.setattr(os, "environ", {})
    kernels.apply(required=False)
    assert "OPENCV_CPU_DISABLE" not in os.environ


def test_the_record_names_the_same_limits_on_every_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = devices.on_record()["kernels"]
    monkeypatch.setattr(kernels, "processor_flags", set)
    assert devices.on_record()["kernels"] == here
