import pytest

from stages.engine.installed import differences

LOCK = """\
numpy==2.1.0 \\
    --hash=sha256:aa
Typing_Extensions==4.15.0 \\
    --hash=sha256:bb
tensorflow==2.20.0 ; sys_platform == 'darwin' \\
    --hash=sha256:cc
"""
WHOLE = {"NumPy": "2.1.0", "typing.extensions": "4.15.0", "unpinned": "1"}


@pytest.mark.parametrize(
    ("installed", "told"),
    [
        (WHOLE, []),
        (WHOLE | {"NumPy": "2.0.0"}, ["numpy is 2.0.0, pinned 2.1.0"]),
        (WHOLE | {"tensorflow": "2.0"}, ["tensorflow is 2.0, pinned 2.20.0"]),
        ({"numpy": "2.1.0"}, ["typing-extensions is not installed, pinned 4.15.0"]),
    ],
)
def test_what_is_installed_otherwise_is_named(installed: dict[str, str], told: list[str]) -> None:
    assert differences(LOCK, installed) == told
