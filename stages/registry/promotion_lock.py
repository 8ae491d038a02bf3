"""One promotion or rollback at a time on one host."""

import contextlib
from collections.abc import Iterator

from stages.engine.addresses import without_credentials
from stages.engine.errors import InputError
from stages.engine.files import digest
from stages.engine.locks import locked, user_folder
from stages.registry.store import Store


@contextlib.contextmanager
def promotion_lock(store: Store, name: str) -> Iterator[None]:
    """Keep other promotions and rollbacks of this user on this host out.

    Args:
        store: The tracking store.
        name: Registered model, for the message.

    Raises:
        InputError: Another process holds the lock, or there is no safe place for it.
    """
    if store.folder is None:  # for every repository of this user that uses the server
        key = digest({"store": without_credentials(store.uri)})[:16]
        path = user_folder() / f"promotion-{key}.lock"
    else:
        store.folder.mkdir(parents=True, exist_ok=True)
        path = store.folder / ".promotion.lock"

    def refuse() -> None:
        raise InputError(
            f"{name}: another promotion or rollback is in progress on this host; try again when "
            "it has ended"
        )

    with locked(path, when_held=refuse):
        yield
