from pathlib import Path
from typing import Any

import pytest

from stages.sources import dispatch, kermany
from stages.sources.archives import archive
from stages.sources.options import SOURCES, FetchOptions
from stages.sources.phantom import generate
from stages.sources.phantom.options import PhantomOptions
from tests.changed import changed
from tests.sample_images import SOURCE

OPTIONS = FetchOptions(
    source="phantom",
    path="images.zip",
    labels="labels.csv",
    url=None,
    sha256=None,
    hash_names=False,
    phantom=PhantomOptions(seed=0, patients_train=4, patients_test=4, confound=0.9),
)


@pytest.mark.parametrize("name", SOURCES)
def test_every_allowed_source_can_be_opened(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[dict[str, Any]] = []

    def receive(*given: object, **also: Any) -> tuple[list[object], object]:
        opened.append(also)
        return [], SOURCE

    for module in (generate, kermany, archive):
        monkeypatch.setattr(module, "receive", receive)
    monkeypatch.setenv("DVC_ROOT", "/repository")
    images, source = dispatch.open_source(changed(OPTIONS, source=name), tmp_path)
    assert (list(images), source) == ([], SOURCE)
    assert len(opened) == 1
    if name == "archive":
        assert opened[0]["table"] == Path("/repository/labels.csv")
