"""Resolve pyproject.toml into the lock files: `make lock`.

requirements.lock has what the pipeline needs, and every stage depends on it. Each extra has a lock
file of its own, resolved with the pins of requirements.lock as constraints, so that a change of an
extra changes no byte of requirements.lock and reruns no stage.
"""

import argparse
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Collection, Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from stages.engine.console import print_text
from stages.engine.environment import LOCK, PYPROJECT, REPLACES, extras_with_a_lock, lock_of
from stages.engine.interpreter import allowed_versions
from stages.engine.pins import read_pins

ALL = "all"


def resolve(upgrade: Collection[str]) -> dict[Path, str]:
    """Resolve every lock file and return the new texts, without writing them.

    A pin stays where it is unless pyproject.toml no longer allows it or `upgrade` names it.

    Args:
        upgrade: Packages to move to their newest version, or `all`.

    Raises:
        SystemExit: `upgrade` names a package that no lock file pins, or uv found no solution.
    """
    pyproject = PYPROJECT.read_text(encoding="utf-8")
    project = tomllib.loads(pyproject)["project"]
    extras = [*project["optional-dependencies"]]
    _check_upgrades(upgrade, [LOCK, *map(lock_of, extras)])
    replacing = [name for name in extras if _replaces(name, project["dependencies"])]
    adding = [name for name in extras if name not in replacing]
    upgrades = ["--upgrade"] if ALL in upgrade else [f"--upgrade-package={n}" for n in upgrade]
    options = [f"--python-version={allowed_versions(pyproject)[0]}", *upgrades]

    texts = {LOCK: _compile(LOCK, options, [])}
    base = {pin.text for pin in read_pins(texts[LOCK])}
    # One after the other, each constrained by those before it, so that they fit together.
    for extra in [*adding, *replacing]:
        text = _compile(lock_of(extra), [*options, f"--extra={extra}"], texts.values())
        if extra in adding:
            text = "".join(pin.text for pin in read_pins(text) if pin.text not in base)
        texts[lock_of(extra)] = text
    headers = {
        LOCK: "# What the pipeline needs. Every stage depends on this file.",
        **{lock_of(name): f"# The extra {name}, on top of requirements.lock." for name in adding},
        **{lock_of(name): f"{REPLACES}: the extra {name}." for name in replacing},
    }
    return {path: f"{headers[path]}\n{text}" for path, text in texts.items()}


def moves(before: str, after: str) -> list[str]:
    """List the packages whose pins differ between two texts of a lock file."""
    old, new = _versions(before), _versions(after)
    return [
        f"{name} {old.get(name, 'new')} -> {new.get(name, 'removed')}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _versions(lock_text: str) -> dict[str, str]:
    versions: dict[str, str] = {}
    for pin in read_pins(lock_text):
        known = versions.get(pin.name)
        versions[pin.name] = f"{known} and {pin.version}" if known else pin.version
    return versions


def _replaces(extra: str, dependencies: Iterable[str]) -> bool:
    """Whether the extra takes a dependency away, as `gpu` does with TensorFlow's CPU build."""
    markers = [str(Requirement(line).marker) for line in dependencies]
    return any(f'extra != "{extra}"' in marker for marker in markers)


def _check_upgrades(upgrade: Collection[str], locks: Iterable[Path]) -> None:
    texts = [lock.read_text(encoding="utf-8") for lock in locks if lock.exists()]
    pinned = {pin.name for text in texts for pin in read_pins(text)}
    unknown = [name for name in upgrade if name != ALL and canonicalize_name(name) not in pinned]
    if unknown:
        raise SystemExit(f"UPGRADE: no lock file pins {', '.join(unknown)}; nothing was changed")


def _compile(lock: Path, options: Iterable[str], constraints: Iterable[str]) -> str:
    """Run `uv pip compile` for one lock file; its pins are the preferred ones."""
    with tempfile.TemporaryDirectory() as temporary:
        output = Path(temporary) / lock.name
        if lock.exists():
            output.write_text(lock.read_text(encoding="utf-8"), encoding="utf-8")
        files = []
        for number, text in enumerate(constraints):
            files.append(Path(temporary) / f"constraints-{number}.txt")
            files[-1].write_text(text, encoding="utf-8")
        command = [
            *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal"),
            # uv would look for the oldest allowed Python, and try to download it.
            *("--no-python-downloads", f"--python={sys.executable}"),
            # The same versions for every Python, if one version has all of them.
            "--fork-strategy=fewest",
            # Names, versions and hashes only: no registry, no path.
            *("--generate-hashes", "--no-emit-index-url", "--no-header", "--no-annotate"),
            *options,
            *(f"--constraints={path}" for path in files),
            f"--output-file={output}",
            str(PYPROJECT),
        ]
        finished = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        if finished.returncode:
            # uv printed the reason.
            raise SystemExit(f"{lock}: not resolved; the lock files were left as they are")
        return output.read_text(encoding="utf-8")


def main() -> None:
    """Renew the lock files, print what moved, and remove those of extras that are gone."""
    parser = argparse.ArgumentParser(prog="python -m stages.engine.resolve")
    parser.add_argument("upgrade", nargs="*", help=f"packages to upgrade, or `{ALL}`")
    texts = resolve(parser.parse_args().upgrade)
    for path in {lock_of(name) for name in extras_with_a_lock()} - texts.keys():
        path.unlink()
        print_text(f"{path}: removed, pyproject.toml has no such extra")
    for path, text in texts.items():
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        temporary = path.with_suffix(".tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
        state = "; ".join(moves(before, text)) or ("hashes only" if before != text else "unchanged")
        print_text(f"{path}: {state}")


if __name__ == "__main__":
    main()
