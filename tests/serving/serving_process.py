"""`pneumonia serve` as a process of its own, whose log a test can read."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.serving.running import Running
from tests.workspace import ROOT

_WAIT_S = 300.0
"""For TensorFlow on a busy machine."""


@dataclass
class ServingProcess:
    """A service, not running at first.

    Attributes:
        folder: Where it runs: empty, so that there is no repository.
        options: Of the command.
        port: 0 at the first start takes a free one.
        environment: Further variables.
        process: While it runs.
    """

    folder: Path
    options: tuple[str, ...]
    port: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder.with_suffix(".log")

    @property
    def running(self) -> Running:
        return Running(None, self.port)  # type: ignore[arg-type]

    def start(self) -> float:
        """Start it, wait until a version answers, and return the seconds that this took."""
        self.folder.mkdir(exist_ok=True)
        before = len(self.lines())
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "stages.commands.main", "serve"),
                    *("--port", str(self.port), *self.options),
                ],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), **self.environment},
                stdout=log,
                stderr=log,
            )
        started = time.monotonic()
        while time.monotonic() - started < _WAIT_S:
            for line in self.lines()[before:]:
                if found := re.match(r"https?://127\.0\.0\.1:(\d+)/: ", line):
                    self.port = int(found[1])
                    return time.monotonic() - started
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.1)
        raise AssertionError(self.log.read_text())

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def status(self) -> Any:
        """Return the status of GET /v1/model."""
        return self.running.get("/v1/model").json["status"]

    def version(self) -> str:
        """Return the version that answers."""
        return str(self.running.get("/v1/model").json["model"]["version"])

    def kilobytes(self) -> int:
        """Return the resident memory of the process, without its workers."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1])

    def kill(self) -> None:
        """End it if it runs."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(60)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)
