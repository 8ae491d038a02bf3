"""The picture that the code keeps: a hallway with rooms, and what DVC is told of them."""

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.engine.closure import import_closure

ROOT = Path(__file__).parents[1]
STAGES = ("fetch", "preprocess", "train", "evaluate", "register")
ROOMS = ("sources", "images", "network", "metrics", "registry", "serving")
"""In the order of the walk: a room imports those before it, and the engine."""

FILES = sorted((ROOT / "stages").rglob("*.py"))
DVC: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def room(path: Path) -> str:
    """The room or "engine" that a file lies in; "hallway" for the files of `stages/` itself."""
    parts = path.relative_to(ROOT / "stages").parts
    return parts[0] if len(parts) > 1 else "hallway"


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path, *, when_imported: bool = False) -> Iterator[str]:
    """Dotted names that a file imports; `when_imported`, only what its own import runs."""

    def names(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        if when_imported and (isinstance(node, LATER) or for_types(node)):
            return
        for child in ast.iter_child_nodes(node):
            yield from names(child)

    LATER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)  # noqa: N806
    return names(tree_of(path))


def for_types(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def packages(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


FILE = pytest.mark.parametrize("path", FILES, ids=relative)


@FILE
def test_a_room_imports_only_rooms_before_it_and_the_engine(path: Path) -> None:
    here = room(path)
    if here == "hallway":
        return
    behind = ROOMS[: ROOMS.index(here) + 1] if here in ROOMS else ()
    reached = {name.split(".")[1] for name in imports(path) if name.startswith("stages.")}
    assert reached <= {*behind, "engine"}


def test_every_folder_is_a_room() -> None:
    assert {room(path) for path in FILES} == {*ROOMS, "engine", "hallway"}
    assert all((ROOT / "tests" / name).is_dir() for name in (*ROOMS, "engine"))


@FILE
def test_dvc_is_imported_nowhere_and_mlflow_in_one_room(path: Path) -> None:
    assert "dvc" not in packages(path)
    assert "mlflow" not in packages(path) or room(path) == "registry"


def light(path: Path) -> bool:
    return (
        room(path) in ("sources", "images")
        or path.name == "options.py"
        or relative(path) in ("stages/settings/params.py", "stages/settings/paths.py")
    )


@pytest.mark.parametrize("path", [path for path in FILES if light(path)], ids=relative)
def test_light_files_never_import_tensorflow_or_mlflow(path: Path) -> None:
    assert not packages(path) & {"tensorflow", "keras", "mlflow"}


def reached_at_import(path: Path) -> set[str]:
    """Packages outside that importing a file imports, by way of ours too."""
    waiting, seen, outside = [path], set(), set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for name in imports(path, when_imported=True):
            top, *rest = name.split(".")
            if top != "stages":
                outside.add(top)
                continue
            for depth in range(len(rest) + 1):
                base = ROOT.joinpath("stages", *rest[:depth])
                candidates = (base.with_suffix(".py"), base / "__init__.py")
                waiting += [found for found in candidates if found.is_file()]
    return outside


LIGHT_TO_IMPORT = ("params", "layout", "fetch", "preprocess", "train", "register", "cli", "digests")


@pytest.mark.parametrize("name", LIGHT_TO_IMPORT)
def test_stages_and_the_street_door_start_without_heavy_libraries(name: str) -> None:
    reached = reached_at_import(ROOT / "stages" / f"{name}.py")
    assert not reached & {"tensorflow", "keras", "mlflow", "matplotlib", "sklearn"}


def test_what_is_light_is_light_when_it_runs() -> None:
    # Libraries may import what the files above do not name.
    modules = ", ".join(f"stages.{name}" for name in ("params", "fetch", "preprocess", "cli"))
    script = (
        f"import sys, {modules}\n"
        "print(sorted({'tensorflow', 'keras', 'mlflow', 'sklearn', 'dvc'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


@FILE
def test_only_the_hallway_knows_where_things_lie(path: Path) -> None:
    if room(path) == "hallway":
        return
    for node in ast.walk(tree_of(path)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "Path"
        ):
            texts = [part.value for part in node.args if isinstance(part, ast.Constant)]
            assert not [text for text in texts if str(text).startswith(("data", "params.yaml"))]


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_a_paragraph(name: str) -> None:
    text = (ROOT / "stages" / f"{name}.py").read_text()
    assert len(text.splitlines()) <= 70
    loops = (ast.For, ast.While, ast.AsyncFor)
    depth = [node for node in ast.walk(ast.parse(text)) if isinstance(node, loops)]
    assert len(depth) <= 2  # a line of the summary each; never over films


def test_there_is_no_drawer_for_odds_and_ends() -> None:
    drawers = {"utils", "util", "helpers", "common", "misc"}
    assert not [relative(path) for path in FILES if drawers & {path.stem, path.parent.name}]


def test_the_stages_stand_in_flow_order() -> None:
    assert tuple(DVC["stages"]) == STAGES


@pytest.mark.parametrize("name", STAGES)
def test_a_stages_code_deps_are_its_imports(name: str) -> None:
    listed = [dep for dep in DVC["stages"][name]["deps"] if dep.endswith(".py")]
    expected = [path.as_posix() for path in import_closure(f"stages.{name}", ROOT)]
    assert sorted(listed) == expected
    assert len(listed) == len(set(listed))
    assert "requirements.lock" in DVC["stages"][name]["deps"]


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_says_what_it_makes_and_runs_as_a_module(name: str) -> None:
    stage = DVC["stages"][name]
    assert len(stage["desc"].split()) >= 8
    assert stage["cmd"] == f"exec env STARTED_BY=$PPID python -m stages.{name}"
    assert name in stage["params"]


def test_only_register_always_runs() -> None:
    assert [name for name in STAGES if DVC["stages"][name].get("always_changed")] == ["register"]
