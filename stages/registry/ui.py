"""Serve MLflow's pages on a store that has no server of its own."""

import contextlib
import os
import signal
import subprocess
import sys

from stages.engine.console import print_text
from stages.engine.errors import InputError
from stages.registry.connection import open_store
from stages.registry.mlflow_internals.saved_view import saved_view_urls
from stages.registry.store import Store


def ui_command(store: Store, port: int) -> list[str]:
    """Return the command that serves MLflow's pages on the store of `ui_environment`."""
    command = [sys.executable, "-m", "mlflow", "server"]
    if store.artifacts is not None:
        command += ["--default-artifact-root", store.artifacts]
    return [*command, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]


def ui_environment(store: Store) -> dict[str, str]:
    """Return the environment of `ui_command`.

    It has the store's address: an argument, with a database's password, could be read by every user
    of this machine.
    """
    # Without its job runner the server starts in a quarter of the time, with two processes.
    settings = {
        "MLFLOW_BACKEND_STORE_URI": store.uri,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    return {**os.environ, **settings}


def serve_ui(store: Store, port: int = 5000) -> int:
    """Serve MLflow's pages until interrupted, and return the exit status.

    Raises:
        InputError: The store is a server, which has its own pages.
    """
    if store.is_server:
        raise InputError(
            f"MLFLOW_TRACKING_URI: expected a database, received a server: its pages are at {store}"
        )
    base = f"http://127.0.0.1:{port}"
    for url in saved_view_urls(open_store(store), base):
        print_text(f"runs and their figures: {url}")
    print_text(f"MLflow on {store}: {base}/#/experiments  (Ctrl-C ends it)")
    # `kill` ends it as Ctrl-C does, and Ctrl-C works where a script's shell ignores it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    server = subprocess.Popen(
        ui_command(store, port), env=ui_environment(store), start_new_session=True
    )
    try:
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        # MLflow's command starts the server as a child, which would outlive it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait()
