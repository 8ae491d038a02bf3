"""The files of the page: complete, closed to the outside, and cached by their content."""

import re
import shutil
import tomllib
from pathlib import Path

import pytest

from stages.engine.errors import InputError
from stages.serving.web import samples
from stages.serving.web.headers import HEADERS, POLICY
from stages.serving.web.page_files import page_files

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "stages/serving/web/page"
FILES = sorted(path for path in PAGE.rglob("*") if path.is_file())
TEXTS = [path for path in FILES if path.suffix != ".jpeg"]


def name(path: Path) -> str:
    return path.relative_to(PAGE).as_posix()


def test_every_file_is_installed_with_the_package() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    globs = settings["tool"]["setuptools"]["package-data"]["stages.serving.web"]
    installed = {path for glob in globs for path in (ROOT / "stages/serving/web").glob(glob)}
    assert {*FILES} <= installed


def test_what_the_pages_refer_to_is_there_and_never_changes_at_its_address() -> None:
    served = page_files()
    for page in ("/", "/api"):
        html = served[page].content.decode()
        assert served[page].cache == "no-cache"
        for target in re.findall(r'(?:src|href|data-sample)="(page/[^"]+)"', html):
            assert "immutable" in served[f"/{target}"].cache
    for path, file in served.items():
        for module in re.findall(r'from "\./([^"]+)"', file.content.decode("latin-1")):
            assert f"{path.rpartition('/')[0]}/{module}" in served


def test_another_content_has_another_address(tmp_path: Path) -> None:
    copy = shutil.copytree(PAGE, tmp_path / "page")
    before = page_files(copy)
    assert before == page_files()
    with (copy / "words.js").open("a") as script:
        script.write("// changed")
    after = page_files(copy)
    assert {path for path in before if path in after} == {"/", "/api"}
    assert before["/"].etag != after["/"].etag


def test_an_installation_without_the_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected api\.html, index\.html .* install"):
        page_files(tmp_path / "absent")


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_no_file_names_an_outside_address_or_has_code_in_its_markup(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert not re.findall(r"https?:|//[a-z]+\.[a-z]", text)
    if path.suffix == ".html":
        assert not re.findall(r'<script>|\son[a-z]+="|\sstyle="|<style|javascript:', text)


@pytest.mark.parametrize("path", [path for path in TEXTS if path.suffix == ".js"], ids=name)
def test_no_script_parses_text_or_keeps_anything(path: Path) -> None:
    forbidden = (
        "innerHTML|outerHTML|insertAdjacentHTML|document.write|DOMParser|eval|Function|srcdoc|"
        "localStorage|sessionStorage|indexedDB|cookie|serviceWorker|caches|sendBeacon|WebSocket"
    )
    found = re.findall(rf"\b(?:{forbidden})\b", path.read_text(encoding="utf-8"))
    assert found == []


def test_the_policy_allows_nothing_from_outside_or_inline() -> None:
    assert POLICY.startswith("default-src 'none'; ")
    for word in ("unsafe", "http", "*", "data:"):
        assert word not in POLICY
    for rule in ("frame-ancestors 'none'", "form-action 'none'", "base-uri 'none'"):
        assert rule in POLICY
    assert HEADERS["X-Content-Type-Options"] == "nosniff"


def test_the_samples_are_made_again_to_the_same_bytes() -> None:
    made = samples.samples()
    assert {path.name: path.read_bytes() for path in samples.FOLDER.iterdir()} == made
    assert sum(map(len, made.values())) < 60_000
