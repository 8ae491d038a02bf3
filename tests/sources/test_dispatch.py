import csv
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from stages.engine.errors import InputError
from stages.sources import dispatch, kermany
from stages.sources.anonymise import anonymise_dicom
from stages.sources.archives import archive
from stages.sources.options import FetchOptions, SeveralSources
from stages.sources.phantom import generate
from stages.sources.phantom.options import PhantomOptions
from stages.sources.received import ReceivedImage, Source
from tests.changed import changed
from tests.dicoms import dicom_file
from tests.sample_images import ORIGIN, picture, received

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
        return [received("train/NORMAL/IM-0001-0001.dcm", image)], ORIGIN

    monkeypatch.setattr(module, "receive", receive)
    monkeypatch.setenv("DVC_ROOT", "/repository")
    options, words = changed(OPTIONS, source=name), ("intact", "fracture")
    images, (source,) = dispatch.open_sources(options, tmp_path, classes=words)
    (image_of_source,) = images
    assert image_of_source.data == anonymise_dicom(image)
    assert image_of_source.source == name
    assert (source.name, source.use, source.origin) == (name, "train", ORIGIN)
    if name == "archive":
        assert given == {
            "table": Path("/repository/labels.csv"),
            "classes": words,
            "scratch": tmp_path,
        }


def cohort(name: str, seed: int, **more: str) -> dict[str, object]:
    phantom = {"seed": seed, "patients_train": 4, "patients_test": 4, "confound": 0.9}
    return {"name": name, "kind": "phantom", "phantom": phantom, **more}


def test_sources_follow_each_other_in_the_order_of_paths(tmp_path: Path) -> None:
    # "-" sorts before "/", so that the images of b-2 come before those of b.
    options = SeveralSources.model_validate(
        {"sources": [cohort("b", 1), cohort("b-2", 2, use="judge"), cohort("a", 3)]}
    )
    images, sources = dispatch.open_sources(options, tmp_path)
    assert [(source.name, source.use) for source in sources] == [
        ("b", "train"),
        ("b-2", "judge"),
        ("a", "train"),
    ]
    received = list(images)
    assert [image.path for image in received] == sorted(image.path for image in received)
    assert list(dict.fromkeys(image.source for image in received)) == ["a", "b-2", "b"]
    for image in received:
        assert image.path.startswith(f"{image.source}/t")
        assert image.patient.startswith(f"{image.source}/")
        assert image.split_group.startswith(f"{image.source}/")


def test_phantoms_of_all_sources_have_their_truth(tmp_path: Path) -> None:
    options = SeveralSources.model_validate({"sources": [cohort("b", 1), cohort("a", 3)]})
    received = list(dispatch.open_sources(options, tmp_path)[0])
    with (tmp_path / generate.TRUTH).open(newline="") as handle:
        assert [row["path"] for row in csv.DictReader(handle)] == [each.path for each in received]
    with zipfile.ZipFile(tmp_path / generate.MASKS) as masks:
        ill = [f"{image.path}.png" for image in received if image.label]
        assert masks.namelist() == ill


def test_an_error_names_the_source_of_several(tmp_path: Path) -> None:
    gone = {"name": "lyon", "kind": "archive", "path": str(tmp_path / "gone.zip")}
    options = SeveralSources.model_validate({"sources": [cohort("a", 1), gone]})
    with pytest.raises(InputError, match=r"^source 'lyon': fetch\.path: expected a zip"):
        dispatch.open_sources(options, tmp_path)
