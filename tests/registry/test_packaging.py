"""A registered model contains everything that it needs."""

import ast
import base64
import io
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import pytest

from stages.images.decode import decode
from stages.registry.client import Client
from stages.registry.packaged_code import code_digest, pack_code, requirements
from stages.registry.publish import publish_unlimited
from stages.registry.store import Store
from stages.sources.dicom import transfer_syntax
from tests.dicoms import dicom_file
from tests.registry import fake, tiny
from tests.registry.server import free_port

NAME = "pneumonia-phantom"


def packed_texts(root: Path) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(pack_code(root).archive)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_the_packaged_code_never_imports_this_repositorys() -> None:
    package, texts = pack_code(fake.ROOT).package, packed_texts(fake.ROOT)
    names = {
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for text in texts.values()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    ours = {str(name) for name in names if str(name).startswith((package, "stages"))}
    assert f"{package}.images.prepare" in ours
    assert not [name for name in ours if name.startswith("stages")]
    assert all(name.startswith(f"{package}/") for name in texts)
    assert not [name for name in texts if "commands" in name or "train" in name]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of this repository's code."""
    shutil.copytree(fake.ROOT / "stages", tmp_path / "tree/stages")
    return tmp_path / "tree"


DECODER = "stages/images/decode.py"
CHECKS = "stages/registry/sealed_package.py"


@pytest.mark.parametrize(
    ("path", "line", "same_code", "same_name", "same_bytes"),
    [
        (DECODER, "# A remark.", True, True, False),
        (DECODER, "LEAST = 1", False, False, False),
        (CHECKS, "LEAST = 1", True, False, False),
        ("stages/registry/pyfunc_model.py", "LEAST = 1", False, False, False),
        ("stages/registry/gate.py", "LEAST = 1", True, True, True),
    ],
)
def test_what_answers_is_in_the_code_digest_and_a_remark_is_not(
    path: str, line: str, same_code: bool, same_name: bool, same_bytes: bool, tree: Path
) -> None:
    before = pack_code(tree)
    assert before == pack_code(fake.ROOT)
    with (tree / path).open("a", encoding="utf-8") as handle:
        handle.write(f"\n{line}\n")
    after = pack_code(tree)
    assert after.digest == code_digest(tree)
    assert (after.digest == before.digest) is same_code
    assert (after.package == before.package) is same_name
    assert (after.archive == before.archive) is same_bytes


def test_requirements_are_the_pins_of_what_is_imported() -> None:
    pinned = requirements(fake.ROOT, fake.LOCK)
    names = {pin.split("==")[0] for pin in pinned}
    assert names >= {"keras", "mlflow", "numpy", "opencv-python-headless", "tensorflow-cpu"}
    assert names >= {"imagecodecs", "pydicom"}  # imported only for DICOM images
    assert "dvc" not in names
    assert all("\\" not in pin and "--hash" not in pin for pin in pinned)


def test_an_unpinned_import_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("numpy==1\n")
    with pytest.raises(ValueError, match=r"expected pins of .*keras"):
        requirements(fake.ROOT, lock)


@pytest.fixture
def registered(store: Store, files: Path, tmp_path: Path) -> Store:
    """A store whose candidate is a working network."""
    tiny.make(tmp_path / "network.keras")
    fake.write(files, model=(tmp_path / "network.keras").read_bytes())
    publish_unlimited(fake.release(files), store, candidate=True)
    return store


ROW = ("probability", "decision", "domain_score", "refused", "cautions", "model_digest")

ALONE = """
import sys, json, base64, socket
sys.modules["stages"] = None  # as where this repository is not installed
def offline(*_):
    raise OSError("this test has no network")
socket.socket.connect = socket.create_connection = offline
import mlflow, pandas as pd
model = mlflow.pyfunc.load_model("models:/pneumonia-phantom@candidate")
images = [base64.b64decode(image) for image in json.load(sys.stdin)]
answer = model.predict(pd.DataFrame({"image": images}))
print(answer.to_json(orient="records"))
"""


def predict_alone(
    store: Store, folder: Path, images: list[bytes], python: str = sys.executable
) -> Any:
    """Return the candidate's predictions in a process without this repository or a network."""
    finished = subprocess.run(
        [python, "-c", ALONE],
        input=json.dumps([base64.b64encode(image).decode() for image in images]),
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "MLFLOW_TRACKING_URI": store.uri, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


@pytest.mark.slow
def test_it_loads_by_alias_without_this_repository(
    registered: Store, files: Path, tmp_path: Path
) -> None:
    as_dicom = dicom_file(decode(tiny.image(180)), transfer_syntax.JPEG[3])
    answer = predict_alone(registered, tmp_path, [tiny.image(125), tiny.image(180), as_dicom])
    assert [row["decision"] for row in answer] == ["normal", "pneumonia", "pneumonia"]
    assert answer[1]["probability"] == answer[2]["probability"]
    assert 0 < answer[0]["probability"] < 0.5 < answer[1]["probability"] <= 1
    assert answer[0]["model_digest"] == fake.record(files).model
    assert [row["refused"] for row in answer] == [None] * 3
    good, bad, empty = predict_alone(registered, tmp_path, [tiny.image(125), b"no image", b""])
    assert good == answer[0]
    for row, reason in ((bad, "received something else"), (empty, "received an empty file")):
        assert reason in row.pop("refused")
        assert row == {
            "probability": None,
            "decision": None,
            "domain_score": None,
            "cautions": [],
            "model_digest": good["model_digest"],
        }


@pytest.mark.slow
def test_its_own_requirements_are_all_it_needs(
    registered: Store, client: Client, tmp_path: Path
) -> None:
    import mlflow

    package = Path(mlflow.artifacts.download_artifacts(f"models:/{NAME}@candidate"))
    python = tmp_path / "clean/bin/python"
    uv = [sys.executable, "-m", "uv"]
    venv = [*uv, "venv", "--quiet", "--python", sys.executable, "clean"]
    subprocess.run(venv, cwd=tmp_path, check=True)
    install = [*uv, "pip", "install", "--quiet", "--python", str(python)]
    installed = subprocess.run(
        [*install, "-r", str(package / "requirements.txt")],
        capture_output=True,
        text=True,
        check=False,
    )
    if "Failed to fetch" in installed.stderr:
        pytest.skip("needs a package index, or the packages in uv's cache")
    assert installed.returncode == 0, installed.stderr
    freeze = [*uv, "pip", "freeze", "--python", str(python)]
    frozen = subprocess.run(freeze, capture_output=True, text=True, check=True).stdout.split()
    locked = fake.LOCK.read_text(encoding="utf-8").split()
    assert [pin for pin in frozen if pin not in locked] == []
    answer = predict_alone(registered, tmp_path, [tiny.image(180)], str(python))
    assert answer[0]["decision"] == "pneumonia"


@pytest.mark.slow
def test_mlflow_serves_it_and_a_bad_image_is_a_row_with_a_reason(
    registered: Store, tmp_path: Path
) -> None:
    port = free_port()
    options = {
        "--env-manager": "local",
        "--model-uri": f"models:/{NAME}@candidate",
        "--port": str(port),
    }
    # MLflow starts `uvicorn` by its name, so the environment's programs come first.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "models", "serve", *itertools.chain(*options.items())],
        cwd=tmp_path,
        env={**os.environ, "MLFLOW_TRACKING_URI": registered.uri, "PATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def form(image: bytes) -> dict[str, Any]:
        return {
            "dataframe_split": {"columns": ["image"], "data": [[base64.b64encode(image).decode()]]}
        }

    def post(body: dict[str, Any]) -> tuple[int, str]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    try:
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5):
                    break
            except OSError:
                time.sleep(1)
        text = base64.b64encode(tiny.image(180)).decode()
        answers = []
        for body in (
            form(tiny.image(180)),
            {"dataframe_records": [{"image": text}]},
            {"inputs": {"image": [text]}},
            {"inputs": [{"image": text}]},
            {"instances": [{"image": text}]},
            {"instances": [text]},
        ):
            status, answer = post(body)
            assert status == 200, answer
            answers.append(json.loads(answer)["predictions"])
        assert answers[0][0]["decision"] == "pneumonia"
        assert all(answer == answers[0] for answer in answers)
        assert set(answers[0][0]) == {*ROW}
        bad = base64.b64encode(b"a patient's image that is no picture").decode()
        status, answer = post({"inputs": {"image": [text, bad]}})
        assert status == 200, answer
        good, refused = json.loads(answer)["predictions"]
        assert good == answers[0][0]
        assert "received something else" in refused["refused"]
        assert refused["probability"] is refused["decision"] is refused["domain_score"] is None
        assert "patient" not in answer
    finally:
        os.killpg(server.pid, 15)
        server.wait()
