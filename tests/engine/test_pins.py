from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from stages.engine.pins import Pin, read_pins

ROOT = Path(__file__).parents[2]
LOCKS = sorted(ROOT.glob("requirements*.lock"))

LOCK = """\
# A comment that names numpy==1.0.
typing-extensions==4.15.0 \\
    --hash=sha256:aa
uv==0.9.1 \\
    --hash=sha256:bb \\
    --hash=sha256:cc
zipp==3.23.0 ; python_full_version < '3.12' and sys_platform == 'linux' \\
    --hash=sha256:dd
Bare.Name==1.0;os_name == 'nt'
last==2"""


def test_each_pin_has_name_version_marker_and_its_lines() -> None:
    marker = "python_full_version < '3.12' and sys_platform == 'linux'"
    assert read_pins(LOCK) == [
        Pin(
            "typing-extensions",
            "4.15.0",
            "",
            "typing-extensions==4.15.0 \\\n    --hash=sha256:aa\n",
        ),
        Pin("uv", "0.9.1", "", "uv==0.9.1 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"),
        Pin("zipp", "3.23.0", marker, f"zipp==3.23.0 ; {marker} \\\n    --hash=sha256:dd\n"),
        Pin("Bare.Name", "1.0", "os_name == 'nt'", "Bare.Name==1.0;os_name == 'nt'\n"),
        Pin("last", "2", "", "last==2"),
    ]


def test_a_requirement_has_no_hashes() -> None:
    marker = "python_full_version < '3.12' and sys_platform == 'linux'"
    assert [pin.requirement for pin in read_pins(LOCK)] == [
        "typing-extensions==4.15.0",
        "uv==0.9.1",
        f"zipp==3.23.0 ; {marker}",
        "Bare.Name==1.0 ; os_name == 'nt'",
        "last==2",
    ]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_the_committed_locks_are_read_to_the_last_byte(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    pins = read_pins(text)
    body = "".join(line for line in text.splitlines(True) if not line.startswith("#"))
    assert "".join(pin.text for pin in pins) == body
    for pin in pins:
        parsed = Requirement(pin.requirement)
        assert canonicalize_name(parsed.name) == pin.name
        assert str(parsed.specifier) == f"=={pin.version}"
        hashes = pin.text.splitlines()[1:]
        assert hashes
        assert all(line.strip(" \\").startswith("--hash=sha256:") for line in hashes)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_the_committed_locks_name_no_host(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert "://" not in text
    assert "index-url" not in text
