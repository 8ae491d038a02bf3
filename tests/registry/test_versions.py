"""One version per model digest, aliases that only the rule moves, and the quick look."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from stages.engine import wait_budget
from stages.engine.files import canonical_json
from stages.registry import aliases, offer
from stages.registry.store import Store
from tests.registry import fake

NAME = "pneumonia-phantom"


def versions(client: Any) -> list[Any]:
    found = client.search_model_versions(f"name = '{NAME}'")
    return sorted((client.get_model_version(NAME, str(v.version)) for v in found),
                  key=lambda version: int(version.version))  # fmt: skip


def test_the_same_model_is_one_version(client: Any, store: Store, files: Path) -> None:
    said = [offer.offer(fake.offered(files), store) for _ in range(2)]
    assert said[0].endswith("version 1 (synthetic images) is now registered, the candidate")
    assert said[1].endswith("version 1 (synthetic images) is already registered, the candidate")
    # Another run that ends in the same model files: one version, two runs.
    offer.offer(fake.offered(files, train={"threads": 1}), store)
    [version] = versions(client)
    assert version.tags["model_digest"] == fake.record(files).model
    assert version.tags["test_auroc"] == "0.950 (0.930 to 0.970)"
    assert version.description.splitlines()[0] == (
        "Test AUROC 0.950 (0.930 to 0.970). Synthetic images: says nothing about patients."
    )
    assert version.tags["git_commit"] == "c0ffee"
    assert client.get_model_version_by_alias(NAME, "candidate").version == version.version


def test_the_quick_look_sees_what_the_store_lacks(client: Any, store: Store, files: Path) -> None:
    offered = fake.offered(files)
    offer.offer(offered, store)
    assert "already" in offer.offer(offered, store)
    client.delete_registered_model_alias(NAME, "candidate")
    assert "is now registered" in offer.offer(offered, store)
    assert client.get_model_version_by_alias(NAME, "candidate")
    [version] = versions(client)
    client.delete_model_version(NAME, str(version.version))
    assert "version 2" in offer.offer(offered, store)
    client.delete_run(version.run_id)
    assert "is now registered" in offer.offer(offered, store)
    assert "already" in offer.offer(offered, store)
    (files / "report/model_card.md").write_text("a better card")
    assert "is now registered" in offer.offer(fake.offered(files), store)


def test_an_experiment_moves_no_alias(
    client: Any, store: Store, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "purer-sook")
    assert "this is an experiment" in offer.offer(fake.offered(files), store)
    assert "already" in offer.offer(fake.offered(files), store)
    [version] = versions(client)
    assert version.aliases == []


def test_a_model_under_its_floors_is_no_candidate(client: Any, store: Store, files: Path) -> None:
    said = offer.offer(fake.offered(files, required={"auroc": 0.99}), store)
    assert "FAIL  auroc, lower bound at least 0.99: 0.930" in said
    assert aliases.alias_of(client, NAME, "candidate") is None


def test_release_depends_on_the_files_alone(store: Store, files: Path) -> None:
    offered = fake.offered(files)
    before = canonical_json(offer.release(offered.record, offered.verdict))
    offer.offer(offered, store)
    offered = fake.offered(files)
    assert canonical_json(offer.release(offered.record, offered.verdict)) == before
    assert '"passed": true' in before
    assert str(files) not in before


def test_a_dead_server_fails_nothing(files: Path) -> None:
    dead = Store("http://127.0.0.1:9", None)
    said = offer.offer(fake.offered(files), dead)
    assert said.startswith("registry: not all was told (http://127.0.0.1:9: expected a tracking")
    assert "nothing is lost" in said
    assert len(said.splitlines()) == 1


def test_a_slow_server_is_left_behind(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    never = threading.Event()
    monkeypatch.setattr(offer, "knock", lambda *_: None)
    monkeypatch.setattr(wait_budget, "spend", lambda: nullcontext(0.01))
    monkeypatch.setattr(offer, "offer_fully", lambda *_, **__: str(never.wait(5)))
    said = offer.offer(fake.offered(files), Store("http://slow", None))
    never.set()
    assert "the tracking server had its 10 s of this `dvc repro`" in said


def test_our_own_defects_are_not_taken_for_the_servers(
    store: Store, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*_: Any, **__: Any) -> str:
        raise KeyError("ours")

    monkeypatch.setattr(offer, "offer_fully", defect)
    with pytest.raises(KeyError, match="ours"):
        offer.offer(fake.offered(files), store)
