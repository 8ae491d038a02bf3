"""What is served: an alias of a registry, a package, a model file, or the repository's champion."""

from pathlib import Path
from typing import Any

import pytest

from stages.engine.errors import InputError
from stages.registry import signing_key
from stages.serving.following import choosing
from stages.serving.following.choosing import Repository, make_follower
from stages.serving.following.followed import AliasFollower
from stages.serving.following.loading import Loader
from stages.serving.options import ServeOptions
from stages.serving.seams import FixedModel, Follower
from stages.serving.served import ServedModel
from tests.serving.aliases import FakeLoader, package

SERVER = "https://user:secret@registry.example.org"


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "PNEUMONIA_PUBLIC_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")


def make(repository: Repository | None = None, **options: Any) -> Follower:
    return make_follower(ServeOptions(**options), repository, warm=lambda _: None)


def place(follower: Follower) -> tuple[str, str, str]:
    assert isinstance(follower, AliasFollower)
    return follower._place.registry, follower._place.name, follower._place.alias


def repository(root: Path) -> Repository:
    def load(path: Path, loader: Loader) -> ServedModel:
        raise InputError(f"loads {path.name}")

    return Repository(root, "pneumonia", None, load)


@pytest.mark.parametrize(
    ("model", "alias", "found"),
    [
        ("pneumonia-phantom@champion", "champion", ("pneumonia-phantom", "champion")),
        ("models:/pneumonia-phantom@candidate", "champion", ("pneumonia-phantom", "candidate")),
        ("pneumonia-phantom", "candidate", ("pneumonia-phantom", "candidate")),
    ],
)
def test_an_alias_of_a_registry_needs_no_repository(
    model: str, alias: str, found: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    by_option = place(make(model=model, alias=alias, registry=SERVER))
    assert by_option == ("https://registry.example.org", *found)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", SERVER)
    assert place(make(model=model, alias=alias)) == by_option


def test_versions_are_kept_in_the_users_own_folder_or_a_named_one(tmp_path: Path) -> None:
    make(model="a@b", registry=SERVER)
    assert (tmp_path / "cache/pneumonia-pipeline/served/versions").is_dir()
    make(model="a@b", registry=SERVER, kept=tmp_path / "named")
    assert (tmp_path / "named/versions").is_dir()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "expected the address of a registry, received none; give --registry"),
        ({"registry": SERVER}, "expected --model NAME@ALIAS, or the folder of a package"),
        ({"model": "a@b"}, "expected the address of a registry"),
        ({"model": "a@b@c", "registry": SERVER}, "--model a@b@c: expected NAME@ALIAS"),
        ({"model": "a/b", "registry": SERVER}, "--model a/b: expected NAME@ALIAS"),
        ({"model": "m.keras"}, "--model m.keras: expected a model file, found none"),
        ({"model": "."}, "expected the files of a version|package.json: it is missing"),
        ({"model": "a@b", "registry": SERVER, "public_key": Path("k")}, "--public-key: k: "),
    ],
)
def test_what_is_missing_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**options)


def test_a_model_file_needs_the_repository_that_made_it(tmp_path: Path) -> None:
    Path("model.keras").touch()
    with pytest.raises(InputError, match="received a model file, which says neither how"):
        make(model="model.keras")
    with pytest.raises(InputError, match=r"loads model\.keras"):
        make(repository(tmp_path), model="model.keras")


def test_the_default_is_the_champion_of_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="expected one champion of pneumonia, found none"):
        make(repository(tmp_path))
    monkeypatch.setattr(choosing, "name_at", lambda _, alias, stem: f"{stem}-of-{alias}")
    found = place(make(repository(tmp_path), alias="candidate"))
    assert found == (str(tmp_path), "pneumonia-of-candidate", "candidate")


def test_a_registry_that_is_down_tells_how_to_start_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"received no answer .*; with --model NAME@ALIAS"):
        make(repository(tmp_path))


def test_a_package_in_a_folder_is_loaded_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = package(tmp_path, b"a network")
    warmed: list[ServedModel] = []
    served = FakeLoader().version(version, "champion")
    monkeypatch.setattr(Loader, "folder", lambda *_: served)
    options = ServeOptions(model=str(version.package))
    follower = make_follower(options, None, warm=warmed.append)
    assert isinstance(follower, FixedModel)
    assert follower.current is served
    assert warmed == [served]


def test_keys_of_the_option_are_those_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "other"):
        signing_key.create(tmp_path / name, {})
    one = tmp_path / "one.pub"
    monkeypatch.setenv("PNEUMONIA_PUBLIC_KEY", str(one))
    make(model="a@b", registry=SERVER, public_key=one)
    with pytest.raises(InputError, match="PNEUMONIA_PUBLIC_KEY: expected the keys of"):
        make(model="a@b", registry=SERVER, public_key=tmp_path / "other.pub")
