"""What `mlflow.pyfunc.load_model`, and so `mlflow models serve`, does with files that were changed.

MLflow runs pyfunc_model.py, or what MLmodel names in its place, before anything can check it. So a
store that others may write to needs a check from outside: `pneumonia predict`, or the folder that
`pneumonia model fetch` writes.
"""

import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stages.engine.files import sha256_file
from stages.registry.connection import open_store
from stages.registry.sealed_package import PACKAGE
from tests.registry import fake
from tests.registry.released import CANDIDATE, Released
from tests.registry.server import served
from tests.registry.tampering import FILES, MARKER, SIGNATURES, nothing

pytestmark = pytest.mark.slow

LOAD = """
import json, os, sys
from pathlib import Path
import mlflow

def outcome(folder, environment):
    marker = Path(os.environ["PNEUMONIA_TEST_MARKER"])
    marker.unlink(missing_ok=True)
    for name in ("PNEUMONIA_PACKAGE", "PNEUMONIA_PUBLIC_KEY"):
        os.environ.pop(name, None)
    os.environ.update(environment)
    before, paths, finders = set(sys.modules), list(sys.path), list(sys.meta_path)
    try:
        mlflow.pyfunc.load_model(folder)
        message = "loaded"
    except Exception as error:
        message = str(error)
    for name in set(sys.modules) - before:
        if name.startswith("pneumonia_"):
            del sys.modules[name]
    sys.path[:], sys.meta_path[:] = paths, finders
    return ["ran" if marker.exists() else "did not run", message]

print(json.dumps([outcome(*each) for each in json.load(sys.stdin)]))
"""

UNREADABLE = "received a file that does not load"
"""What is wrong with the network, for whatever passes all checks."""

REFUSED, ACCEPTED, RAN = "refused", "accepted", "ran"
EXPECTED = {
    # No variable; the digest in PNEUMONIA_PACKAGE; the public key in PNEUMONIA_PUBLIC_KEY.
    "nothing": (ACCEPTED, ACCEPTED, ACCEPTED),
    "code": (REFUSED, REFUSED, REFUSED),
    "code, and package.json to match": (RAN, REFUSED, REFUSED),
    "model": (REFUSED, REFUSED, REFUSED),
    "model, and package.json to match": (ACCEPTED, REFUSED, REFUSED),
    "operating point": (REFUSED, REFUSED, REFUSED),
    "domain": (REFUSED, REFUSED, REFUSED),
    "package.json": (ACCEPTED, REFUSED, REFUSED),
    "MLmodel, naming another entry": (RAN, RAN, RAN),
    "pyfunc_model.py": (RAN, RAN, RAN),
    "pyfunc_model.py, without its checks": (RAN, RAN, RAN),
    "model card": (REFUSED, REFUSED, REFUSED),
    "a file added": (REFUSED, REFUSED, REFUSED),
    "a file removed": (REFUSED, REFUSED, REFUSED),
    "a file replaced by a link": (REFUSED, REFUSED, REFUSED),
    "signature removed": (ACCEPTED, ACCEPTED, REFUSED),
    "signature changed": (ACCEPTED, ACCEPTED, REFUSED),
    "signature by another key": (ACCEPTED, ACCEPTED, REFUSED),
}


def test_what_the_version_itself_refuses_and_what_it_cannot(
    released: Released, tmp_path: Path
) -> None:
    folder = released.folder(open_store(released.store), CANDIDATE)
    environments = [
        {},
        {"PNEUMONIA_PACKAGE": sha256_file(folder / PACKAGE)},
        {"PNEUMONIA_PUBLIC_KEY": str(released.key)},
    ]
    wanted = []
    changes = {"nothing": nothing, **FILES, **SIGNATURES}
    for number, change in enumerate(changes.values()):
        place = tmp_path / f"{number}/package"
        shutil.copytree(folder, place)
        change(place)
        wanted += [(str(place), environment) for environment in environments]
    finished = subprocess.run(
        [sys.executable, "-c", LOAD],
        input=json.dumps(wanted),
        capture_output=True,
        text=True,
        check=True,
        cwd=fake.ROOT,
        env={**os.environ, MARKER: str(tmp_path / "ran"), "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    found = iter(json.loads(finished.stdout.splitlines()[-1]))
    messages = {name: list(itertools.islice(found, len(environments))) for name in changes}

    def outcome(run: str, message: str) -> str:
        return RAN if run == "ran" else ACCEPTED if UNREADABLE in message else REFUSED

    outcomes = {name: tuple(outcome(*each) for each in three) for name, three in messages.items()}
    assert outcomes == EXPECTED, messages


@pytest.mark.parametrize("with_key", [False, True])
def test_a_server_runs_changed_code_unless_it_is_given_the_key(
    with_key: bool, released: Released, tmp_path: Path
) -> None:
    place = tmp_path / "package"
    shutil.copytree(released.folder(open_store(released.store), CANDIDATE), place)
    FILES["code, and package.json to match"](place)
    environment = {MARKER: str(tmp_path / "ran")}
    if with_key:
        environment["PNEUMONIA_PUBLIC_KEY"] = str(released.key)
    # It ends in either case: nothing loads this network.
    with (
        pytest.raises(AssertionError, match="the server ended"),
        served(str(place), tmp_path, **environment),
    ):
        pass
    assert (tmp_path / "ran").exists() is not with_key
