from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from stages.sources import dispatch, kermany
from stages.sources.anonymise import anonymise_dicom
from stages.sources.archives import archive
from stages.sources.options import FetchOptions
from stages.sources.phantom import generate
from stages.sources.phantom.options import PhantomOptions
from stages.sources.received import ReceivedImage, Source
from tests.changed import changed
from tests.dicoms import dicom_file
from tests.sample_images import SOURCE, picture, received

OPTIONS = FetchOptions(
    source="phantom",
    path="images.zip",
    labels="labels.csv",
    url=None,
    sha256=None,
    hash_names=False,
    phantom=PhantomOptions(seed=0, patients_train=4, patients_test=4, confound=0.9),
)


@pytest.mark.parametrize(
    ("name", "module"), [("phantom", generate), ("kermany", kermany), ("archive", archive)]
)
def test_images_of_every_source_are_anonymised(
    name: str, module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = dicom_file(picture("image"))
    given: dict[str, Any] = {}

    def receive(*_: object, **named: Any) -> tuple[list[ReceivedImage], Source]:
        given.update(named)
        return [received("train/NORMAL/IM-0001-0001.dcm", image)], SOURCE

    monkeypatch.setattr(module, "receive", receive)
    monkeypatch.setenv("DVC_ROOT", "/repository")
    options, words = changed(OPTIONS, source=name), ("intact", "fracture")
    images, source = dispatch.open_source(options, tmp_path, classes=words)
    assert [each.data for each in images] == [anonymise_dicom(image)]
    assert source == SOURCE
    if name == "archive":
        assert given == {
            "table": Path("/repository/labels.csv"),
            "classes": words,
            "scratch": tmp_path,
        }
