"""A release from training to its answers, signed: through the commands that a user runs."""

import json
from pathlib import Path

import pytest

from tests.workspace import Workspace, copy_tree

pytestmark = pytest.mark.slow

KEY = ".cache/release.key"


@pytest.fixture
def trained(tmp_path: Path) -> Workspace:
    workspace = copy_tree(tmp_path / "repository")
    workspace.run("dvc", "repro")
    workspace.commit()
    workspace.run("python", "-m", "zipfile", "-e", "data/raw/images.zip", ".cache/images")
    return workspace


def models(workspace: Workspace) -> set[str]:
    """Return the digests of the models that answer for the test images."""
    # It exits with 1 where the small network refuses one of them.
    predict = "pneumonia predict --json .cache/images/phantom/test/NORMAL/* || true"
    answers = json.loads(workspace.run("sh", "-c", predict).stdout)
    assert {answer["status"] for answer in answers} <= {"answered", "refused"}
    return {answer["model"] for answer in answers}


def test_only_a_signed_version_is_promoted_and_answers(trained: Workspace) -> None:
    model = trained.text("data/release.json")
    trained.run("pneumonia", "model", "key", KEY)
    public = trained.folder / "release.pub"
    public.write_bytes((trained.folder / f"{KEY}.pub").read_bytes())
    trained.params({"register.public_key": "release.pub"})
    again = trained.run("dvc", "repro").stdout
    assert "Stage 'evaluate' didn't change, skipping" in again
    assert trained.text("data/release.json") == model
    trained.commit()

    refused = trained.run("pneumonia", "promote", "--override", "--reason", "now", expect=1).stderr
    assert "version 1: signature.json: expected a signature by a key of release.pub" in refused
    signed = trained.run("pneumonia", "model", "sign", "--key", KEY)
    assert "version 1 (package " in signed.stdout
    assert signed.stderr == ""  # what is stored is what the files here give
    assert "champion is now version 1" in trained.run("pneumonia", "promote").stdout
    assert models(trained) == {json.loads(model)["model_digest"]}

    (stored,) = (trained.folder / "mlruns").rglob("signature.json")
    kept = stored.read_bytes()
    stored.unlink()
    for words in (("predict", "none.png"), ("model", "fetch", ".cache/served")):
        unsigned = trained.run("pneumonia", *words, expect=1).stderr
        assert (
            "signature.json: expected a signature by a key of release.pub, found none" in unsigned
        )
    stored.write_bytes(kept)
    card = stored.with_name("model_card.md")
    card.write_text(f"{card.read_text()}\nA better model.\n")
    changed = trained.run("pneumonia", "predict", "none.png", expect=1).stderr
    assert "model_card.md: its bytes are not those that package.json lists" in changed
    healed = trained.run("dvc", "repro").stderr
    assert "files of pneumonia-phantom version 1 were deleted or changed; stored again" in healed
    assert models(trained) == {json.loads(model)["model_digest"]}
