"""Write each stage's code dependencies into dvc.yaml: `make dependencies`.

DVC does not see imports. The list of a stage stands between two marks and is the import closure of
its module (`engine.closure`), so that `dvc status` and `dvc repro --dry` are right.
"""

import re
from pathlib import Path

from stages.engine.closure import import_closure
from stages.engine.files import write_text
from stages.engine.source_facts import meaning_digest, memory

PLAN = Path("dvc.yaml")
BEGIN, END = "# code: made by `make dependencies`", "# end of code"
_BLOCK = re.compile(
    rf"^(?P<indent> +){re.escape(BEGIN)}\n(?:.*\n)*?(?P=indent){re.escape(END)}\n", re.MULTILINE
)
_COMMAND = re.compile(r"python -m (stages\.\w+)")


def code_dependencies(module: str, root: Path) -> list[str]:
    """List the files by whose content an import of `module` can differ, from `root`, sorted.

    A package's `__init__.py` that holds a docstring and nothing else is left out: DVC's time grows
    with the length of its lists.
    """
    nothing = meaning_digest("")
    return [
        path.as_posix()
        for path in import_closure(module, root)
        if memory().of(root / path).meaning != nothing
    ]


def with_dependencies(plan: str, root: Path) -> str:
    """Return the text of a dvc.yaml with every marked list renewed from the code under `root`.

    A mark belongs to the last command (`cmd: ... python -m stages.NAME`) above it.
    """

    def listed(block: re.Match[str]) -> str:
        module = _COMMAND.findall(plan[: block.start()])[-1]
        indent = block["indent"]
        lines = [BEGIN, *(f"- {path}" for path in code_dependencies(module, root)), END]
        return "".join(f"{indent}{line}\n" for line in lines)

    return _BLOCK.sub(listed, plan)


def main() -> None:
    """Rewrite dvc.yaml in the current folder."""
    write_text(PLAN, with_dependencies(PLAN.read_text(encoding="utf-8"), Path()))


if __name__ == "__main__":
    main()
