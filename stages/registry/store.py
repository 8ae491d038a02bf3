"""Where runs and versions are kept: the embedded store, or what MLFLOW_TRACKING_URI names.

The embedded store is one SQLite database with its artifacts beside it, `mlruns/` under the
repository's root. MLflow writes artifact locations as absolute addresses; `open_store`
notices that the folder has moved (or is a copy) and re-addresses them all in one transaction.
"""

import contextlib
import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.engine.addresses import redact, without_credentials, without_secrets
from stages.engine.errors import InputError
from stages.registry import views

FOLDER = "mlruns"
PATIENCE_S = 30
"""How long a writer waits for another one before SQLite says that the database is locked."""

KNOCK_S = 3.0
"""How long a server may take to say that it is there."""

# Every column in which MLflow keeps an artifact location.
_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


@dataclass(frozen=True)
class Store:
    """A tracking store: its address, and its folder where it is the embedded one."""

    uri: str
    folder: Path | None

    @property
    def artifacts(self) -> str | None:
        """Address under which the embedded store's artifacts lie, percent-encoded."""
        # An address and not a path: MLflow would decode a "%20" in a plain path.
        return None if self.folder is None else (self.folder / "artifacts").as_uri()

    def __str__(self) -> str:
        return without_secrets(self.uri) if self.folder is None else f"{FOLDER}/ (embedded)"


def find_store(root: Path, environment: Mapping[str, str] = os.environ) -> Store:
    """The store that `environment` names, else the embedded one under `root`; touches nothing."""
    uri = environment.get("MLFLOW_TRACKING_URI")
    if uri:
        return Store(uri, None)
    folder = root.resolve() / FOLDER
    database = urllib.parse.quote(str(folder / "mlflow.db"))
    return Store(f"sqlite:///{database}?timeout={PATIENCE_S}", folder)


def open_store(store: Store) -> Any:
    """An MlflowClient on `store`, which MLflow's own functions then use as well.

    Makes the embedded store where there is none, one process at a time, and mends its
    addresses where it has moved. Raises InputError where a server does not answer.
    """
    knock(store)
    # Settings that a user may override; read by MLflow when it is imported or called.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_DISABLE_AGENT_HINT", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # MLflow's defaults wait for a dead server for eight minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    import mlflow

    with _environment_kept():
        mlflow.set_tracking_uri(store.uri)
        mlflow.set_registry_uri(store.uri)
    if store.folder is None:
        return _answering(mlflow.MlflowClient(), store)
    with locked(store):
        _make(store)
        client = mlflow.MlflowClient()
        if not client.search_experiments(max_results=1):
            raise RuntimeError("MLflow made a store without its default experiment")
        _address(store)
    return client


def knock(store: Store, seconds: float = KNOCK_S) -> None:
    """Ask a server whether it is there, in seconds and without MLflow, whose import takes some.

    One that was killed refuses at once; one that hangs takes a connection and says nothing.
    Raises InputError where no answer comes within `seconds`, or KNOCK_S where these are more.
    """
    if not store.uri.startswith(("http://", "https://")):
        return
    try:
        urllib.request.urlopen(
            f"{without_credentials(store.uri).rstrip('/')}/health",
            timeout=max(0.01, min(seconds, KNOCK_S)),
        ).close()
    except urllib.error.HTTPError:
        return  # an answer, of a server behind a login or of another make
    except OSError as error:
        raise _silent(store, getattr(error, "reason", error)) from None


def _answering(client: Any, store: Store) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        client.search_experiments(max_results=1)
    except (MlflowException, OSError) as error:
        raise _silent(store, error) from None
    return client


def reason(store: Store, error: object) -> str:
    """An error's first line, or its kind where it has none, without the secrets of `store`."""
    return redact((str(error).splitlines() or [type(error).__name__])[0], store.uri)[:200]


def _silent(store: Store, error: object) -> InputError:
    return InputError(
        f"{store}: expected a tracking store, received no answer ({reason(store, error)}); start "
        "it, or unset MLFLOW_TRACKING_URI to use the embedded store"
    )


@contextlib.contextmanager
def _environment_kept() -> Iterator[None]:
    """MLflow writes its settings to the environment too, where they look like a user's wish."""
    before = {name: os.environ.get(name) for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def locked(store: Store) -> Iterator[None]:
    """Keep other processes of this machine out of what needs several steps.

    Holds for the embedded store; a server has its own clients, whom no file of ours stops.
    The system lets go of the lock when the process ends, however it ends.
    """
    if store.folder is None:
        yield
        return
    store.folder.mkdir(parents=True, exist_ok=True)
    with (store.folder / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _make(store: Store) -> None:
    """Make the embedded store's database where there is none: all of it, then its name.

    MLflow takes seconds to make its tables, and can't use a database of which a killed process
    made some.
    """
    assert store.folder is not None
    database = store.folder / "mlflow.db"
    if database.exists():
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from sqlalchemy import Engine, event

    unfinished = database.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    event.listen(Engine, "connect", _unsynced)
    try:
        made = SqlAlchemyStore(f"sqlite:///{urllib.parse.quote(str(unfinished))}", store.artifacts)
    finally:
        event.remove(Engine, "connect", _unsynced)
    made.engine.dispose()
    with unfinished.open("rb") as handle:
        os.fsync(handle.fileno())
    unfinished.replace(database)


def _unsynced(connection: sqlite3.Connection, _: object) -> None:
    """Have no table wait for the disk, of dozens that are worth nothing until all are there."""
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA journal_mode = MEMORY")


def _address(store: Store) -> None:
    """Have every location in the embedded store begin with where the store is now.

    Experiment 0, which MLflow makes with the database, tells where the store was.
    """
    assert store.folder is not None
    now = store.artifacts
    with contextlib.closing(
        sqlite3.connect(store.folder / "mlflow.db", timeout=PATIENCE_S)
    ) as database:
        (default,) = database.execute(
            "SELECT artifact_location FROM experiments WHERE experiment_id = 0"
        ).fetchone()
        was = default.removesuffix("/0")
        if was == now:
            return
        with database:  # one transaction
            for table, column in _LOCATIONS:
                database.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE substr({column}, 1, ?) = ?",
                    (now, len(was) + 1, len(was) + 1, f"{was}/"),
                )


def ui_command(store: Store, port: int) -> list[str]:
    """The command that serves MLflow's pages on an embedded store or a database."""
    root = [] if store.artifacts is None else ["--default-artifact-root", store.artifacts]
    return [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store.uri, *root,
            "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]  # fmt: skip


def serve_ui(store: Store, port: int = 5000) -> int:
    """Serve MLflow's pages until interrupted; the exit status.

    Raises InputError where the store is a server, which has its own pages.
    """
    if store.uri.startswith(("http://", "https://")):
        raise InputError(
            f"MLFLOW_TRACKING_URI: expected a database, received a server: its pages are at {store}"
        )
    base = f"http://127.0.0.1:{port}"
    for address in views.addresses(open_store(store), base):
        print(f"runs and their figures: {address}")
    print(f"MLflow on {store}: {base}/#/experiments  (Ctrl-C ends it)")
    # Without its job runner the server is up in a quarter of the time, in two processes.
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    # `kill` ends it as Ctrl-C does, and Ctrl-C does where a script's shell had it ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    server = subprocess.Popen(ui_command(store, port), env=environment, start_new_session=True)
    try:
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        # MLflow's command starts the server beneath it, which would outlive it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait()
