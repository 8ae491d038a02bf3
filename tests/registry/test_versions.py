"""One version per model digest, aliases that only the rule moves, and the quick check."""

import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from stages.engine import wait_budget
from stages.engine.files import canonical_json
from stages.engine.task import NOTHING
from stages.registry import publish as publishing
from stages.registry import time_limit
from stages.registry.aliases import alias_version
from stages.registry.client import Client
from stages.registry.entities import ModelVersion
from stages.registry.publish import publish
from stages.registry.store import Store
from tests.registry import fake

NAME = "pneumonia-phantom"


def all_versions(client: Client) -> list[ModelVersion]:
    found = client.search_model_versions(f"name = '{NAME}'")
    numbers = sorted(int(version.version) for version in found)
    return [client.get_model_version(NAME, str(number)) for number in numbers]


def test_the_same_model_is_one_version(client: Client, store: Store, files: Path) -> None:
    first, second = (publish(fake.release(files), store) for _ in range(2))
    assert first.endswith("version 1 (synthetic images) is now registered, the candidate")
    assert second.endswith("version 1 (synthetic images) is already registered, the candidate")
    # Another run that ends in the same model files: one version, two runs.
    publish(fake.release(files, train={"threads": 1}), store)
    [version] = all_versions(client)
    assert version.tags["model_digest"] == fake.record(files).model
    assert version.tags["test_auroc"] == "0.950 (0.930 to 0.970)"
    assert version.description is not None
    assert version.description.splitlines()[0] == (
        "Test AUROC 0.950 (0.930 to 0.970). Synthetic images: says nothing about patients."
    )
    assert version.tags["git_commit"] == "c0ffee"
    assert client.get_model_version_by_alias(NAME, "candidate").version == version.version


def test_texts_follow_the_words_unless_a_person_edited_them(
    client: Client, store: Store, files: Path
) -> None:
    def described(title: str) -> tuple[str, str]:
        publish(fake.release(files, task=NOTHING.model_copy(update={"title": title})), store)
        model = client.get_registered_model("pneumonia-phantom")
        version = client.get_model_version("pneumonia-phantom", "1")
        return model.description or "", version.description or ""

    for title in ("fractures in wrist X-rays", "breaks in wrist X-rays"):
        for text in described(title):
            assert f"Detects {title}; trained on" in text
    client.update_registered_model("pneumonia-phantom", "Ours.")
    of_model, of_version = described("cracks in wrist X-rays")
    assert of_model == "Ours."
    assert "Detects cracks in wrist X-rays" in of_version


def test_the_model_text_of_an_earlier_version_is_replaced(
    client: Client, store: Store, files: Path
) -> None:
    earlier = "Detects pneumonia in chest X-rays; trained on phantom 1. ... bypasses the gate."
    client.create_registered_model("pneumonia-phantom", {}, earlier)
    publish(fake.release(files), store)
    found = client.get_registered_model("pneumonia-phantom").description or ""
    assert found.startswith("Tells pneumonia images from normal ones; trained on")


def test_the_quick_check_notices_what_is_missing(client: Client, store: Store, files: Path) -> None:
    release = fake.release(files)
    publish(release, store)
    assert "already" in publish(release, store)
    client.delete_registered_model_alias(NAME, "candidate")
    assert "is now registered" in publish(release, store)
    assert client.get_model_version_by_alias(NAME, "candidate")
    [version] = all_versions(client)
    client.delete_model_version(NAME, str(version.version))
    assert "version 2" in publish(release, store)
    assert version.run_id is not None
    client.delete_run(version.run_id)
    assert "is now registered" in publish(release, store)
    assert "already" in publish(release, store)
    (files / "report/model_card.md").write_text("a better card")
    assert "is now registered" in publish(fake.release(files), store)


def test_an_experiment_moves_no_alias(
    client: Client, store: Store, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "purer-sook")
    assert "this is an experiment" in publish(fake.release(files), store)
    assert "already" in publish(fake.release(files), store)
    [version] = all_versions(client)
    assert version.aliases == []


def test_a_model_below_its_floors_is_no_candidate(
    client: Client, store: Store, files: Path
) -> None:
    report = publish(fake.release(files, required={"auroc": 0.99}), store)
    assert "FAIL  auroc, lower bound at least 0.99: 0.930" in report
    assert alias_version(client, NAME, "candidate") is None


def test_release_facts_depend_on_the_files_alone(store: Store, files: Path) -> None:
    release = fake.release(files)
    before = canonical_json(release.facts())
    publish(release, store)
    assert canonical_json(fake.release(files).facts()) == before
    assert '"passed": true' in before
    assert str(files) not in before


def test_a_server_that_is_down_fails_nothing(files: Path) -> None:
    down = Store("http://127.0.0.1:9", None)
    report = publish(fake.release(files), down)
    assert report.startswith("registry: not everything was logged; nothing is lost: ")
    assert "Reason: http://127.0.0.1:9: expected a tracking" in report
    assert len(report.splitlines()) == 1


def test_a_slow_server_is_given_up(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    monkeypatch.setattr(time_limit, "check_server", lambda *_: None)
    monkeypatch.setattr(wait_budget, "spend", lambda: nullcontext(0.01))
    monkeypatch.setattr(publishing, "publish_unlimited", lambda *_, **__: str(never.wait(5)))
    report = publish(fake.release(files), Store("http://slow", None))
    never.set()
    assert "the tracking server used up its 10 s of this `dvc repro`" in report


def test_a_defect_of_this_code_is_not_reported_as_the_servers(
    store: Store, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*_: Any, **__: Any) -> str:
        raise KeyError("ours")

    monkeypatch.setattr(publishing, "publish_unlimited", defect)
    with pytest.raises(KeyError, match="ours"):
        publish(fake.release(files), store)
