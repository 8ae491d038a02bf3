"""What each way to a version does where its files were changed: nothing of them may run."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stages.engine.errors import InputError
from stages.engine.files import sha256_file
from stages.registry.aliases import alias_versions
from stages.registry.client import Client
from stages.registry.connection import open_store
from stages.registry.gate import promote, rollback
from stages.registry.moves import PACKAGE_DIGEST, read_moves
from stages.registry.sealed_package import PACKAGE
from stages.serving.predictor import Predictor
from tests.registry import tampering
from tests.registry.released import CANDIDATE, CHAMPION, PREVIOUS, Released
from tests.registry.tampering import FILES, MARKER, SIGNATURES, Change
from tests.registry.test_gate import NAME, gate


@pytest.fixture
def changed(released: Released, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Released:
    """A copy of the store, for one test to change."""
    monkeypatch.setenv(MARKER, str(tmp_path / "ran"))
    return released.copied(tmp_path / "changed")


def do_predict(client: Client, released: Released, key: Path | None) -> None:
    Predictor.from_champion(released.root, "pneumonia", None, key)


def do_promote(client: Client, released: Released, key: Path | None) -> None:
    rule = replace(gate(), key=key)
    promote(client, released.store, NAME, CANDIDATE, rule, override="whatever it is")


def do_rollback(client: Client, released: Released, key: Path | None) -> None:
    rollback(client, released.store, NAME, why="whatever it is", key=key)


Command = Callable[[Client, Released, Path | None], None]
COMMANDS: dict[str, tuple[Command, str]] = {
    "predict": (do_predict, CHAMPION),
    "promote": (do_promote, CANDIDATE),
    "rollback": (do_rollback, PREVIOUS),
}
EACH_COMMAND = pytest.mark.parametrize(("command", "version"), COMMANDS.values(), ids=COMMANDS)


def require_refused(
    released: Released, client: Client, command: Command, key: Path | None, tmp_path: Path
) -> str:
    """Return the message with which a version is refused, of which nothing has run."""
    before = alias_versions(client, NAME)
    with pytest.raises(InputError) as caught:
        command(client, released, key)
    assert not (tmp_path / "ran").exists()
    assert alias_versions(client, NAME) == before
    return str(caught.value)


@EACH_COMMAND
@pytest.mark.parametrize("change", FILES.values(), ids=FILES)
def test_changed_files_are_refused_and_nothing_of_them_runs(
    changed: Released, tmp_path: Path, change: Change, command: Command, version: str
) -> None:
    client = open_store(changed.store)
    change(changed.folder(client, version))
    message = require_refused(changed, client, command, None, tmp_path)
    assert f"version {version}" in message


@EACH_COMMAND
@pytest.mark.parametrize("change", SIGNATURES.values(), ids=SIGNATURES)
def test_a_signature_that_is_not_by_the_key_is_refused(
    changed: Released, tmp_path: Path, change: Change, command: Command, version: str
) -> None:
    client = open_store(changed.store)
    change(changed.folder(client, version))
    message = require_refused(changed, client, command, changed.key, tmp_path)
    assert "signature" in message


@EACH_COMMAND
def test_a_tag_that_was_changed_with_the_files_does_not_help(
    changed: Released, tmp_path: Path, command: Command, version: str
) -> None:
    """Who trains may write tags of versions: the record of the move, and the key, count more."""
    client = open_store(changed.store)
    folder = changed.folder(client, version)
    tampering.consistently(tampering.code)(folder)
    client.set_model_version_tag(NAME, version, PACKAGE_DIGEST, sha256_file(folder / PACKAGE))
    require_refused(changed, client, command, changed.key, tmp_path)
    if version != CANDIDATE:  # which nobody has decided on yet
        require_refused(changed, client, command, None, tmp_path)


@pytest.mark.parametrize("key", [False, True], ids=["no key", "key"])
@pytest.mark.parametrize("command", ["promote", "rollback"])
def test_unchanged_files_are_accepted(changed: Released, command: str, key: bool) -> None:
    client = open_store(changed.store)
    do, version = COMMANDS[command]
    do(client, changed, changed.key if key else None)
    assert alias_versions(client, NAME)["champion"] == version


def test_each_move_records_the_package_that_was_checked(changed: Released) -> None:
    client = open_store(changed.store)
    do_rollback(client, changed, changed.key)
    digest = {
        number: sha256_file(changed.folder(client, number) / PACKAGE)
        for number in (PREVIOUS, CHAMPION)
    }
    moves = [move for move in read_moves(client, NAME) if move.alias == "champion"]
    assert [(move.kind, move.to, move.package_digest) for move in moves] == [
        ("promote", PREVIOUS, digest[PREVIOUS]),
        ("promote", CHAMPION, digest[CHAMPION]),
        ("rollback", PREVIOUS, digest[PREVIOUS]),
    ]


def test_the_gate_compares_with_no_champion_whose_files_were_changed(
    changed: Released, tmp_path: Path
) -> None:
    client = open_store(changed.store)
    tampering.consistently(tampering.code)(changed.folder(client, CHAMPION))
    outcome = promote(client, changed.store, NAME, CANDIDATE, gate())
    failed = [reason.rule for reason in outcome.verdict.reasons if not reason.passed]
    assert "champion on the same images" in failed
    assert f"{NAME} version {CHAMPION}: " in outcome.reported["not compared"]
    assert not outcome.moved
    assert not (tmp_path / "ran").exists()
