"""Compare `pneumonia serve` with MLflow: `python -m tests.bench.serving PACKAGE IMAGE...`.

`pneumonia serve` and `mlflow models serve` answer from the same package folder, on the same machine
at the same time, and are asked in turns: one request at a time, and 16 at a time. Requests per
second, and the median and the 99th percentile of a request's milliseconds, are medians over the
rounds. Processor time (user and system, of a server and its processes) per answer is compared with
that of a bare loop over the version's own detector: decode, resize, network, for one image at a
time and for eights. All answers must be equal to the last bit.

The clients run on the same machine too, so that only ratios of one run mean anything. `mlflow
models serve` gets `uvicorn` by PATH.
"""

import argparse
import base64
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.workspace import BIN

AT_A_TIME = (1, 16)
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        name: Of its column.
        port: On 127.0.0.1.
        process: The first of its processes.
        path: To which images are sent.
        kind: Of a body.
        body: Makes a request of an image file.
        answer: Reads the probability from a reply; None for a refusal.
    """

    name: str
    port: int
    process: int
    path: str
    kind: str
    body: Callable[[bytes], bytes]
    answer: Callable[[Any], float | None]

    def ask(self, connection: http.client.HTTPConnection, body: bytes) -> float | None:
        """Send an image and return its probability."""
        connection.request("POST", self.path, body, {"Content-Type": self.kind})
        reply = connection.getresponse()
        content = reply.read()
        if reply.status not in (200, 422):
            raise SystemExit(f"{self.name}: {reply.status} {content[:300]!r}")
        return self.answer(json.loads(content))


@dataclass
class Measured:
    """One round: requests per second, a request's milliseconds, processor seconds an answer."""

    per_second: float
    median_ms: float
    p99_ms: float
    processor_s: float
    answers: list[float | None]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.serving")
    parser.add_argument("package", type=Path, help="folder of a version of format 2")
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=0, help="a round; default: one per image")
    arguments = parser.parse_args()
    report(arguments.package, arguments.images, arguments.rounds, arguments.requests)


