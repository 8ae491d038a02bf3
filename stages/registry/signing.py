"""Sign a registered version: add signature.json to its stored files."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stages.engine.errors import InputError
from stages.engine.files import write_bytes
from stages.registry.client import Client
from stages.registry.entities import ModelVersion
from stages.registry.opened_version import open_version
from stages.registry.sealed_package import PACKAGE
from stages.registry.signature import SIGNATURE, fingerprint, sign
from stages.registry.stored_package import require_loadable, stored_model_id

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True)
class Signed:
    """A version that is signed.

    Attributes:
        package: Digest of its package.
        key: Fingerprint of the key.
        added: Whether the signature was added now; False if the same was there.
    """

    package: str
    key: str
    added: bool


def sign_version(
    client: Client,
    name: str,
    version: ModelVersion,
    key: "Ed25519PrivateKey",
    *,
    packed: str | None,
) -> Signed:
    """Sign a version, unless the same key has signed it.

    Args:
        client: Client of the store.
        name: Registered model.
        version: The version.
        key: The private key.
        packed: Digest of the package that the files at hand give; None if they are those of another
            model, so that what is stored is all that there is to sign.

    Raises:
        InputError: The version can't be signed, its files are not those that were registered or
            promoted, or not those that the files at hand give.
    """
    label = f"{name} version {version.version}"
    require_loadable(name, str(version.version))
    model_id = stored_model_id(version)
    with tempfile.TemporaryDirectory() as scratch:
        opened = open_version(client, name, version, Path(scratch) / "version", key=None)
        if model_id is None or not opened.sealed:
            raise InputError(
                f"{label}: expected a version that `dvc repro` registered with this code, found "
                "one that can't be signed; register its model again with `dvc repro`"
            )
        if packed not in (None, opened.digest):
            raise InputError(
                f"{label}: expected the package that the files here give ({packed}), found another "
                f"({opened.digest}) in the store; find out who changed what before it is signed: "
                "check out the commit that registered it, or register it again with `dvc repro`"
            )
        signed = sign((opened.folder / PACKAGE).read_bytes(), key)
        present = opened.folder / SIGNATURE
        added = not present.exists() or present.read_bytes() != signed
        if added:
            upload = Path(scratch) / "upload"
            write_bytes(upload / SIGNATURE, signed)
            client.log_model_artifacts(model_id, str(upload))
        return Signed(opened.digest, fingerprint(key.public_key()), added)
