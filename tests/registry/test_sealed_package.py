"""A package is opened whole and unchanged or not at all, and nothing of it is imported before."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.engine.errors import InputError
from stages.engine.files import sha256_bytes, sha256_file
from stages.registry import packaging
from stages.registry.sealed_package import CODE, PACKAGE, SealedPackage, open_sealed
from tests.registry import fake

MARKER = "PACKAGE_TEST_MARKER"
EVIL = f"import os, pathlib\npathlib.Path(os.environ['{MARKER}']).touch()\n"


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that packaged code creates where it runs."""
    monkeypatch.setenv(MARKER, str(tmp_path / "it ran"))
    return tmp_path / "it ran"


@pytest.fixture
def package(files: Path, tmp_path: Path) -> Path:
    packaging.save(tmp_path / "package", fake.record(files), root=fake.ROOT, lock=fake.LOCK)
    return tmp_path / "package"


def digest_of(package: Path) -> str:
    return sha256_file(package / PACKAGE)


def opened(package: Path, expected: str | None = None) -> SealedPackage:
    return open_sealed(package, expected=expected or digest_of(package), key=None)


def rewrite(package: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the content of package.json."""
    facts = json.loads((package / PACKAGE).read_bytes())
    change(facts)
    (package / PACKAGE).write_text(json.dumps(facts))


def test_its_digest_covers_every_file(package: Path) -> None:
    sealed = opened(package)
    found = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}
    assert set(sealed.facts["files"]) == found - {PACKAGE}
    assert sealed.digest == sha256_bytes((package / PACKAGE).read_bytes())
    assert len(found) == 16
    (package / "registered_model_meta").write_text("model_name: x\n")  # as MLflow's download does
    assert opened(package) == sealed


def test_a_changed_or_missing_file_is_named(package: Path) -> None:
    for name in opened(package).facts["files"]:
        path = package / name
        content = path.read_bytes()
        path.write_bytes(content + b" ")
        with pytest.raises(InputError, match=rf"changed: {name}: its bytes are not those"):
            opened(package)
        path.unlink()
        with pytest.raises(InputError, match=rf"changed: {name}: it is missing"):
            opened(package)
        path.write_bytes(content)
    opened(package)


def test_another_package_than_expected_is_refused(package: Path) -> None:
    expected = digest_of(package)
    (package / "model_card.md").write_text("a better card")
    rewrite(
        package,
        lambda facts: facts["files"].update(
            {"model_card.md": sha256_file(package / "model_card.md")}
        ),
    )
    opened(package)  # it fits itself
    with pytest.raises(InputError, match=rf"package.json: the registry expects {expected[:12]}"):
        opened(package, expected)


def link_a_file(package: Path) -> None:
    (package / "model_card.md").rename(package.parent / "card")
    (package / "model_card.md").symlink_to(package.parent / "card")


def link_a_folder(package: Path) -> None:
    (package / "artifacts").rename(package.parent / "elsewhere")
    (package / "artifacts").symlink_to(package.parent / "elsewhere")


def add_a_pipe(package: Path) -> None:
    os.mkfifo(package / "pipe")


def add_a_module(package: Path) -> None:
    (package / "json.py").write_text(EVIL)


def add_bytecode(package: Path) -> None:
    (package / "__pycache__").mkdir()
    (package / "__pycache__/pyfunc_model.cpython-311.pyc").write_bytes(b"bytecode")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (link_a_file, "model_card.md: it is a link"),
        (link_a_folder, "artifacts: it is a link"),
        (add_a_pipe, "pipe: it is a link or no file"),
        (add_a_module, "json.py: package.json does not list it"),
        (add_bytecode, "__pycache__/pyfunc_model.cpython-311.pyc: package.json does not list it"),
    ],
)
def test_links_and_foreign_files_are_refused(
    change: Callable[[Path], None], named: str, package: Path
) -> None:
    change(package)
    with pytest.raises(InputError, match=named):
        opened(package)


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "/etc/hostname",
        "artifacts/../../secret",
        "./MLmodel",
        "a//b",
        "..",
        "a\\b",
        "a\0",
    ],
)
def test_a_listed_path_outside_is_refused(name: str, package: Path) -> None:
    (package.parent / "secret").write_text("x")
    rewrite(package, lambda facts: facts["files"].update({name: 64 * "0"}))
    with pytest.raises(InputError, match="among its files"):
        opened(package)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda facts: facts.update(format=3), "it has format 3, which this code does not read"),
        (lambda facts: facts.pop("files"), "it has no 'files'"),
        (lambda facts: facts["files"].update(MLmodel="0"), "'MLmodel' among its files"),
        (lambda facts: facts["files"].pop(CODE), "it has no 'artifacts/code.zip'"),
        (lambda facts: facts["code"].update(package="os"), "'os' as the name of its code"),
        (lambda facts: facts["code"].update(digest="0"), "that is not that of its files"),
        (lambda facts: facts["pixels"].update(image_px=64), "that is not that of its files"),
        (lambda facts: facts.update(model_digest="0"), "that is not that of its files"),
    ],
)
def test_a_listing_that_does_not_fit_is_refused(
    change: Callable[[dict[str, Any]], None], named: str, package: Path
) -> None:
    rewrite(package, change)
    with pytest.raises(InputError, match=named):
        opened(package)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 100_000])
def test_a_listing_that_is_none_is_refused(content: bytes, package: Path) -> None:
    (package / PACKAGE).write_bytes(content)
    with pytest.raises(InputError, match=r"changed: package\.json: it has"):
        opened(package)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected the files of a version, received No such file"):
        open_sealed(tmp_path / "nowhere", expected=None, key=None)


def replace_code(package: Path, text: str) -> None:
    """Replace the code in a package by `text`, in each of its modules."""
    with zipfile.ZipFile(package / CODE) as archive:
        names = archive.namelist()
    with zipfile.ZipFile(package / CODE, "w") as archive:
        for name in names:
            archive.writestr(name, text)


def test_changed_code_is_not_imported(package: Path, marker: Path) -> None:
    replace_code(package, EVIL)
    with pytest.raises(InputError, match=r"artifacts/code\.zip: its bytes"):
        opened(package)
    assert not marker.exists()


def test_code_that_is_changed_after_it_was_checked_is_not_imported(
    package: Path, marker: Path
) -> None:
    sealed = opened(package)
    replace_code(package, EVIL)
    with pytest.raises(InputError, match=r"model\.keras"):  # its own loader refuses the network
        sealed.detector()
    assert not marker.exists()
    assert not [path for path in package.rglob("*") if path.suffix == ".pyc"]


SAVE = """
import sys
from pathlib import Path
from stages.registry import packaging
from tests.registry import fake
root = Path(sys.argv[1])
print(packaging.save(Path(sys.argv[2]), fake.record(Path("data")), root=root, lock=fake.LOCK))
"""


def test_it_has_equal_bytes_whenever_and_wherever_it_is_packed(tmp_path: Path) -> None:
    trees = []
    for place, seed, zone, mask in (
        ("here", "1", "UTC", 0o022),
        ("over there", "2", "Asia/Tokyo", 0o077),
    ):
        folder = tmp_path / place
        fake.write(folder / "data")
        clone = folder / "clone"
        for path in (fake.ROOT / "stages").rglob("*.py"):
            copy = clone / path.relative_to(fake.ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
            os.utime(copy, (int(seed), int(seed)))
        environment = {
            "PYTHONHASHSEED": seed,
            "TZ": zone,
            "PYTHONPATH": str(fake.ROOT),
            "USER": place,
        }
        finished = subprocess.run(
            [sys.executable, "-c", SAVE, str(clone), str(folder / "package")],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env={**os.environ, **environment},
            umask=mask,
        )
        assert finished.returncode == 0, finished.stderr
        assert finished.stdout.strip() == digest_of(folder / "package")
        trees.append(
            {
                path.relative_to(folder / "package").as_posix(): path.read_bytes()
                for path in (folder / "package").rglob("*")
                if path.is_file()
            }
        )
    assert trees[0] == trees[1]
    assert all(str(tmp_path).encode() not in content for content in trees[0].values())


@pytest.fixture
def load(mlflow_imported: None, marker: Path) -> Callable[[Path], object]:
    """Loads a package as a bare MLflow client does."""
    import mlflow

    return lambda package: mlflow.pyfunc.load_model(str(package))


@pytest.mark.parametrize("expects", [None, "the digest", ""])
def test_a_bare_mlflow_client_imports_no_code_that_is_not_the_listed_or_expected_one(
    expects: str | None,
    package: Path,
    marker: Path,
    load: Callable[[Path], object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = digest_of(package)
    replace_code(package, EVIL)
    problem = r"code\.zip: its"
    if expects is not None:
        found = sha256_file(package / CODE)
        rewrite(package, lambda facts: facts["files"].update({CODE: found}))
        monkeypatch.setenv("PNEUMONIA_PACKAGE", expects and expected)
        problem = "it is not the package that PNEUMONIA_PACKAGE names"
    with pytest.raises(Exception, match=problem):
        load(package)
    assert not marker.exists()


def test_a_bare_mlflow_client_loads_no_model_that_was_changed(
    package: Path, load: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    (package / "artifacts/operating_point.json").write_text("{}")
    with pytest.raises(Exception, match=r"artifacts/operating_point\.json: its bytes"):
        load(package)
    assert not (package / "__pycache__").exists()
    monkeypatch.setenv("PNEUMONIA_PUBLIC_KEY", str(package.parent / "none.pub"))
    with pytest.raises(Exception, match=r"none\.pub|signature\.json: expected a signature"):
        load(package)
