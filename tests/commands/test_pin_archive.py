"""`pneumonia data pin` writes three values into params.yaml, and not a character more."""

import shutil
from pathlib import Path

import pytest
import yaml

from stages.commands.main import main
from stages.commands.params_text import with_values
from stages.engine.errors import InvalidSettings
from stages.engine.files import sha256_file
from stages.settings import params
from stages.sources.options import FetchOptions
from tests.sources.archives.broken import VALID, folder_of, zip_of
from tests.workspace import ROOT


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def one() -> FetchOptions:
    loaded = params.load().fetch
    assert isinstance(loaded, FetchOptions)
    return loaded


def test_an_archive_is_pinned(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zip_of(VALID)(here)
    before = Path("params.yaml").read_text(encoding="utf-8").splitlines()
    assert main(["data", "pin", "images.zip"]) == 0
    after = Path("params.yaml").read_text(encoding="utf-8").splitlines()
    assert len(before) == len(after)
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert [new.split("#")[0].split() for _, new in changed] == [
        ["source:", "archive"],
        ["path:", "images.zip"],
        ["sha256:", sha256_file(Path("images.zip"))],
    ]
    assert all(old.partition("#")[2] == new.partition("#")[2] for old, new in changed)
    assert all(  # a comment keeps its column if the new value is short enough
        new.index("#") == old.index("#") or new.split("#")[0].endswith(f"{new.split()[1]}  ")
        for old, new in changed
    )
    loaded = one()
    assert (loaded.source, loaded.path, loaded.labels) == ("archive", "images.zip", None)
    assert "48 images" in capsys.readouterr().out
    assert main(["data", "pin", "images.zip"]) == 0
    assert Path("params.yaml").read_text(encoding="utf-8").splitlines() == after


def test_a_folder_of_an_odd_name_is_pinned_too(here: Path) -> None:
    folder_of(VALID)(here).path.rename("my images: # 1 é")
    assert main(["data", "pin", "my images: # 1 é"]) == 0
    assert one().path == "my images: # 1 é"


def test_what_is_refused_is_not_pinned(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = Path("params.yaml").read_bytes()
    assert main(["data", "pin", "none.zip"]) == 1
    zip_of({})(here)
    assert main(["data", "pin", "images.zip"]) == 1
    message = capsys.readouterr().err
    assert "found nothing at none.zip" in message
    assert "expected images of both classes" in message
    assert Path("params.yaml").read_bytes() == before


def test_weights_are_pinned_where_the_network_takes_some(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = Path("start.weights.h5")
    before = Path("params.yaml").read_text(encoding="utf-8")
    assert main(["data", "pin", str(weights)]) == 1
    assert "expected a file of weights, found none" in capsys.readouterr().err
    weights.write_bytes(b"weights")
    assert (
        main(["data", "pin", str(weights)]) == 1
    )  # the compact network takes a finished model alone
    assert "train.weights: expected a file .keras or null" in capsys.readouterr().err
    assert Path("params.yaml").read_text(encoding="utf-8") == before
    Path("params.yaml").write_text(before.replace("network: compact", "network: MobileNet"))
    assert main(["data", "pin", str(weights)]) == 0
    train = params.load().train
    assert train.weights_file == str(weights)
    assert train.weights_sha256 == sha256_file(weights)


def test_a_finished_model_is_pinned_for_any_network(here: Path) -> None:
    finished = Path("model.keras")
    finished.write_bytes(b"model")
    assert main(["data", "pin", str(finished)]) == 0
    train = params.load().train
    assert train.network == "compact"
    assert (train.weights_file, train.weights_sha256) == (str(finished), sha256_file(finished))


STYLES = pytest.mark.parametrize(
    "text",
    [
        "fetch:\n  path:\n  b: 1  # c\n",
        "fetch: {path: null, b: 1}\n",
        "fetch: {path: , b: 1}\n",
        "b: 2\nfetch:\n  path: 'x''y'   # why\n  b: 1\n",
        "fetch:\n  path: >-\n    folded\n    text\n  b: 1\n",
        "c: [ 1,2 ]\nd: ~\ne: TRUE\nf: 0.200\n\n\nfetch:\n    path: null\n    b: 1",
    ],
)


@STYLES
def test_any_style_of_yaml_is_kept(text: str) -> None:
    changed = with_values(text, ("fetch",), {"path": "new: 1"})
    assert yaml.safe_load(changed)["fetch"] == {"path": "new: 1", "b": 1}
    assert ("# why" in changed) == ("# why" in text)
    untouched = [line for line in text.splitlines() if "path" not in line and "    f" not in line]
    assert set(untouched) - set(changed.splitlines()) <= {"    text"}


@STYLES
def test_line_ends_are_kept(text: str) -> None:
    changed = with_values(text.replace("\n", "\r\n"), ("fetch",), {"path": "new: 1"})
    assert changed == with_values(text, ("fetch",), {"path": "new: 1"}).replace("\n", "\r\n")


def test_a_file_with_windows_line_ends_keeps_them(here: Path) -> None:
    zip_of(VALID)(here)
    path = Path("params.yaml")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    lines = path.read_bytes().count(b"\r\n")
    assert main(["data", "pin", "images.zip"]) == 0
    assert path.read_bytes().count(b"\r\n") == path.read_bytes().count(b"\n") == lines


@pytest.mark.parametrize("source", ["archive", "phantom", "kermany"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_with_a_path_of_null_and_no_last_line_end_is_pinned(
    here: Path, source: str, end: str
) -> None:
    zip_of(VALID)(here)
    path = Path("params.yaml")
    text = path.read_text(encoding="utf-8").replace("source: phantom ", f"source: {source} ")
    path.write_bytes(text.rstrip("\n").replace("\n", end).encode())
    before = path.read_bytes()
    assert main(["data", "pin", "images.zip"]) == 0
    after = path.read_bytes()
    sha256 = sha256_file(Path("images.zip"))
    given = [f"source: {source} ", "path: null ", "sha256: null "]
    expected = before.decode()
    for old, key, value in zip(
        given, ("source", "path", "sha256"), ("archive", "images.zip", sha256), strict=True
    ):
        start = expected.index(old)
        comment = expected.index("#", start)
        width = max(comment - start, len(f"{key}: {value}") + 2)
        expected = expected[:start] + f"{key}: {value}".ljust(width) + expected[comment:]
    assert after.decode() == expected


def test_other_params_are_checked_before_the_archive_is_read(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path("params.yaml")
    path.write_text(path.read_text(encoding="utf-8").replace("epochs: 36", "epochs: 0"))
    assert main(["data", "pin", "none.zip"]) == 1
    assert "train.epochs: expected" in capsys.readouterr().err
    path.write_text("fetch: [")
    assert main(["data", "pin", "none.zip"]) == 1
    assert "not valid YAML" in capsys.readouterr().err


def test_a_missing_key_is_named() -> None:
    with pytest.raises(InvalidSettings, match=r"fetch\.path: the key is missing; add `path: null`"):
        with_values("fetch: {}\n", ("fetch",), {"path": "x"})


SEVERAL = """\
fetch:
  sources:
    - name: lyon  # the first
      kind: archive
      path: a.zip
      sha256: null
    - {name: paris, kind: archive, path: images.zip, sha256: null, use: judge}
    - name: drawn
      kind: phantom
      phantom: {seed: 0, patients_train: 4, patients_test: 4, confound: 0.9}
"""


@pytest.fixture
def several(here: Path) -> Path:
    text = Path("params.yaml").read_text(encoding="utf-8")
    Path("params.yaml").write_text(SEVERAL + text[text.index("\npreprocess:") :], encoding="utf-8")
    zip_of(VALID)(here)
    shutil.copy("images.zip", "a.zip")
    return here


def pins() -> list[str | None]:
    return [source.sha256 for source in params.load().fetch.listed]


@pytest.mark.usefixtures("several")
def test_one_source_of_several_is_pinned_by_its_name() -> None:
    before = Path("params.yaml").read_text(encoding="utf-8")
    assert main(["data", "pin", "images.zip", "--source", "paris"]) == 0
    sha256 = sha256_file(Path("images.zip"))
    assert pins() == [None, sha256, None]
    pinned = f"path: images.zip, sha256: {sha256}"
    after = before.replace("path: images.zip, sha256: null", pinned)
    assert Path("params.yaml").read_text(encoding="utf-8") == after


@pytest.mark.usefixtures("several")
def test_without_a_path_every_archive_is_pinned_as_params_name_it() -> None:
    assert main(["data", "pin"]) == 0
    assert pins() == [sha256_file(Path("a.zip"))] * 2 + [None]


@pytest.mark.usefixtures("several")
@pytest.mark.parametrize("words", [["a.zip"], ["a.zip", "--source", "drawn"], ["--source", "no"]])
def test_it_must_be_clear_which_source_is_pinned(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "pin", *words]) == 1
    message = capsys.readouterr().err
    assert "expected --source with the name of an archive" in message
    assert "(lyon, paris), received" in message


@pytest.mark.usefixtures("here")
def test_a_pin_without_a_path_needs_one_in_params(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "pin"]) == 1
    assert "fetch.path names no archive" in capsys.readouterr().err
