"""Compare what this machine computes with the record: `python -m tests.same_bytes`.

The record, beside this file, holds a digest of each building block (blocks.py) and of each out of
a small pipeline, and the makers of processors on which they were equal. Exit status 1 where this
maker is among those and something differs; on another maker, differences are printed.

    python -m tests.same_bytes --add     this maker gave the same bytes: put it on record
    python -m tests.same_bytes --record  after a change of code or packages that moves bytes
"""

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.engine import devices, kernels
from stages.engine.files import read_json, write_json
from stages.history.lock_file import LockFile
from stages.settings.digests import JUDGED
from tests.same_bytes import blocks
from tests.workspace import copy_tree

RECORD = Path(__file__).with_name("record.json")
_MAKERS = {"GenuineIntel": "Intel", "AuthenticAMD": "AMD"}


def maker() -> str:
    """The maker of this machine's processor: "Intel", "AMD", or what /proc/cpuinfo or it says."""
    name = kernels.processor().get("vendor_id", platform.machine())
    return _MAKERS.get(name, name)


def machine() -> str:
    """Processor, instruction set, C library and Python, for the reader of the record."""
    name = kernels.processor().get("model name", platform.machine())
    flags = kernels.processor_flags()
    level = "AVX-512" if "avx512f" in flags else "AVX2"
    library = " ".join(platform.libc_ver())
    return f"{name}, {level}, {library}, Python {platform.python_version()}"


def pipeline() -> dict[str, str]:
    """DVC's digest of each out of a small pipeline, from fetch to evaluate."""
    with tempfile.TemporaryDirectory(prefix="same-bytes-") as folder:
        workspace = copy_tree(Path(folder) / "repository")
        workspace.run("dvc", "repro", "evaluate")
        lock = LockFile.read(workspace.folder / "dvc.lock")
    return {path: digest for stage in JUDGED for path, digest in lock.stage(stage).outs.items()}


def differences(recorded: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Names of what is not equal, in the order in which it is computed."""
    return [name for name in {**recorded, **found} if recorded.get(name) != found.get(name)]


def verdict(record: Mapping[str, Any], found: Mapping[str, Any], who: str) -> tuple[str, int]:
    """What to print of a comparison, and the exit status."""
    if record.get("class") != found["class"]:
        return f"the record is of {record.get('class')}, this machine is {found['class']}", 0
    kinds = ("blocks", "pipeline")
    differ = [(kind, name) for kind in kinds for name in differences(record[kind], found[kind])]
    names = [f"{kind}: {name}" for kind, name in differ if name not in blocks.BY_CACHE]
    excused = [name for _, name in differ if name in blocks.BY_CACHE]
    count = sum(len(found[kind]) for kind in kinds)
    makers = record["makers"]
    known = ", ".join(makers)
    if names:
        lines = [f"{len(names)} of {count} digests differ from the record ({known}):", *names]
    else:
        other = "" if who in makers else f"; `--add` puts {who} on record"
        lines = [f"equal to the record in {count - len(excused)} digests ({known}){other}"]
    if excused:
        lines.append(f"different by the sizes of caches, no failure: {', '.join(excused)}")
    if names and who in makers:
        lines.append("after a change of code or packages that moves bytes: `--record`")
    return "\n".join(lines), int(bool(names) and who in makers)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.same_bytes", description=__doc__)
    parser.add_argument("--add", action="store_true", help="put this maker on record, if equal")
    parser.add_argument("--record", action="store_true", help="replace the digests on record")
    parser.add_argument("--json", type=Path, help="write what was found to this file too")
    arguments = parser.parse_args()
    start = time.monotonic()

    def progress(done: str) -> None:
        print(f"{time.monotonic() - start:4.0f} s  {done}", file=sys.stderr, flush=True)

    found = {"class": devices.instruction_set(), "blocks": blocks.digests(progress)}
    found["pipeline"] = pipeline()
    progress("pipeline")
    if arguments.json:
        arguments.json.write_text(json.dumps({**found, "machine": machine()}, indent=1))
    record = read_json(RECORD) if RECORD.exists() else {"makers": {}}
    if arguments.record:
        record = {**found, "makers": {maker(): machine()}}
        write_json(RECORD, record)
    text, status = verdict(record, found, maker())
    if arguments.add and text.startswith("equal"):
        write_json(RECORD, {**record, "makers": {**record["makers"], maker(): machine()}})
    print(f"{machine()}\n{text}")
    return status


if __name__ == "__main__":
    sys.exit(main())