def report(package: Path, files: Sequence[Path], rounds: int, requests: int = 0) -> None:
    """Print the table and the ratios; raise AssertionError if any answer differs."""
    images = [file.read_bytes() for file in files]
    images = (images * (requests // len(images) + 1))[: requests or len(images)]
    size = sum(map(len, images)) / len(images) / 1000
    print(f"{len(images)} requests of {size:.0f} kB on average, {rounds} rounds", flush=True)
    with ours(package) as first, mlflow(package) as second:
        servers = first, second
        found: dict[tuple[str, int], list[Measured]] = {}
        for server in servers:
            measure(server, images[:32], 4)  # the first ones are slower
        for _ in range(rounds):
            for at_a_time in AT_A_TIME:
                for server in servers:
                    round_ = measure(server, images, at_a_time)
                    found.setdefault((server.name, at_a_time), []).append(round_)
            print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    bare = {eights: bare_loop(package, files, requests, eights=eights) for eights in (False, True)}
    print_table(found, bare, [server.name for server in servers])
    expected = bare[True][1]
    for (name, at_a_time), rounds_ in found.items():
        differing = sum(
            one != other
            for round_ in rounds_
            for one, other in zip(round_.answers, expected, strict=True)
        )
        print(f"{name}, {at_a_time} at a time: {differing} answers differ from the bare loop's")
        assert not differing
    assert bare[False][1] == expected


def print_table(
    found: dict[tuple[str, int], list[Measured]],
    bare: dict[bool, tuple[float, list[float | None]]],
    names: Sequence[str],
) -> None:
    """Print a row per server and concurrency, and the ratios."""
    print("| Server | At a time | Requests/s | Median, ms | 99th, ms | Processor s an answer |")
    print("|---|---|---|---|---|---|")
    middle: dict[tuple[str, int], Measured] = {}
    for key, rounds in found.items():
        middle[key] = one = Measured(
            statistics.median(each.per_second for each in rounds),
            statistics.median(each.median_ms for each in rounds),
            statistics.median(each.p99_ms for each in rounds),
            statistics.median(each.processor_s for each in rounds),
            [],
        )
        numbers = f"{one.per_second:.1f} | {one.median_ms:.0f} | {one.p99_ms:.0f}"
        print(f"| {key[0]} | {key[1]} | {numbers} | {one.processor_s:.4f} |")
    first, second = names
    for at_a_time in AT_A_TIME:
        one, other = middle[first, at_a_time], middle[second, at_a_time]
        loop = bare[at_a_time > 1][0]
        print(
            f"{at_a_time} at a time: {one.per_second / other.per_second:.2f} times the requests/s, "
            f"{one.p99_ms / other.p99_ms:.2f} times the 99th percentile; processor time "
            f"{one.processor_s / loop:.2f} times the bare loop's ({loop:.4f} s)"
        )


def measure(server: Server, images: Sequence[bytes], at_a_time: int) -> Measured:
    """Ask for each image once."""
    bodies = [server.body(image) for image in images]
    waiting = iter(range(len(bodies)))
    answers: list[float | None] = [None] * len(bodies)
    seconds: list[float] = []

    def client(_: int) -> None:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
            for index in waiting:  # an iterator of integers hands out each once
                begin = time.monotonic()
                answers[index] = server.ask(connection, bodies[index])
                seconds.append(time.monotonic() - begin)

    before, begin = processor_seconds(server.process), time.monotonic()
    with ThreadPoolExecutor(at_a_time) as threads:
        list(threads.map(client, range(at_a_time)))
    took = time.monotonic() - begin
    spent = processor_seconds(server.process) - before
    ordered = sorted(1000 * one for one in seconds)
    p99 = ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]
    number = len(bodies)
    return Measured(number / took, statistics.median(ordered), p99, spent / number, answers)


def processor_seconds(root: int) -> float:
    """Return user and system time of a process, its living descendants and their dead ones."""
    parents: dict[int, int] = {}
    spent: dict[int, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            parents[int(folder.name)] = int(fields[1])
            spent[int(folder.name)] = sum(map(int, fields[11:15])) / _TICKS
    total = 0.0
    for process in spent:
        ancestor = process
        while ancestor not in (root, 0):
            ancestor = parents.get(ancestor, 0)
        total += spent[process] if ancestor == root else 0
    return total


@contextlib.contextmanager
def ours(package: Path) -> Iterator[Server]:
    """Run `pneumonia serve`."""
    command = [str(BIN / "pneumonia"), "serve", "--model", str(package), "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            port = re.search(r":(\d+)/", line)
            if port is None:
                raise SystemExit(f"pneumonia serve: {line}")
            kind = "application/octet-stream"
            yield Server(
                "pneumonia serve",
                int(port[1]),
                process.pid,
                "/v1/images",
                kind,
                lambda image: image,
                lambda reply: reply["images"][0]["probability"],
            )
        finally:
            process.terminate()


@contextlib.contextmanager
def mlflow(package: Path) -> Iterator[Server]:
    """Run `mlflow models serve`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(BIN / "mlflow"), "models", "serve", "-m", str(package), "-p", str(port)]
    command += ["--env-manager", "local", "--host", "127.0.0.1"]
    with subprocess.Popen(
        command,
        env=os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            wait_for(port, process)
            yield Server(
                "mlflow models serve",
                port,
                process.pid,
                "/invocations",
                "application/json",
                as_json,
                lambda reply: reply["predictions"][0]["probability"],
            )
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def as_json(image: bytes) -> bytes:
    """Return a request of MLflow."""
    columns = {"columns": ["image"], "data": [[base64.b64encode(image).decode()]]}
    return json.dumps({"dataframe_split": columns}).encode()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until MLflow's server answers."""
    while process.poll() is None:
        asked = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with contextlib.suppress(OSError), contextlib.closing(asked) as connection:
            connection.request("GET", "/ping")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.5)
    raise SystemExit(f"mlflow models serve ended with {process.returncode}; is uvicorn on PATH?")


def bare_loop(
    package: Path, files: Sequence[Path], requests: int, *, eights: bool
) -> tuple[float, list[float | None]]:
    """Return processor seconds an answer and the answers of a loop in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.serving_bare", str(package), str(requests)]
    done = subprocess.run(
        [*command, "8" if eights else "1", *map(str, files)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    return found["seconds"], found["answers"]


if __name__ == "__main__":
    main()
