"""What loading a version does to the process."""

import gc
import sys
import types

import pytest

from stages.engine import devices
from stages.serving.following.loading import Loader


def test_collecting_garbage_does_not_look_at_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "configure", lambda _: None)
    monkeypatch.setitem(sys.modules, "keras", types.ModuleType("keras"))
    try:
        Loader().configure(2)
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()
