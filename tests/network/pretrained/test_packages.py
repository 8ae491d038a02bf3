"""Weights in an installed package: found without importing it, and only with the known checksum."""

import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement

from stages.engine.environment import lock_of
from stages.engine.errors import InputError
from stages.engine.files import sha256_bytes
from stages.engine.pins import read_pins
from stages.network.pretrained import origin, packages
from stages.network.pretrained.origin import PACKAGES, Origin
from tests.network.pretrained.checkpoint import checkpoint, weights
from tests.workspace import ROOT

DATA = checkpoint(weights())


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Origin:
    """A package that fails when it is imported."""
    facts = tmp_path / "lite_weights-1.2.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: lite-weights\nVersion: 1.2\n")
    folder = tmp_path / "lite_weights"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (folder / "weights.pth").write_bytes(DATA)
    monkeypatch.syspath_prepend(str(tmp_path))
    return replace(
        PACKAGES["EfficientNetLite0"],
        name="lite-weights",
        version="1.2",
        file="lite_weights/weights.pth",
        sha256=sha256_bytes(DATA),
    )


def test_weights_are_read_and_the_package_is_not_imported(installed: Origin) -> None:
    read = packages.read_weights(installed)
    np.testing.assert_array_equal(read["norm.bias"], weights()["norm.bias"])
    assert "lite_weights" not in sys.modules


def test_a_package_that_is_not_installed_is_named_with_the_command() -> None:
    absent = replace(PACKAGES["EfficientNetLite0"], name="lite-weights-that-nobody-has")
    with pytest.raises(InputError, match=r"that-nobody-has 0\.1\.0.*make setup EXTRAS=pretrained"):
        packages.read(absent)


def test_another_version_is_refused(installed: Origin) -> None:
    with pytest.raises(InputError, match=r"expected lite-weights 1\.3.*found 1\.2"):
        packages.read(replace(installed, version="1.3"))


def test_a_changed_file_is_refused_before_it_is_parsed(
    installed: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parse(*_: object) -> None:
        raise AssertionError("parsed")

    monkeypatch.setattr(packages, "read_tensors", parse)
    path = tmp_path / installed.file
    path.write_bytes(DATA + b"x")
    with pytest.raises(
        InputError, match=f"SHA-256 {installed.sha256}, found {sha256_bytes(DATA + b'x')}"
    ):
        packages.read_weights(installed)
    path.unlink()
    with pytest.raises(InputError, match="found no file; install it again"):
        packages.read_weights(installed)


def test_the_extra_and_its_lock_pin_the_versions_whose_checksums_are_known() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = {each.name: f"=={each.version}" for each in PACKAGES.values()}
    extra = map(Requirement, project["optional-dependencies"]["pretrained"])
    assert {each.name: str(each.specifier) for each in extra} == known
    locked = read_pins((ROOT / lock_of("pretrained")).read_text(encoding="utf-8"))
    assert {pin.name: f"=={pin.version}" for pin in locked} == known


def test_no_licence_of_weights_is_stated_for_now() -> None:
    """The promotion asks then; whoever adds a licence here names its source in `note`."""
    assert {each.licence for each in PACKAGES.values()} == {origin.NOT_STATED}
