"""Signing a stored version."""

from dataclasses import replace
from pathlib import Path

import pytest

from stages.commands.main import main
from stages.engine.errors import InputError
from stages.registry import signing_key
from stages.registry.client import Client
from stages.registry.connection import open_store
from stages.registry.gate import promote
from stages.registry.publish import publish_unlimited
from stages.registry.sealed_package import PACKAGE
from stages.registry.signature import SIGNATURE, UntrustedVersionError, verify
from stages.registry.signing import sign_version
from stages.registry.store import Store
from tests.registry import fake, format_1, tampering
from tests.registry.released import CANDIDATE, CHAMPION, Released
from tests.registry.server import Server
from tests.registry.test_gate import NAME, gate
from tests.workspace import copy_file


@pytest.fixture
def copied(released: Released, tmp_path: Path) -> Released:
    return released.copied(tmp_path / "copied")


@pytest.fixture
def stored(copied: Released) -> Client:
    return open_store(copied.store)


def signed_by(folder: Path, key: Path) -> str:
    return verify((folder / PACKAGE).read_bytes(), (folder / SIGNATURE).read_bytes(), key)


def test_a_signature_is_added_once_and_replaced_by_that_of_another_key(
    copied: Released, stored: Client, tmp_path: Path
) -> None:
    entry, folder = stored.get_model_version(NAME, CANDIDATE), copied.folder(stored, CANDIDATE)
    private = signing_key.read(copied.private, {})
    before = (folder / SIGNATURE).read_bytes()
    assert not sign_version(stored, NAME, entry, private, packed=None).added
    (folder / SIGNATURE).unlink()
    assert sign_version(stored, NAME, entry, private, packed=None).added
    assert (folder / SIGNATURE).read_bytes() == before
    other = signing_key.create(tmp_path / "other.key", {})
    signed = sign_version(
        stored, NAME, entry, signing_key.read(tmp_path / "other.key", {}), packed=None
    )
    assert (signed.added, signed.key) == (True, other)
    assert signed_by(folder, tmp_path / "other.key.pub") == other
    with pytest.raises(UntrustedVersionError):
        signed_by(folder, copied.key)


def test_what_is_not_as_recorded_or_as_packed_here_is_not_signed(
    copied: Released, stored: Client
) -> None:
    entry, folder = stored.get_model_version(NAME, CANDIDATE), copied.folder(stored, CANDIDATE)
    private = signing_key.read(copied.private, {})
    (folder / SIGNATURE).unlink()
    with pytest.raises(InputError, match="expected the package that the files here give"):
        sign_version(stored, NAME, entry, private, packed="another")
    tampering.consistently(tampering.code)(folder)
    with pytest.raises(InputError, match=f"{NAME} version {CANDIDATE}: "):
        sign_version(stored, NAME, entry, private, packed=None)
    assert not (folder / SIGNATURE).exists()


def test_a_version_of_format_1_is_not_signed(
    copied: Released, client: Client, store: Store, tmp_path: Path
) -> None:
    earlier = format_1.unpack(tmp_path / "earlier")
    version = format_1.register(client, store, earlier)
    entry = client.get_model_version(NAME, version)
    with pytest.raises(InputError, match="found one that can't be signed"):
        sign_version(client, NAME, entry, signing_key.read(copied.private, {}), packed=None)


@pytest.fixture
def here(copied: Released, monkeypatch: pytest.MonkeyPatch) -> Released:
    """The copy as a repository with params, and the current folder."""
    copy_file("params.yaml", copied.root)
    (copied.root / ".git").mkdir()
    monkeypatch.chdir(copied.root)
    monkeypatch.delenv("PNEUMONIA_PUBLIC_KEY", raising=False)
    return copied


def test_the_command_signs_the_candidate_or_the_version_that_is_named(
    here: Released, copied: Released, stored: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copied.folder(stored, CANDIDATE)
    (folder / SIGNATURE).unlink()
    words = ["model", "sign", "--source", "phantom", "--key", str(copied.private)]
    assert main(words) == 0
    printed = capsys.readouterr()
    assert f"{NAME}: version {CANDIDATE} (package " in printed.out
    assert "is now signed by the key" in printed.out
    assert "the files here are not those of version" in printed.err
    signed_by(folder, copied.key)
    assert main([*words, CHAMPION]) == 0
    assert f"version {CHAMPION} (package " in (out := capsys.readouterr().out)
    assert "is already signed" in out
    assert main([*words, "7"]) == 1
    assert "expected a version, received '7'" in capsys.readouterr().err
    assert main(["model", "sign", "--key", "none.key"]) == 1
    assert "none.key: expected an Ed25519 private key, found no file" in capsys.readouterr().err


def test_a_version_is_fetched_into_a_folder_once_it_is_checked(
    here: Released,
    stored: Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["model", "fetch", "--source", "phantom"]
    monkeypatch.setenv("PNEUMONIA_PUBLIC_KEY", str(here.key))
    assert main([*words, "served"]) == 0
    printed = capsys.readouterr().out
    assert f"served: the files of {NAME} version {CHAMPION}, as recorded, and signed" in printed
    assert (here.root / "served/MLmodel").exists()
    recorded = here.folder(stored, CHAMPION) / PACKAGE
    assert (here.root / "served" / PACKAGE).read_bytes() == recorded.read_bytes()
    assert main([*words, "served"]) == 1
    assert "served: expected no such file or folder" in capsys.readouterr().err

    tampering.entry(here.folder(stored, CHAMPION))
    assert main([*words, "other"]) == 1
    assert f"{NAME} version {CHAMPION}: " in capsys.readouterr().err
    assert not (here.root / "other").exists()
    assert main([*words, "other", CANDIDATE]) == 0
    assert main(["model", "fetch", "--source", "nothing", "another"]) == 1
    assert "expected a champion, found none" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["promote", "rollback", "predict image.png", "model fetch other"])
def test_a_missing_public_key_is_an_error_before_any_work(
    words: str, here: Released, capsys: pytest.CaptureFixture[str]
) -> None:
    params = here.root / "params.yaml"
    text = params.read_text()
    params.write_text(text.replace("public_key: null", "public_key: none.pub"))
    assert params.read_text() != text
    assert main(words.split()) == 1
    message = "register.public_key: none.pub: expected an Ed25519 public key, found no file"
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_a_version_on_a_server_is_signed_and_promoted(
    mlflow_imported: None, files: Path, tmp_path: Path
) -> None:
    server = Server(tmp_path / "server")
    server.start()
    try:
        store = Store(server.uri, None)
        version = publish_unlimited(fake.release(files), store, candidate=True)
        client = open_store(store)
        signing_key.create(tmp_path / "release.key", {})
        signed = replace(gate(), key=tmp_path / "release.key.pub")
        with pytest.raises(UntrustedVersionError, match="found none"):
            promote(client, store, NAME, version, signed, override="a test")
        entry = client.get_model_version(NAME, version)
        private = signing_key.read(tmp_path / "release.key", {})
        assert sign_version(client, NAME, entry, private, packed=None).added
        assert not sign_version(client, NAME, entry, private, packed=None).added
        assert promote(client, store, NAME, version, signed, override="a test").moved
    finally:
        server.kill()
