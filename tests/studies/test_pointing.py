"""The hallway's side of the pointing game: whose images it is played with."""

from types import SimpleNamespace

import pytest

from stages.engine.errors import InputError
from stages.settings import params
from stages.studies import pointing
from tests.workspace import ROOT


def test_real_images_have_no_masks_and_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    source = {"name": "archive", "synthetic": False}
    shards = SimpleNamespace(manifest={"source": source})
    monkeypatch.setattr(pointing, "open_shards", lambda _: shards)
    with pytest.raises(InputError, match=r"expected phantoms, .* received images of archive"):
        pointing.table(params.load(ROOT / "params.yaml"))
