"""The structure of the code: imports between packages, and the dependencies in dvc.yaml."""

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.commands.dependencies import code_dependencies
from stages.engine.closure import import_closure

ROOT = Path(__file__).parents[1]
ALWAYS_RUN = ("inputs", "register")
STAGES = ("inputs", "fetch", "preprocess", "train", "evaluate", "register")
PACKAGES = (
    "engine",
    "sources",
    "images",
    "metrics",
    "audit",
    "network",
    "registry",
    "serving",
    "settings",
    "history",
    "studies",
    "commands",
)
"""Each imports only those listed before it."""

FILES = sorted((ROOT / "stages").rglob("*.py"))
DVC: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def package(path: Path) -> str:
    """Return the package of a file; "" for a file directly in `stages/`, which is a stage."""
    parts = path.relative_to(ROOT / "stages").parts
    return parts[0] if len(parts) > 1 else ""


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path, *, when_imported: bool = False) -> Iterator[str]:
    """Yield the dotted names that a file imports.

    Args:
        path: the file.
        when_imported: leave out imports inside functions and for type checkers.
    """

    def names(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        if when_imported and (isinstance(node, deferred) or for_types(node)):
            return
        for child in ast.iter_child_nodes(node):
            yield from names(child)

    deferred = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    return names(tree_of(path))


def for_types(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def distributions(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


FILE = pytest.mark.parametrize("path", FILES, ids=relative)


@FILE
def test_a_package_imports_only_those_listed_before_it(path: Path) -> None:
    here = package(path)
    if not here:
        return
    allowed = PACKAGES[: PACKAGES.index(here) + 1]
    reached = {name.split(".")[1] for name in imports(path) if name.startswith("stages.")}
    assert reached <= {*allowed}


def test_every_folder_is_a_package() -> None:
    assert {package(path) for path in FILES} == {*PACKAGES, ""}
    assert all((ROOT / "tests" / name).is_dir() for name in PACKAGES)


def test_the_only_files_outside_packages_are_stages() -> None:
    assert {path.stem for path in FILES if not package(path)} == {"__init__", *STAGES}


@FILE
def test_dvc_is_imported_nowhere_and_mlflow_in_one_package(path: Path) -> None:
    assert "dvc" not in distributions(path)
    assert "mlflow" not in distributions(path) or package(path) == "registry"


def is_light(path: Path) -> bool:
    return package(path) in ("sources", "images", "audit", "settings") or path.name == "options.py"


@pytest.mark.parametrize("path", [path for path in FILES if is_light(path)], ids=relative)
def test_light_files_never_import_tensorflow_or_mlflow(path: Path) -> None:
    assert not distributions(path) & {"tensorflow", "keras", "mlflow"}


def reached_at_import(path: Path) -> set[str]:
    """Return the libraries that importing a file imports, directly or through other files."""
    waiting, seen, libraries = [path], set(), set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for name in imports(path, when_imported=True):
            top, *rest = name.split(".")
            if top != "stages":
                libraries.add(top)
                continue
            for depth in range(len(rest) + 1):
                base = ROOT.joinpath("stages", *rest[:depth])
                candidates = (base.with_suffix(".py"), base / "__init__.py")
                waiting += [found for found in candidates if found.is_file()]
    return libraries


LIGHT_TO_IMPORT = (
    "settings/params",
    "settings/paths",
    "settings/digests",
    "fetch",
    "preprocess",
    "train",
    "register",
    "commands/main",
)


@pytest.mark.parametrize("name", LIGHT_TO_IMPORT)
def test_stages_and_the_command_line_start_without_heavy_libraries(name: str) -> None:
    reached = reached_at_import(ROOT / "stages" / f"{name}.py")
    assert not reached & {"tensorflow", "keras", "mlflow", "matplotlib", "sklearn"}


def test_no_light_library_imports_a_heavy_one() -> None:
    modules = ", ".join(f"stages.{name}" for name in ("fetch", "preprocess", "commands.main"))
    script = (
        f"import sys, {modules}\n"
        "print(sorted({'tensorflow', 'keras', 'mlflow', 'sklearn', 'dvc'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


@FILE
def test_only_upper_packages_know_paths_below_data(path: Path) -> None:
    if package(path) in ("", "settings", "history", "studies", "commands"):
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
def test_a_stage_is_short(name: str) -> None:
    text = (ROOT / "stages" / f"{name}.py").read_text()
    assert len(text.splitlines()) <= 70
    loops = (ast.For, ast.While, ast.AsyncFor)
    depth = [node for node in ast.walk(ast.parse(text)) if isinstance(node, loops)]
    assert len(depth) <= 2  # over the lines of a summary, never over images


def test_no_module_is_a_collection_of_helpers() -> None:
    names = {"utils", "util", "helpers", "common", "misc"}
    assert not [relative(path) for path in FILES if names & {path.stem, path.parent.name}]


def test_dvc_yaml_lists_the_stages_in_flow_order() -> None:
    assert tuple(DVC["stages"]) == STAGES


@pytest.mark.parametrize("name", [name for name in STAGES if name not in ALWAYS_RUN])
def test_the_code_dependencies_of_a_stage_are_its_imports(name: str) -> None:
    listed = [dep for dep in DVC["stages"][name]["deps"] if dep.endswith(".py")]
    expected = code_dependencies(f"stages.{name}", ROOT)
    assert sorted(listed) == expected
    assert len(listed) == len(set(listed))
    assert "requirements.lock" in DVC["stages"][name]["deps"]


def test_pages_plots_and_comparisons_make_no_training_stale() -> None:
    trained = {path.as_posix() for path in import_closure("stages.train", ROOT)}
    assert not {path for path in trained if path.startswith("stages/metrics/pages/")}
    reports = ("curves", "examples", "comparison", "report_digests", "trees")
    assert not trained & {f"stages/metrics/{name}.py" for name in reports}
    assert not {
        path for path in trained if path.startswith(("stages/studies/", "stages/commands/"))
    }


def test_metrics_make_no_preprocessing_stale() -> None:
    prepared = {path.as_posix() for path in import_closure("stages.preprocess", ROOT)}
    scores = ("decisions", "probability", "calibration", "sections", "report")
    assert not prepared & {f"stages/metrics/{name}.py" for name in scores}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_has_a_description_and_runs_as_a_module(name: str) -> None:
    stage = DVC["stages"][name]
    assert len(stage["desc"].split()) >= 8
    assert stage["cmd"] == f"exec env STARTED_BY=$PPID python -m stages.{name}"
    assert name in stage.get("params", ()) or name in ALWAYS_RUN


def test_only_stages_with_inputs_that_dvc_cannot_see_always_run() -> None:
    always = [name for name in STAGES if DVC["stages"][name].get("always_changed")]
    assert always == list(ALWAYS_RUN)
    # They run whatever their code is: a list would only make dvc.lock longer and DVC slower.
    deps = [dep for name in ALWAYS_RUN for dep in DVC["stages"][name].get("deps", ())]
    assert all(dep.startswith("data/") for dep in deps)


WRITERS = {
    "engine/console.py": {"stream.write"},
    "engine/progress.py": {"rich"},
    "commands/tables.py": {"rich"},
    "engine/tables.py": {"csv"},
    "engine/csv_text.py": {"csv"},
    "metrics/curves.py": {"to_csv"},  # with cells of `tables.to_cell`
    "sources/table_file.py": {"csv"},  # reads a table that others wrote
    "registry/figures_page.py": {"html"},
    "metrics/pages/text.py": {"---"},
    "engine/kernels.py": {"print"},  # of numbers and names of its own; it imports nothing
    "registry/predict_packaged.py": {"print"},  # JSON for the process that started it
}
"""What a file may do that all others leave to it: there, what comes from outside is escaped."""


def written_formats(path: Path) -> Iterator[str]:
    """Yield the formats and streams that a file writes or reads by itself."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names = names or [alias.name for alias in node.names]
            yield from {name.split(".")[0] for name in names} & {"csv", "html", "rich"}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "print":
            yield "print"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if ast.unparse(node.func.value) in ("stream", "sys.stdout", "sys.stderr"):
                yield from {ast.unparse(node.func)} & {
                    f"{stream}.{method}"
                    for stream in ("stream", "sys.stdout", "sys.stderr", "sys.stdout.buffer")
                    for method in ("write", "writelines")
                }
            if node.func.attr in ("to_csv", "to_html", "to_markdown"):
                yield node.func.attr
            if ast.unparse(node.func) in ("typer.echo", "typer.secho", "click.echo"):
                yield "print"
        elif isinstance(node, ast.Constant) and node.value == "---":
            yield "---"


@FILE
def test_only_the_writers_print_and_write_tables_and_pages(path: Path) -> None:
    allowed = WRITERS.get(path.relative_to(ROOT / "stages").as_posix(), set())
    assert {*written_formats(path)} <= allowed


@pytest.mark.parametrize("path", import_closure("stages.engine.environment", ROOT), ids=str)
def test_the_set_up_starts_with_an_old_python(path: Path) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 7))
    annotations = [
        annotation
        for node in ast.walk(tree)
        for annotation in (getattr(node, "returns", None), getattr(node, "annotation", None))
        if annotation is not None
    ]
    newer = [each for each in annotations if isinstance(each, (ast.Subscript, ast.BinOp))]
    # Without it, an annotation such as `int | None` or `list[str]` is an error there.
    assert not newer or "from __future__ import annotations" in text
