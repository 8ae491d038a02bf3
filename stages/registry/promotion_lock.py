"""One promotion or rollback at a time on one host."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from stages.engine.errors import InputError
from stages.engine.files import digest
from stages.registry.store import Store


@contextlib.contextmanager
def promotion_lock(store: Store, name: str) -> Iterator[None]:
    """Keep other promotions and rollbacks on this host out.

    The operating system releases the lock when its holder ends, however it ends.

    Args:
        store: The tracking store.
        name: Registered model, for the message.

    Raises:
        InputError: Another process holds the lock.
    """
    from filelock import FileLock, Timeout

    if store.folder is None:  # for every repository on this host that uses the server
        key = digest({"store": store.uri, "user": os.getuid()})[:16]
        path = Path(tempfile.gettempdir()) / f"pneumonia-{key}.lock"
    else:
        store.folder.mkdir(parents=True, exist_ok=True)
        path = store.folder / ".promotion.lock"
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise InputError(
            f"{name}: another promotion or rollback is in progress on this host; try again when "
            "it has ended"
        ) from None
    try:
        yield
    finally:
        lock.release()
