"""The key of hashed names: how it is made, and which ones are refused."""

import hashlib
import os
import stat
from pathlib import Path

import pytest

from stages.commands.main import main
from stages.engine.errors import InputError, InvalidSettings
from stages.sources import hash_key
from stages.sources.hash_key import HashKey
from tests.workspace import copy_file


def key_file(folder: Path, secret: bytes, mode: int = 0o600) -> Path:
    path = folder / "names.key"
    path.write_bytes(secret)
    path.chmod(mode)
    return path


def test_the_command_makes_a_key_and_overwrites_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = tmp_path / "repository"
    (here / ".git").mkdir(parents=True)
    copy_file("params.yaml", here)
    monkeypatch.chdir(here)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    assert main(["data", "key", "../names.key"]) == 0
    printed = capsys.readouterr()
    assert "Set `hash_names: ../names.key` in the section fetch of params.yaml" in printed.out
    assert printed.err == ""
    path = tmp_path / "names.key"
    secret = path.read_bytes()
    assert len(secret) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert hash_key.read(path) == HashKey(secret)
    assert secret.hex() not in printed.out

    assert main(["data", "key", "../names.key"]) == 1
    assert "expected no file there, found one, which may be a key in use" in capsys.readouterr().err
    assert path.read_bytes() == secret
    assert main(["data", "key", "none/names.key"]) == 1
    assert "expected an existing folder" in capsys.readouterr().err
    assert main(["data", "key", "names.key"]) == 0
    assert "lies in the repository; move it out or keep it out of git" in capsys.readouterr().err
    assert (here / "names.key").read_bytes() != secret


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        (b"", "received 0 bytes"),
        (b"secret", "received 6 bytes"),
        (bytes(range(31)), "received 31 bytes"),
        (bytes(64), "received 64 bytes, of which 1 differ: it could be guessed"),
        (b"password" * 9, "received 72 bytes, of which 7 differ"),
        (bytes(range(256)) * 300, "received more, of which"),
    ],
)
def test_a_weak_key_is_refused(tmp_path: Path, secret: bytes, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        hash_key.read(key_file(tmp_path, secret))
    assert "make a key with `pneumonia data key PATH`" in str(caught.value)


def test_a_key_for_everybody_is_refused_and_one_for_a_group_is_not(tmp_path: Path) -> None:
    path = key_file(tmp_path, bytes(range(32)), 0o644)
    with pytest.raises(InputError, match=f"run `chmod 600 {path}`"):
        hash_key.read(path)
    path.chmod(0o640)
    hash_key.read(path)


def test_what_is_no_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"expected a key, found no file at .*none\.key; get the file"
    ):
        hash_key.read(tmp_path / "none.key")
    with pytest.raises(InputError, match="received a folder"):
        hash_key.read(tmp_path)
    os.mkfifo(tmp_path / "pipe")  # which nobody writes to: reading it would wait for ever
    with pytest.raises(InputError, match="received a device or pipe"):
        hash_key.read(tmp_path / "pipe")
    with pytest.raises(InvalidSettings, match="received true: names without a key changed as"):
        hash_key.of_params(True)
    assert hash_key.of_params(False) is None


@pytest.mark.parametrize("size", [32, 64, 65, 4096])
def test_the_public_fingerprint_makes_no_name(size: int) -> None:
    # HMAC takes SHA-256 of a key that is longer than its block, so that must stay secret too.
    key = HashKey(bytes(n % 251 for n in range(size)))
    public = bytes.fromhex(key.fingerprint)
    assert public != hashlib.sha256(key.secret).digest()
    assert HashKey(public).name("patient", "a") != key.name("patient", "a")
    assert not key.fingerprint.startswith(key.name("patient", ""))
    assert str(key.secret) not in repr(key)


def test_names_of_two_kinds_differ() -> None:
    key = HashKey(bytes(range(32)))
    assert len({key.name(kind, "a") for kind in ("image", "patient", "group")}) == 3
    assert len(key.name("image", "a")) * 4 >= 64
