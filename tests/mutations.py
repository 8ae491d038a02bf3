"""Damage files at random and check that each reader refuses them by name or reads the same.

`python -m tests.mutations --inputs 1000 --seed 0`
"""

import argparse
import contextlib
import io
import random
import resource
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from stages.engine import checksums, devices
from stages.engine.errors import InputError
from stages.images.shards import open_shards
from stages.network import checkpoints, operating_point, predict
from stages.network.checkpoints import Checkpoint
from stages.sources.index import open_raw
from tests.sample_images import raw

SECONDS = 20
HEADROOM = 2 << 30
"""Bytes of address space that a read may take beyond what the process already has."""
Read = Callable[[], Any]


def damage(data: bytes, other: bytes, draw: random.Random) -> bytes:
    """Return `data` with one fault, or `other` instead of it.

    A flipped bit, a cut, zeros, bytes appended, a line removed or repeated.
    """
    at = draw.randrange(len(data))
    lines = data.splitlines(keepends=True)
    line = draw.randrange(len(lines))
    return draw.choice(
        [
            data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :],
            data[:at],
            data[:at] + bytes(len(data[at : at + 64])) + data[at + 64 :],
            data + draw.randbytes(9),
            b"".join(lines[:line] + lines[line + 1 :]),
            b"".join(lines[: line + 1] + lines[line:]),
            other,
        ]
    )


def families(folder: Path) -> dict[str, tuple[list[Path], Read]]:
    """Write one of each kind of file; return the files by kind, and what reads them."""
    from tests.test_evaluate import prepare

    prepare(folder)
    received = raw(folder / "raw", [f"train/NORMAL/IM-000{n}-0001.jpeg" for n in range(1, 5)])
    for epoch in (1, 2):
        arrays = {"model0": open_shards(folder / "data/shards").role("train").pixels[:4]}
        checkpoints.save(folder / "checkpoints", Checkpoint(epoch, arrays, {"epoch": epoch}))
    shards, model = folder / "data/shards", folder / "data/model"

    def images() -> Any:
        stored, source = open_raw(received)
        return [image.read() for image in stored], source

    def roles() -> Any:
        opened = open_shards(shards)
        pixels = [opened.role(name).pixels.tobytes() for name in opened.roles]
        return opened.manifest, opened.records.to_csv(), pixels

    def network() -> Any:
        checksums.verify(model)
        point = operating_point.load(model / "operating_point.json")
        return point, (model / "model.keras").read_bytes()

    # A copied model has no checksums beside it, so Keras itself reads the damaged file.
    copied = folder / "copied/model.keras"
    copied.parent.mkdir()
    shutil.copy(model / "model.keras", copied)
    image = open_shards(shards).role("train").pixels[:1, ..., None].astype(np.float32)

    def answers() -> Any:
        return predict.load_model(copied)(image).numpy().tobytes()

    def resumed() -> Any:
        found = checkpoints.latest(folder / "checkpoints")
        return found and (found.epoch, {k: v.tobytes() for k, v in found.arrays.items()})

    return {
        "shards": (sorted(shards.glob("*.npy")), roles),
        "records": ([shards / "records.csv"], roles),
        "manifest": ([shards / "manifest.json"], roles),
        "raw index": ([received / name for name in ("index.csv", "source.json")], images),
        "raw images": ([received / "images.zip"], images),
        "network": ([model / "model.keras"], network),
        "copied network": ([copied], answers),
        "operating point": ([model / "operating_point.json"], network),
        "checksums": (
            [model / checksums.CHECKSUMS, received / checksums.CHECKSUMS],
            lambda: (network(), images()),
        ),
        "checkpoint": (sorted((folder / "checkpoints").iterdir()), resumed),
    }


def outcome(read: Read, right: list[Any]) -> str:
    """Read a damaged file: "refused", "right", "WRONG", "hang" or "traceback <error>"."""
    signal.alarm(SECONDS)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            found = read()
    except InputError:
        return "refused"
    except TimeoutError:
        return "hang"
    except Exception as error:  # noqa: BLE001 - this is what is counted
        return f"traceback {type(error).__name__}"
    finally:
        signal.alarm(0)
    return "right" if found in right else "WRONG"


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Raise MemoryError, which counts as a traceback, if a read takes more than HEADROOM."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + HEADROOM, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def campaign(inputs: int, seed: int) -> dict[str, Counter[str]]:
    """Read `inputs` damaged files; return the outcomes by kind of file."""

    def late(*_: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    table: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        made = families(Path(temporary))
        right = {name: [read()] for name, (_, read) in made.items()}
        # A damaged checkpoint is skipped for the one before it.
        newest, resumed = made["checkpoint"][0][-1], made["checkpoint"][1]
        kept = newest.read_bytes()
        newest.unlink()
        right["checkpoint"].append(resumed())
        newest.write_bytes(kept)
        for number in range(inputs):
            name = list(made)[number % len(made)]
            files, read = made[name]
            draw = random.Random(f"{seed} {number}")  # one each: the length of a model varies
            path = draw.choice(files)
            whole = path.read_bytes()
            damaged = whole
            while damaged == whole:  # a swap of equal files or lines changes nothing
                damaged = damage(whole, draw.choice(files).read_bytes(), draw)
            path.write_bytes(damaged)
            with bounded():
                became = outcome(read, right[name])
            table.setdefault(name, Counter())[became] += 1
            path.write_bytes(whole)
    return table


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    devices.configure(1)
    for name, counts in campaign(arguments.inputs, arguments.seed).items():
        outcomes = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
        print(f"{name:16} {sum(counts.values()):5} inputs: {outcomes}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
