"""The closure of imports: which files a module reaches."""

from pathlib import Path

import pytest

from stages.engine.closure import code_digests, import_closure
from stages.engine.files import sha256_bytes
from stages.engine.source_facts import Memory, meaning_digest

TREE = {
    "stages/__init__.py": "",
    "stages/train.py": "import os\nfrom stages.net import model\nimport numpy as np\n",
    "stages/net/__init__.py": "from stages.net.names import NAME\n",
    "stages/net/names.py": "NAME = 1\n",
    "stages/net/model.py": "def f():\n    import stages.deep.inner.layer as layer\n",
    "stages/deep/__init__.py": "",
    "stages/deep/inner/__init__.py": "",
    "stages/deep/inner/layer.py": "import stages.deep.inner.layer\nfrom stages.train import main\n",
    "stages/deep/other.py": "import stages.gone\n",
    "stages/gone.py": "",
    "stagesque/train.py": "",
    "tests/stages.py": "",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in TREE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def names(root: Path, module: str) -> list[str]:
    return [path.as_posix() for path in import_closure(module, root)]


def test_a_closure_follows_imports_anywhere_in_a_file(root: Path) -> None:
    assert names(root, "stages.train") == [
        "stages/__init__.py",
        "stages/deep/__init__.py",
        "stages/deep/inner/__init__.py",
        "stages/deep/inner/layer.py",
        "stages/net/__init__.py",
        "stages/net/model.py",
        "stages/net/names.py",
        "stages/train.py",
    ]


def test_both_import_statements_are_followed(root: Path) -> None:
    for text in ("import stages.gone", "from stages import gone", "from stages.gone import x"):
        (root / "stages/deep/other.py").write_text(text)
        assert names(root, "stages.deep.other") == [
            "stages/__init__.py",
            "stages/deep/__init__.py",
            "stages/deep/other.py",
            "stages/gone.py",
        ]


def test_a_package_stands_for_its_init_file(root: Path) -> None:
    found = names(root, "stages.net")
    assert found == ["stages/__init__.py", "stages/net/__init__.py", "stages/net/names.py"]


@pytest.mark.parametrize("module", ["stages.nothing", "numpy"])
def test_a_module_outside_the_tree_is_refused(root: Path, module: str) -> None:
    with pytest.raises(ValueError, match=f"{module}: no such module"):
        import_closure(module, root)


@pytest.mark.parametrize("text", ["from . import gone", "from .gone import x"])
def test_a_relative_import_is_refused(root: Path, text: str) -> None:
    (root / "stages/deep/other.py").write_text(text)
    with pytest.raises(ValueError, match=r"other\.py: expected absolute imports"):
        import_closure("stages.deep.other", root)


def test_digests_are_by_path_and_change_with_the_file(root: Path) -> None:
    before = code_digests(["stages.gone", "stages.net"], root)
    assert list(before) == sorted(before)
    assert before["stages/net/names.py"] == sha256_bytes(b"NAME = 1\n")
    (root / "stages/net/names.py").write_text("NAME = 2\n")
    after = code_digests(["stages.gone", "stages.net"], root)
    assert [name for name in before if before[name] != after[name]] == ["stages/net/names.py"]


SOURCE = '"""Doc."""\n\nX = 1\n\n\ndef f(a):\n    """Doc."""\n    return a + X\n'


@pytest.mark.parametrize(
    "text",
    [
        SOURCE.replace("X = 1", "X = 1  # a comment"),
        SOURCE.replace("\n\n\n", "\n\n\n\n# more\n"),
        SOURCE.replace("Doc.", "Documented."),
        SOURCE.replace('    """Doc."""\n', ""),
        SOURCE.replace("a + X", "(a\n            + X)"),
        SOURCE.replace("X = 1\n", 'X = 1\n"""Doc of an attribute."""\n'),
    ],
)
def test_comments_positions_and_docstrings_mean_nothing(text: str) -> None:
    assert text != SOURCE
    assert meaning_digest(text) == meaning_digest(SOURCE)


@pytest.mark.parametrize(
    "text",
    [
        SOURCE.replace("X = 1", "X = 2"),
        SOURCE.replace("X = 1", "X = 1.0"),
        SOURCE.replace("X = 1", 'X = "1"'),
        SOURCE.replace("a + X", "a - X"),
        SOURCE.replace("f(a)", "f(b)"),
        SOURCE.replace("def f", "async def f"),
        SOURCE + "Y = None\n",
        SOURCE + "None\n",
        SOURCE.replace("return a + X", 'return """Doc."""'),
    ],
)
def test_every_other_change_means_something(text: str) -> None:
    assert text != SOURCE
    assert meaning_digest(text) != meaning_digest(SOURCE)


def test_the_digest_of_what_code_means_is_golden() -> None:
    # The same on every version of Python: a run is found again by it.
    assert meaning_digest(SOURCE)[:16] == "a99b52f15f266cdc"


def test_facts_of_a_file_are_remembered_by_its_content(tmp_path: Path) -> None:
    path, kept = tmp_path / "code.py", tmp_path / "code.json"
    path.write_text("import os\nfrom . import near\n")
    first = Memory(kept)
    facts = first.of(path)
    assert facts.imports == ("os", None, "None.near")
    first.save()
    assert Memory(kept).of(path) == facts
    path.write_text("import re\n")
    assert Memory(kept).of(path).imports == ("re",)
    for damage in ("{", "[]", "null", '{"format": 1}', '{"format": 1, "files": {"a": 1}}'):
        kept.write_text(damage)
        assert Memory(kept).of(path).imports == ("re",)
