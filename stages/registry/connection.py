"""Open a tracking store, and recognise and describe its failures."""

import contextlib
import os
import urllib.error
import urllib.request
from collections.abc import Iterator

from stages.engine.addresses import redact, without_credentials
from stages.engine.errors import InputError, ServiceUnavailable
from stages.registry.client import Client
from stages.registry.mlflow_internals.embedded_store import create_database, relocate
from stages.registry.store import Store, exclusive
from stages.registry.upgrade import require_present_schema, unusable

HEALTH_TIMEOUT_S = 3.0
"""How long a server may take to answer a health check."""

_MOST_CHARACTERS = 500

# A user may override each. MLflow reads them when it is imported or called.
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_DISABLE_AGENT_HINT": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # With MLflow's defaults a client waits eight minutes for a server that is down.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
}


_REFUSED = ("UNAUTHENTICATED", "PERMISSION_DENIED", "CUSTOMER_UNAUTHORIZED")
"""MLflow's names of what HTTP calls 401 and 403."""


class RefusedLogin(ServiceUnavailable):
    """A server answers, and refuses the login that was given, or that none was."""


def open_store(store: Store) -> Client:
    """Return a client of `store`, and make it the store of MLflow's module-level functions.

    The embedded store is created if it does not exist, by one process at a time, and its artifact
    locations are rewritten if it was moved or copied.

    Raises:
        ServiceUnavailable: A server does not answer, or refuses the login.
        InputError: It is of another version of MLflow.
    """
    check_server(store)
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    import mlflow

    with _unchanged_environment():
        mlflow.set_tracking_uri(store.uri)
        mlflow.set_registry_uri(store.uri)
    if store.folder is None:
        return _checked_client(store)
    with exclusive(store):
        create_database(store)
        client = _client(store)
        relocate(store)
    return client


def check_server(store: Store, seconds: float = HEALTH_TIMEOUT_S) -> None:
    """Raise unless the server of `store` answers; a store without a server passes.

    Plain HTTP, because importing MLflow is slow.

    Args:
        store: The store to check.
        seconds: How long to wait, at most HEALTH_TIMEOUT_S.

    Raises:
        ServiceUnavailable: The server refuses connections or does not answer in time.
    """
    if not store.is_server:
        return
    try:
        urllib.request.urlopen(
            f"{without_credentials(store.uri).rstrip('/')}/health",
            timeout=max(0.01, min(seconds, HEALTH_TIMEOUT_S)),
        ).close()
    except urllib.error.HTTPError:
        return  # it answers, but needs a login or has no such page
    except OSError as error:
        raise _unavailable(store, getattr(error, "reason", error)) from None


def is_store_failure(error: Exception) -> bool:
    """Return whether a store that is down, slow, full or locked can raise `error`.

    Anything else is a defect of this code.
    """
    if isinstance(error, (InputError, OSError)):
        return True
    import requests
    import sqlalchemy.exc
    from mlflow.exceptions import MlflowException

    return isinstance(
        error, (MlflowException, requests.RequestException, sqlalchemy.exc.SQLAlchemyError)
    )


def describe_failure(store: Store, error: object) -> str:
    """Return an error in words, without the secrets in the store's URI.

    An InputError stays whole, since it ends with what to do. Of any other error it is the first
    line, or the type, and no more than _MOST_CHARACTERS.
    """
    if isinstance(error, InputError):
        return redact(str(error), store.uri)
    line = redact((str(error).splitlines() or [type(error).__name__])[0], store.uri)
    return line if len(line) <= _MOST_CHARACTERS else f"{line[:_MOST_CHARACTERS]}..."


def _checked_client(store: Store) -> Client:
    from mlflow.exceptions import MlflowException

    try:
        return _client(store)
    except (MlflowException, OSError) as error:
        raise (refused_login(store, error) or _unavailable(store, error)) from None


def refused_login(store: Store, error: Exception) -> RefusedLogin | None:
    """Return an exception of MLflow's as RefusedLogin if it is one, else None."""
    if getattr(error, "error_code", None) not in _REFUSED:
        return None
    return RefusedLogin(
        f"{store}: refused the login; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, "
        "or MLFLOW_TRACKING_TOKEN, of somebody who may do this"
    )


def _client(store: Store) -> Client:
    """Return a client that has had an answer."""
    import mlflow
    from mlflow.exceptions import MlflowException

    require_present_schema(store)
    try:
        client: Client = mlflow.MlflowClient()
        client.search_experiments(max_results=1)
    except MlflowException as error:
        refusal = unusable(store, str(error))
        if refusal is None:
            raise
        raise refusal from None
    return client


def _unavailable(store: Store, error: object) -> ServiceUnavailable:
    return ServiceUnavailable(
        f"{store}: expected a tracking store, received no answer "
        f"({describe_failure(store, error)}); start it, or unset MLFLOW_TRACKING_URI to use the "
        "embedded store"
    )


@contextlib.contextmanager
def _unchanged_environment() -> Iterator[None]:
    """Undo MLflow's changes of the environment, which look like settings made by the user."""
    before = {name: os.environ.get(name) for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
