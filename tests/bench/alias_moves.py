"""Move an alias under load: `python -m tests.bench.alias_moves`.

A service follows an alias of an embedded store among four versions: of format 2, of format 2 with
another image_px, of format 1, and one that does not load. Meanwhile clients send single images and
forms of several. Prints what failed, whether each answer was by a version that answered at some
time between its start and its end, whether equal images of a version got equal bits, how long after
a move the version changed, and the memory after the second and the last change.

`--package FOLDER` puts a package of format 2, such as that of the default champion, in the place of
one of the small networks.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.registry.client import Client
from stages.registry.connection import open_store
from stages.registry.store import Store, find_store
from stages.serving.web.answers import OUT_OF_DOMAIN
from tests.registry import tiny
from tests.serving.real_versions import BROKEN, EARLIER, LARGER, NAME, SMALL, move
from tests.serving.serving_process import ServingProcess
from tests.workspace import ROOT

POLL_S = 1.0
_LATEST_S = 180.0
_PAUSE_S = 0.02


@dataclass(frozen=True)
class Asked:
    """A request and what came of it."""

    start: float
    end: float
    problem: str | None
    version: str
    answers: tuple[tuple[int, float | None], ...]


@dataclass
class Load:
    """Clients that ask until `stop` is set."""

    service: ServingProcess
    clients: int
    asked: list[Asked] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> list[threading.Thread]:
        threads = [
            threading.Thread(target=self._client, args=(number,)) for number in range(self.clients)
        ]
        for thread in threads:
            thread.start()
        return threads

    def _client(self, number: int) -> None:
        drawn = random.Random(number)
        greys = range(90, 170, 5)
        while not self.stop.is_set():
            chosen = drawn.sample(greys, drawn.choice((1, 1, 3, 6)))
            self.asked.append(self._ask(chosen))
            time.sleep(_PAUSE_S)

    def _ask(self, greys: list[int]) -> Asked:
        start = time.time()
        try:
            reply = self.service.running.judge(*(tiny.image(grey) for grey in greys))
        except OSError as error:
            return Asked(start, time.time(), type(error).__name__, "", ())
        end, content = time.time(), reply.json
        if reply.status != 200:
            return Asked(start, end, f"{reply.status} {content.get('error')}", "", ())
        return Asked(start, end, _problem(content, len(greys)), *_answers(content, greys))


def _problem(content: Any, count: int) -> str | None:
    if [image["index"] for image in content["images"]] != list(range(count)):
        return "images out of order"
    refused = [image["refused"] for image in content["images"] if image["refused"]]
    # One of them may know its images so well that it answers for none of noise.
    unasked = [each for each in refused if each["kind"] != OUT_OF_DOMAIN]
    return str(unasked[0]) if unasked else None


def _answers(content: Any, greys: list[int]) -> tuple[str, tuple[tuple[int, float | None], ...]]:
    probabilities = [image["probability"] for image in content["images"]]
    return content["model"]["version"], tuple(zip(greys, probabilities, strict=True))


@dataclass(frozen=True)
class Moves:
    """What happened when the alias moved.

    Attributes:
        latest_s: Longest time until the version changed, or was found not to load.
        kilobytes: Memory after each change.
        changes: When which version began to answer, as a client saw it: it answered at some time
            between the two times.
    """

    latest_s: float
    kilobytes: list[int]
    changes: list[tuple[float, float, str]]


def move_about(
    service: ServingProcess,
    client: Client,
    store: Store,
    versions: dict[str, str],
    *,
    moves: int,
    pause_s: float,
) -> Moves:
    """Move the alias again and again, and wait each time until the service has followed."""
    order = [LARGER, EARLIER, BROKEN, SMALL]
    latest, kilobytes = 0.0, []
    now = time.time()
    changes = [(0.0, now, service.version())]
    for turn in range(moves):
        kind = order[turn % len(order)]
        before = time.time()
        move(client, store, "champion", versions[kind])
        began = time.time()
        while True:
            status, version = service.status(), service.version()
            failed = status["failed_version"] == versions[kind]
            if failed if kind == BROKEN else version == versions[kind]:
                break
            assert time.time() - began < _LATEST_S, (kind, status)
            time.sleep(0.05)
        latest = max(latest, time.time() - began)
        if kind != BROKEN:
            changes.append((before, time.time(), version))
            kilobytes.append(service.kilobytes())
        time.sleep(pause_s)
    return Moves(latest, kilobytes, changes)


def strangers(asked: list[Asked], changes: list[tuple[float, float, str]]) -> int:
    """Return how many answers are by a version that did not answer while they were under way.

    A version answers from some time in its change until some time in the next one.
    """
    spans = [
        (begin, following[1], version)
        for (begin, _, version), following in zip(
            changes, [*changes[1:], (0.0, float("inf"), "")], strict=True
        )
    ]
    return sum(
        not any(
            version == one.version and begin <= one.end and one.start <= end
            for begin, end, version in spans
        )
        for one in asked
        if one.problem is None
    )


def different_bits(asked: list[Asked]) -> int:
    """Return how many answers differ from the first one for the same image by the same version."""
    first: dict[tuple[str, int], float | None] = {}
    return sum(
        first.setdefault((one.version, grey), probability) != probability
        for one in asked
        for grey, probability in one.answers
    )


def prepared(root: Path, package: Path | None = None, **environment: str) -> dict[str, str]:
    """Make the store, in a process that then gives its memory back."""
    words = [str(root), *([str(package)] if package else [])]
    done = subprocess.run(
        [sys.executable, "-m", "tests.serving.real_versions", *words],
        cwd=ROOT,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def service_of(registry: str, folder: Path) -> ServingProcess:
    """Return the service of a registry, which runs in a folder of its own."""
    return ServingProcess(
        folder / "service",
        (
            *("--registry", registry, "--model", f"{NAME}@champion"),
            *("--poll", str(POLL_S), "--kept", str(folder / "kept")),
        ),
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.alias_moves")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--moves", type=int, default=20)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--pause", type=float, default=2.0, help="seconds between two moves")
    parser.add_argument("--package", type=Path, default=None)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        root = folder / "repository"
        root.mkdir()
        versions = prepared(root, arguments.package)
        store = find_store(root)
        client = open_store(store)
        service = service_of(str(root), folder)
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
        print(f"started in {service.start():.1f} s", flush=True)
        load = Load(service, arguments.clients)
        threads = load.run()
        try:
            found = move_about(
                service, client, store, versions, moves=arguments.moves, pause_s=arguments.pause
            )
            while len(load.asked) < arguments.requests:
                time.sleep(0.1)
        finally:
            load.stop.set()
            for thread in threads:
                thread.join()
        report(load.asked, found)
        print(f"ended with {service.end()}")


def report(asked: list[Asked], found: Moves) -> None:
    """Print the figures."""
    images = sum(len(one.answers) for one in asked)
    seconds = sorted(one.end - one.start for one in asked)
    failures = [one.problem for one in asked if one.problem]
    by_version = {one.version: 0 for one in asked if one.version}
    for one in asked:
        if one.version:
            by_version[one.version] += 1
    print(f"{len(asked)} requests, {images} images, {len(failures)} failed: {failures[:3]}")
    print(f"answers by version: {dict(sorted(by_version.items()))}")
    print(f"by a version that did not answer meanwhile: {strangers(asked, found.changes)}")
    print(f"other bits than before: {different_bits(asked)}")
    print(f"p50 {seconds[len(seconds) // 2]:.2f} s, longest {seconds[-1]:.2f} s")
    print(f"followed a move within {found.latest_s:.1f} s (polls every {POLL_S:g} s)")
    after = found.kilobytes[min(1, len(found.kilobytes) - 1)]
    print(
        f"memory: {after / 1024:.0f} MB after the second change, {found.kilobytes[-1] / 1024:.0f} "
        f"after change {len(found.kilobytes)}: {found.kilobytes[-1] / after:.3f} times"
    )
    print(f"memory after each change, MB: {[each // 1024 for each in found.kilobytes]}")


if __name__ == "__main__":
    main()
