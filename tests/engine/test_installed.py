import pytest

from stages.engine.installed import mismatched_pins

LOCK = """\
numpy==2.1.0 \\
    --hash=sha256:aa
Typing_Extensions==4.15.0 \\
    --hash=sha256:bb
tensorflow==2.20.0 ; sys_platform == 'nowhere' \\
    --hash=sha256:cc
forked==1.0 ; python_full_version < '3' \\
    --hash=sha256:dd
forked==2.0 ; python_full_version >= '3' \\
    --hash=sha256:ee
"""
COMPLETE = {"NumPy": "2.1.0", "typing.extensions": "4.15.0", "forked": "2.0", "unpinned": "1"}


@pytest.mark.parametrize(
    ("changed", "mismatches"),
    [
        ({}, []),
        ({"NumPy": "2.0.0"}, ["numpy is 2.0.0, pinned 2.1.0"]),
        ({"tensorflow": "2.0"}, ["tensorflow is 2.0, pinned 2.20.0"]),
        ({"typing.extensions": None}, ["typing-extensions is not installed, pinned 4.15.0"]),
        # The pin for another Python does not excuse what is installed on this one.
        ({"forked": "1.0"}, ["forked is 1.0, pinned 2.0"]),
        ({"forked": None}, ["forked is not installed, pinned 2.0"]),
    ],
)
def test_a_mismatch_is_listed(changed: dict[str, str | None], mismatches: list[str]) -> None:
    merged = COMPLETE | changed
    installed = {name: version for name, version in merged.items() if version is not None}
    assert mismatched_pins(LOCK, installed) == mismatches
