"""A version of format 1 keeps answering, and what it answers with is recorded from now on."""

import base64
import json
import os
import subprocess
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stages.engine.errors import InputError
from stages.images.options import PixelOptions
from stages.images.prepare import prepare
from stages.images.prepared_images import record_from_index
from stages.images.shard_writer import ShardWriter
from stages.images.shards import open_shards
from stages.registry import signing_key
from stages.registry.aliases import alias_versions
from stages.registry.client import Client
from stages.registry.earlier_package import checked_copy, files_digest
from stages.registry.gate import promote
from stages.registry.moves import move_alias, read_moves
from stages.registry.opened_version import open_version
from stages.registry.paired_decisions import ComparedVersion, decide
from stages.registry.signature import UntrustedVersionError
from stages.registry.store import Store
from stages.serving.predictor import Predictor
from stages.sources.index import open_raw
from stages.sources.received import NamedSource, ReceivedImage, Source
from stages.sources.writer import write_raw
from tests.registry import fake, format_1
from tests.registry.format_1 import NAME, Earlier
from tests.registry.server import served
from tests.registry.test_gate import gate


@pytest.fixture
def earlier(tmp_path: Path) -> Earlier:
    return format_1.unpack(tmp_path / "earlier")


@pytest.fixture
def champion(client: Client, store: Store, earlier: Earlier) -> Store:
    format_1.register(client, store, earlier, alias="champion")
    return store


PREDICT = """
import json, sys
from pathlib import Path
from stages.serving.predictor import Predictor

predictor = Predictor.from_champion(Path(sys.argv[1]), "pneumonia")
answers = predictor.predict([Path(image) for image in sys.argv[2:]])
rows = [[a.probability, a.decision, a.model, a.reason] for a in answers]
print(json.dumps([rows, predictor.cautions]))
"""


