"""An MLflow server for tests, which can be killed, suspended and started again."""

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """`mlflow server`, not running at first.

    Attributes:
        folder: Where its artifacts are kept, and its database unless `database` names another.
        port: Its port.
        process: Its process while it runs.
        database: URI of its database; "" for one in `folder`.
    """

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    database: str = ""

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self.folder.mkdir(exist_ok=True)
        options = {
            "--port": str(self.port),
            "--workers": "1",
            "--backend-store-uri": self.database or f"sqlite:///{self.folder / 'mlflow.db'}",
            "--artifacts-destination": str(self.folder / "artifacts"),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *itertools.chain(*options.items())],
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while self.process.poll() is None:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.uri}/health", timeout=5).close()
                return
            time.sleep(0.2)
        raise AssertionError(f"the server ended with {self.process.returncode}")

    def signal(self, number: int) -> None:
        """Send a signal to the server and its children: SIGKILL, or SIGSTOP to make it hang."""
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


@contextlib.contextmanager
def served(model: str, folder: Path, **environment: str) -> Iterator[str]:
    """Run `mlflow models serve` and yield its address, as soon as it answers.

    Args:
        model: URI of the model.
        folder: The current folder of the server.
        environment: Further variables.

    Raises:
        AssertionError: The server ends before it answers.
    """
    port = free_port()
    # MLflow starts `uvicorn` by its name, so the environment's programs come first.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    options = {"--env-manager": "local", "--model-uri": model, "--port": str(port)}
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "models", "serve", *itertools.chain(*options.items())],
        cwd=folder,
        env={**os.environ, "PATH": path, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while server.poll() is None:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5).close()
                break
            time.sleep(0.5)
        else:
            raise AssertionError(f"{model}: the server ended with {server.returncode}")
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait()
