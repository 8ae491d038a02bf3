import hmac
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stages.commands.main import main
from stages.engine.errors import InputError, NotFound
from stages.serving.access import keys
from stages.serving.access.key_ring import KeyRing


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_a_key_is_printed_once_and_only_its_hash_is_stored(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # where there is no params.yaml
    assert main(["keys", "add", "ward-3", "--scope", "images,metrics", "--keys", str(file)]) == 0
    key, notes = capsys.readouterr()
    assert key.startswith("pneumonia_")
    assert len(key.strip()) == len("pneumonia_") + 43  # 256 bits in base64
    assert key.strip() not in file.read_text() + notes
    assert file.stat().st_mode & 0o777 == 0o600
    assert keys.find(keys.read_keys(file), key.strip()) is not None
    monkeypatch.setenv("PNEUMONIA_KEYS", str(file))
    assert main(["keys", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["scopes"], row["revoked"]) for row in listed] == [
        ("ward-3", "images,metrics", "")
    ]
    assert main(["keys", "revoke", "ward-3"]) == 0
    assert keys.find(keys.read_keys(file), key.strip()) is None
    assert main(["keys", "revoke", "ward-3"]) == 1
    assert "none is" in capsys.readouterr().err


def test_a_running_service_sees_new_and_revoked_keys_at_once(file: Path) -> None:
    first = keys.add(file, "first", ["images"])
    ring = KeyRing(file)
    second = keys.add(file, "second", ["metrics"])
    assert ring.find(second) is not None
    keys.revoke(file, "first")
    assert ring.find(first) is None
    assert ring.find(second) is not None


@pytest.mark.parametrize("harm", ["removed", "opened", "damaged"])
def test_no_key_is_valid_while_the_file_can_not_be_read(file: Path, harm: str) -> None:
    key = keys.add(file, "first", ["images"])
    ring = KeyRing(file)
    content = file.read_bytes()
    if harm == "removed":
        file.unlink()
    elif harm == "opened":
        file.chmod(0o640)
    else:
        file.write_bytes(content[:-20])
    for _ in range(2):
        with pytest.raises(InputError):
            ring.find(key)
    file.write_bytes(content)
    file.chmod(0o600)
    assert ring.find(key) is not None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
def test_a_file_that_others_may_use_is_refused(file: Path, mode: int) -> None:
    keys.add(file, "first", ["images"])
    file.chmod(mode)
    with pytest.raises(InputError, match=f"found the permissions {mode:04o}; run `chmod 600"):
        keys.read_keys(file)
    with pytest.raises(InputError, match="permissions"):
        keys.add(file, "second", ["images"])


def test_a_file_of_another_user_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys.add(file, "first", ["images"])
    if os.geteuid() == 0:
        os.chown(file, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(InputError, match="of the user who runs this"):
        keys.read_keys(file)


def test_a_folder_or_pipe_in_place_of_the_file_is_refused(file: Path) -> None:
    os.mkfifo(file, 0o600)
    with pytest.raises(InputError, match="folder, device or pipe"):
        keys.read_keys(file)
    with pytest.raises(InputError, match="folder, device or pipe"):
        keys.read_keys(file.parent)


@pytest.mark.parametrize("name", ["", "Ward", "a b", "../x", "-x", "é", "a" * 65, "a\n"])
def test_names_are_of_few_characters(file: Path, name: str) -> None:
    with pytest.raises(InputError, match="expected a name of 1 to 64"):
        keys.add(file, name, ["images"])
    assert not file.exists()


def test_a_name_is_never_given_twice(file: Path) -> None:
    keys.add(file, "ward", ["images"])
    with pytest.raises(InputError, match="a valid one"):
        keys.add(file, "ward", ["images"])
    keys.revoke(file, "ward")
    with pytest.raises(InputError, match="one revoked 2"):
        keys.add(file, "ward", ["images"])


def test_unknown_scopes_are_refused(file: Path) -> None:
    with pytest.raises(InputError, match="expected some of images,metrics, received all"):
        keys.add(file, "ward", ["images", "all"])
    with pytest.raises(InputError, match="received none"):
        keys.add(file, "ward", [])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"format": 2, "keys": []}',
        b'{"format": 1, "keys": [1]}',
        b"[" * 100000,
    ],
)
def test_another_content_is_refused_without_printing_it(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(InputError, match="as `pneumonia keys add` writes it, found something else"):
        keys.read_keys(file)


def test_a_file_without_valid_keys_starts_no_service(file: Path) -> None:
    with pytest.raises(NotFound, match="pneumonia keys add NAME"):
        KeyRing(file)
    keys.add(file, "ward", ["images"])
    keys.revoke(file, "ward")
    with pytest.raises(InputError, match="expected a valid key, found none"):
        KeyRing(file)


def test_keys_made_at_the_same_time_are_all_there(file: Path) -> None:
    def make(number: int) -> None:
        words = ["keys", "add", f"k{number}", "--scope", "images", "--keys", str(file)]
        command = [sys.executable, "-m", "stages.commands.main", *words]
        subprocess.run(command, check=True, capture_output=True)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(make, range(3)))
    assert {key.name for key in keys.read_keys(file)} == {"k0", "k1", "k2"}


def test_every_stored_digest_is_compared(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [keys.add(file, f"k{number}", ["images"]) for number in range(3)]
    compared: list[str] = []
    real = hmac.compare_digest

    def note(one: str, other: str) -> bool:
        compared.append(one)
        return bool(real(one, other))

    monkeypatch.setattr(hmac, "compare_digest", note)
    found = keys.find(keys.read_keys(file), made[0])
    assert found is not None
    assert found.name == "k0"
    assert len(compared) == 3
