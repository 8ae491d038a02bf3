"""`pneumonia model key`: the pair that versions are signed with."""

from pathlib import Path

import pytest

from stages.commands.main import main
from stages.registry import signature, signing_key
from tests.workspace import copy_file


def test_a_pair_of_keys_is_made_and_its_use_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = tmp_path / "repository"
    (here / ".git").mkdir(parents=True)
    copy_file("params.yaml", here)
    monkeypatch.chdir(here)
    for name in ("DVC_ROOT", "PNEUMONIA_KEY_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)
    assert main(["model", "key", "../release.key"]) == 0
    printed = capsys.readouterr()
    private = tmp_path / "release.key"
    (public,) = signature.read_public_keys(tmp_path / "release.key.pub")
    assert signature.fingerprint(public) in printed.out
    assert "`public_key` in the section register of params.yaml" in printed.out
    assert printed.err == ""
    assert signing_key.read(private, {}).public_key() == public

    assert main(["model", "key", "../release.key"]) == 1
    assert "release.key.pub: expected no file there, found one" in capsys.readouterr().err
    assert main(["model", "key", "here.key"]) == 0
    assert "lies in the repository; move it out or keep it out of git" in capsys.readouterr().err