@pytest.mark.slow
def test_it_answers_as_champion_as_its_own_commit_did(champion: Store, earlier: Earlier) -> None:
    assert champion.folder is not None
    images = [*map(str, earlier.images), __file__]
    finished = subprocess.run(
        [sys.executable, "-c", PREDICT, str(champion.folder.parent), *images],
        capture_output=True,
        text=True,
        check=True,
        cwd=fake.ROOT,
        env={**os.environ, "MLFLOW_TRACKING_URI": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    (*answers, refused), [caution] = json.loads(finished.stdout.splitlines()[-1])
    assert caution.startswith("pneumonia-phantom version 1 is of format 1: its code and files were")
    assert "no image is refused" in caution
    for (probability, decision, model, reason), expected in zip(
        answers, earlier.answers, strict=True
    ):
        # Equal to the bit on processors of the class that recorded it.
        assert (decision, model, reason) == (expected[1], earlier.model, None)
        assert probability == pytest.approx(expected[0], abs=1e-5)
    assert refused[:2] == [None, None]
    assert refused[3]
    assert {decision for _, decision in earlier.answers} == {"normal", "pneumonia"}


def move_again(client: Client, store: Store, digest: str) -> None:
    """Record a move to the version with the digest of its files."""
    client.delete_registered_model_alias(format_1.NAME, "champion")
    move_alias(
        client,
        store,
        format_1.NAME,
        "champion",
        "1",
        kind="promote",
        why="a test",
        package_digest=digest,
    )


def test_as_champion_it_is_refused_where_its_files_are_not_those_on_record(
    client: Client, champion: Store, earlier: Earlier
) -> None:
    assert champion.folder is not None
    move_again(client, champion, files_digest(earlier.package))
    [stored] = champion.folder.rglob("classifier.py")
    with stored.open("a") as handle:
        handle.write("raise SystemExit('it ran')\n")
    with pytest.raises(InputError, match="expected the files that were promoted"):
        Predictor.from_champion(champion.folder.parent, "pneumonia")


def test_where_versions_have_to_be_signed_it_is_refused(champion: Store, tmp_path: Path) -> None:
    assert champion.folder is not None
    with pytest.raises(UntrustedVersionError, match="one of format 1, which can't be signed"):
        Predictor.from_champion(champion.folder.parent, "pneumonia", key=tmp_path / "key.pub")


def test_the_digest_covers_every_file_but_what_mlflow_and_python_add(
    earlier: Earlier, tmp_path: Path
) -> None:
    package = earlier.package
    recorded = files_digest(package)
    (package / "registered_model_meta").write_text("model_name: x\n")
    bytecode = package / "code/pneumonia_1901b1bcbfdd/__pycache__"
    bytecode.mkdir()
    (bytecode / "__init__.cpython-311.pyc").write_bytes(b"bytecode")
    assert files_digest(package) == recorded
    copied = checked_copy(package, tmp_path / "copy", model=earlier.model, expected=recorded)
    assert copied == recorded
    assert not list((tmp_path / "copy").rglob("*.pyc"))
    assert not (tmp_path / "copy/registered_model_meta").exists()


@pytest.mark.parametrize(
    "name",
    ["MLmodel", "pyfunc_model.py", "model_card.md", "code/pneumonia_1901b1bcbfdd/images/resize.py"],
)
def test_a_changed_file_is_refused_where_a_digest_is_recorded(
    earlier: Earlier, tmp_path: Path, name: str
) -> None:
    recorded = files_digest(earlier.package)
    with (earlier.package / name).open("a") as handle:
        handle.write("\n# changed\n")
    for number, expected in enumerate((recorded, None)):
        into = tmp_path / f"{number}"
        if expected is None:  # promoted before there were records: nothing to compare with
            checked_copy(earlier.package, into, model=earlier.model, expected=None)
            continue
        with pytest.raises(InputError, match="expected the files that were promoted"):
            checked_copy(earlier.package, into, model=earlier.model, expected=expected)


def test_a_champion_that_was_promoted_by_this_code_is_refused_once_changed(
    client: Client, store: Store, earlier: Earlier, tmp_path: Path
) -> None:
    version = format_1.register(client, store, earlier)
    promoted = promote(client, store, NAME, version, gate(), override="a test")
    assert promoted.moved
    (move,) = [move for move in read_moves(client, NAME) if move.alias == "champion"]
    assert move.package_digest == files_digest(earlier.package)
    assert store.folder is not None
    (code,) = store.folder.rglob("classifier.py")
    code.write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n{code.read_text()}")
    with pytest.raises(InputError, match=f"{NAME} version {version}: .*the files that were promo"):
        Predictor.from_champion(store.folder.parent, "pneumonia")
    assert not (tmp_path / "ran").exists()
    signing_key.create(tmp_path / "release.key", {})
    for key in (tmp_path / "release.key.pub", None):
        with pytest.raises(InputError, match=f"{NAME} version {version}: "):
            promote(client, store, NAME, version, replace(gate(), key=key), alias="trial")
    assert "trial" not in alias_versions(client, NAME)


def test_added_and_removed_files_and_links_are_refused(earlier: Earlier, tmp_path: Path) -> None:
    package = earlier.package
    recorded = files_digest(package)

    def problem(into: str) -> str:
        with pytest.raises(InputError) as caught:
            checked_copy(package, tmp_path / into, model=earlier.model, expected=recorded)
        return str(caught.value)

    added = package / "code/json.py"  # imported in place of Python's own
    added.write_text("print('hello')\n")
    assert "a file was changed, added or removed" in problem("added")
    added.unlink()
    (package / "model_card.md").rename(tmp_path / "model_card.md")
    assert "a file was changed, added or removed" in problem("removed")
    (package / "model_card.md").symlink_to(tmp_path / "model_card.md")
    assert "model_card.md: expected a file of a version, found a link" in problem("link")


def test_another_network_is_refused_without_a_record_as_well(
    earlier: Earlier, tmp_path: Path
) -> None:
    point = earlier.package / "artifacts/operating_point.json"
    point.write_text(point.read_text().replace('"prior": 0.5', '"prior": 0.4'))
    with pytest.raises(InputError, match=r"expected the model d49da28a03e4, found"):
        checked_copy(earlier.package, tmp_path / "copy", model=earlier.model, expected=None)


@pytest.fixture
def phantoms(earlier: Earlier, tmp_path: Path) -> Path:
    """data/raw and data/shards of the four phantoms, two of each class, as validation images."""
    images = [
        ReceivedImage(
            path.name,
            path.read_bytes(),
            int(number >= 2),
            kind="",
            patient=path.stem,
            split_group=path.stem,
            source_split="train",
        ).named("phantom")
        for number, path in enumerate(earlier.images)
    ]
    for name in ("raw", "shards"):
        (tmp_path / name).mkdir()
    source = Source("phantom", "", "1", "none", "none", "", pinned=True, synthetic=True)
    write_raw(tmp_path / "raw", images, [NamedSource("phantom", "train", source)])
    pixels = PixelOptions(image_px=64, aspect="stretch")
    with ShardWriter(tmp_path / "shards", 64) as writer:
        for image in open_raw(tmp_path / "raw")[0]:
            for role in ("val", "val_tail"):
                writer.add(role, record_from_index(image.row), prepare(image.read(), pixels))
        writer.finish({"options": {}, "source": {}, "test": "cut by patient", "unreadable": 0})
    return tmp_path


@pytest.mark.slow
def test_the_gate_has_its_decisions_on_files_and_on_pixels(
    client: Client, store: Store, earlier: Earlier, phantoms: Path, tmp_path: Path
) -> None:
    version = format_1.register(client, store, earlier, alias="champion")
    entry = client.get_model_version(NAME, version)
    package = open_version(client, NAME, entry, tmp_path / "opened", key=None)
    expected = [int(decision == "pneumonia") for _, decision in earlier.answers]
    here = str(open_shards(phantoms / "shards").manifest["digest"])
    for data in (here, "another data set"):
        versions = [ComparedVersion(number, data, package, frozenset) for number in ("2", "1")]
        found = decide(*versions, shards=phantoms / "shards", raw=phantoms / "raw")
        order = np.argsort(found.paired.patient[found.paired.role == "val_tail"])
        assert found.paired.champion[found.paired.role == "val_tail"][order].tolist() == expected


@pytest.mark.slow
def test_mlflow_serves_it(champion: Store, earlier: Earlier, tmp_path: Path) -> None:
    images = [base64.b64encode(image.read_bytes()).decode() for image in earlier.images]
    body = {"dataframe_split": {"columns": ["image"], "data": [[image] for image in images]}}
    with served(f"models:/{NAME}@champion", tmp_path, MLFLOW_TRACKING_URI=champion.uri) as address:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(address, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            answers = json.load(response)["predictions"]
    assert [answer["decision"] for answer in answers] == [each for _, each in earlier.answers]
    found = [answer["probability"] for answer in answers]
    assert found == pytest.approx([each for each, _ in earlier.answers], abs=1e-5)
