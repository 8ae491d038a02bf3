from pathlib import Path

import pytest

from stages.engine.environment import lines_of_pin

ROOT = Path(__file__).parents[2]

LOCK = """\
typing-extensions==4.15.0 \\
    --hash=sha256:aa
uv==0.9.1 \\
    --hash=sha256:bb \\
    --hash=sha256:cc
uv-build==1.0 \\
    --hash=sha256:dd
zipp==3.23.0 ; python_full_version < '3.12' \\
    --hash=sha256:ee
"""


def test_the_lines_of_a_pin_are_the_pin_and_its_hashes() -> None:
    expected = "uv==0.9.1 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
    assert lines_of_pin(LOCK, "uv") == expected
    assert lines_of_pin(LOCK, "zipp").endswith("--hash=sha256:ee\n")
    assert lines_of_pin(LOCK, "zipp").startswith("zipp==3.23.0 ; python_full_version")


@pytest.mark.parametrize("package", ["extensions", "u", "pip"])
def test_a_package_that_is_not_pinned_is_refused(package: str) -> None:
    with pytest.raises(ValueError, match=f"expected a pin of '{package}'"):
        lines_of_pin(LOCK, package)


def test_the_lock_pins_uv_with_hashes_and_names_no_host() -> None:
    text = (ROOT / "requirements.lock").read_text()
    found = lines_of_pin(text, "uv").splitlines()
    assert found[0].startswith("uv==")
    assert all(line.strip().startswith("--hash=sha256:") for line in found[1:])
    assert "://" not in text
    assert "index-url" not in text
