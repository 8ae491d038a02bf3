"""The whole pipeline on a folder of DICOM files: nothing that it writes identifies a patient."""

from pathlib import Path

import pytest

from stages.images.decode import decode
from stages.sources.phantom.generate import images
from stages.sources.phantom.options import PhantomOptions
from tests.dicoms import SECRET, as_dicom
from tests.workspace import copy_tree

FEW = PhantomOptions(seed=0, patients_train=48, patients_test=14, confound=1.0)
LEFT_OUT = {".git", "stages", "tests", "docs", "received", "params.yaml", "names.key"}


@pytest.mark.slow
def test_whole_pipeline_on_a_dicom_folder_reveals_no_identity(tmp_path: Path) -> None:
    workspace = copy_tree(tmp_path)
    received = tmp_path / "received"
    paths = []
    for number, image in enumerate(images(FEW)):
        made = as_dicom(image, number, decode(image.data))
        paths.append(received / made.path)
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        paths[-1].write_bytes(made.data)
    ignored = tmp_path / ".gitignore"
    ignored.write_text(ignored.read_text() + "/received/\n/names.key\n")
    workspace.run("pneumonia", "data", "key", "names.key")
    workspace.params(
        {"fetch.source": "archive", "fetch.path": "received", "fetch.hash_names": "names.key"}
    )
    workspace.run("pneumonia", "data", "pin", "received")
    workspace.commit()
    workspace.run("dvc", "repro", seconds=1800)
    assert workspace.text("data/audit/unreadable.csv").splitlines() == ["path,reason"]

    predicted = workspace.run(
        "pneumonia", "predict", "--model", "data/model/model.keras", str(paths[0])
    )
    assert "normal" in predicted.stdout or "pneumonia" in predicted.stdout
    for text in (predicted.stdout, predicted.stderr):
        assert SECRET not in text

    names = {path.stem for path in paths}
    key = (tmp_path / "names.key").read_bytes()
    for path in tmp_path.rglob("*"):
        if path.is_file() and not LEFT_OUT & set(path.relative_to(tmp_path).parts):
            data = path.read_bytes()
            assert SECRET.encode() not in data, path
            assert key not in data, path
            assert key.hex().encode() not in data, path
            assert not [name for name in names if name.encode() in data], path
