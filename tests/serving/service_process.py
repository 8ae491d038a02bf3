"""A service with a fake detector in a process of its own, whose every output is kept."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.engine.arrays import GrayImage
from stages.serving.answering.overlay import judged
from stages.serving.options import Limits, ServeOptions
from stages.serving.records.log_lines import ServiceLog
from stages.serving.records.quiet import silence_libraries
from stages.serving.run import run
from stages.serving.seams import FixedModel
from tests.serving.fake_detector import FakeDetector
from tests.serving.running import Running, served_model
from tests.workspace import ROOT


class Drawing(FakeDetector):
    """Answers without a network, and draws the pixels as they are."""

    def overlay(self, pixels: GrayImage) -> bytes:
        return judged(pixels)


@dataclass
class ServiceProcess(Running):
    """A service that writes below a folder: answer log, home, temporary files, output.

    Attributes:
        process: Of the service.
        folder: Has all that it may write.
    """

    process: subprocess.Popen[bytes]
    folder: Path

    def everything_written(self) -> Iterator[tuple[str, bytes]]:
        """Yield every file below the folder, by its name, which counts too."""
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            yield name, path.read_bytes() if path.is_file() else b""

    def memory(self) -> int:
        """Return the resident bytes of the service and the processes that it started."""
        pages = 0
        for status in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                text = status.read_text()
                number, parent = int(text.split()[0]), int(text.rpartition(")")[2].split()[1])
                if self.process.pid in (number, parent):
                    pages += int(status.with_name("statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def service_process(
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    before: Sequence[str] = (),
    limits: Mapping[str, float] | None = None,
) -> Iterator[ServiceProcess]:
    """Start a service, and end it by SIGTERM.

    Args:
        folder: An empty one, or that of an earlier service.
        environment: Further variables.
        before: A command that runs it, such as strace.
        limits: As of `Limits`.
    """
    for name in ("home", "tmp", "work"):
        (folder / name).mkdir(exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    kept = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
    variables = {
        **kept,
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        **(environment or {}),
    }
    command = (sys.executable, "-m", "tests.serving.service_process")
    with (folder / "output").open("ab") as output:
        process = subprocess.Popen(
            [*before, *command, str(port), str(folder), json.dumps(limits or {})],
            cwd=folder / "work",
            env=variables,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )
    service = ServiceProcess(None, port, process, folder)  # type: ignore[arg-type]
    try:
        _wait_until_ready(service)
        yield service
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _wait_until_ready(service: ServiceProcess) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError):
            if service.get("/readyz").status == 200:
                return
        if service.process.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError((service.folder / "output").read_text())


def main(port: str, folder: str, limits: str) -> int:
    """Run the service, as `pneumonia serve` does."""
    silence_libraries(ServiceLog())
    options = ServeOptions(
        port=int(port),
        workers=2,
        answers=Path(folder) / "answers",
        limits=Limits(**json.loads(limits)),
    )
    return run(options, follower=FixedModel(served_model(Drawing())))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
