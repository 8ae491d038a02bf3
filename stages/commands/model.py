"""Models and runs: list them, export a model, sign and fetch versions."""

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stages.commands.parameters import AsJson, Source
from stages.commands.registration import Function
from stages.commands.tables import print_rows
from stages.commands.tracking_store import open_tracking_store, registered_name
from stages.engine.console import print_note, print_text
from stages.engine.errors import InputError, NotFound
from stages.engine.files import read_json, replacing_folder
from stages.engine.root import project_root
from stages.settings import paths

if TYPE_CHECKING:
    from stages.settings.params import Params


def list_versions(params: "Params", as_json: AsJson = False) -> None:
    """List the registered versions of every data set, newest first."""
    from stages.registry import listing
    from stages.registry.stored_package import REMEDY

    client, _ = open_tracking_store()
    rows = listing.list_versions(client, params.register.name)
    print_rows(rows, listing.VERSION_COLUMNS, as_json=as_json)
    for row in rows:
        if row["stored"] == "no":
            print_note(
                f"warning: {row['model']} version {row['version']}: its files were deleted from "
                f"MLflow, so that it can't be loaded; {REMEDY}"
            )


def list_runs(params: "Params", as_json: AsJson = False) -> None:
    """List the runs of every data set, newest first."""
    from stages.registry import listing

    client, _ = open_tracking_store()
    rows = listing.list_runs(client, params.register.name)
    print_rows(rows, listing.RUN_COLUMNS, as_json=as_json)


def export(
    params: "Params",
    to: Annotated[Path, typer.Argument(metavar="FILE.h5", help="The file to write.")],
) -> None:
    """Save the model as HDF5, for tools that read no .keras file."""
    from stages.engine import devices

    if to.suffix != ".h5":
        raise InputError(f"{to}: expected a name ending in .h5; .keras is in data/model")
    devices.configure(params.train.threads)
    from stages.engine.files import replacing
    from stages.network.predict import load_model

    model = load_model(paths.MODEL / "model.keras")
    with replacing(to) as temporary:
        model.save(temporary.with_suffix(".h5"))
        temporary.with_suffix(".h5").replace(temporary)
    print_text(f"{to}: an export; it opens without Keras's safe mode, so trust its sender")


def upgrade(_: "Params") -> None:
    """Upgrade the tracking store to the installed MLflow; keeps a backup."""
    from stages.registry.store import find_store
    from stages.registry.upgrade import upgrade_store

    store = find_store(project_root())
    backup = upgrade_store(store)
    if backup is None:
        print_text(f"{store}: up to date")
    else:
        print_text(f"{store}: upgraded; the database of before is kept as {backup}")


def key(
    _: "Params",
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A new file, outside of the repository.")
    ],
) -> None:
    """Write a new pair of keys to sign versions with: PATH, and PATH.pub to verify them.

    PNEUMONIA_KEY_PASSPHRASE, if set, encrypts the private one.
    """
    from stages.engine.root import from_root
    from stages.registry import signing_key

    place = from_root(str(path))
    fingerprint = signing_key.create(place)
    public = signing_key.public_path(place)
    print_text(
        f"{place}: a new private key, for `pneumonia model sign`. {public}: its public key, "
        f"{fingerprint}. Commit a copy of the public one and give its path as `public_key` in the "
        f"section register of {paths.PARAMS}. Keep the private one where only those who release "
        "versions can read it, with a copy: it is in no other place"
    )
    if place.resolve().is_relative_to(project_root()):
        print_note(
            f"warning: {place} lies in the repository; move it out or keep it out of git, since "
            "whoever has the private key can sign versions"
        )


def sign(
    params: "Params",
    key: Annotated[
        Path, typer.Option(metavar="PRIVATE", help="The key, of `pneumonia model key`.")
    ],
    version: Annotated[
        str | None, typer.Argument(metavar="VERSION", help="Default: the candidate.")
    ] = None,
    source: Source = None,
) -> None:
    """Sign a version, if its files are those that the run here gives.

    If another model's run is here, what is stored is signed, with a warning. The passphrase of the
    key is read from PNEUMONIA_KEY_PASSPHRASE.
    """
    from stages.engine.root import from_root
    from stages.registry import signing, signing_key
    from stages.registry.gate import candidate
    from stages.registry.versions import get_version

    private = signing_key.read(from_root(str(key)))
    name = registered_name(params, source)
    client, _ = open_tracking_store()
    entry = get_version(client, name, version or candidate(client, name))
    packed = _package_here(params, entry.tags.get("model_digest", ""))
    if packed is None:
        print_note(
            f"warning: the files here are not those of version {entry.version}, so that its stored "
            "files are signed as they are; check out the commit that made it to compare them"
        )
    signed = signing.sign_version(client, name, entry, private, packed=packed)
    print_text(
        f"{name}: version {entry.version} (package {signed.package[:12]}) is "
        f"{'now' if signed.added else 'already'} signed by the key {signed.key[:12]}"
    )


def _package_here(params: "Params", model: str) -> str | None:
    """Return the digest of the package that the run here gives; None if it is of another model."""
    from stages.history.finished import finished
    from stages.registry.storing import packed

    if not paths.RELEASE.exists() or read_json(paths.RELEASE)["model_digest"] != model:
        return None
    with packed(finished(params)) as package:
        return package.digest


def fetch(
    params: "Params",
    to: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to create.")],
    version: Annotated[
        str | None, typer.Argument(metavar="VERSION", help="Default: the champion.")
    ] = None,
    source: Source = None,
) -> None:
    """Check the files of a version and write them to a new folder, from which MLflow serves them.

    MLflow itself runs code of a version before anything can check it.
    """
    from stages.registry.aliases import CHAMPION, alias_version
    from stages.registry.opened_version import open_version
    from stages.registry.trusted_key import trusted_key
    from stages.registry.versions import get_version

    key = trusted_key(params.register.public_key)
    if to.exists():
        raise InputError(f"{to}: expected no such file or folder, found one; name another")
    name = registered_name(params, source)
    client, _ = open_tracking_store()
    number = version or alias_version(client, name, CHAMPION)
    if number is None:
        raise NotFound(f"{name}: expected a champion, found none; name a version")
    with tempfile.TemporaryDirectory() as scratch, replacing_folder(to) as partial:
        entry = get_version(client, name, number)
        opened = open_version(client, name, entry, Path(scratch) / "version", key=key)
        shutil.copytree(opened.folder, partial, dirs_exist_ok=True)
    print_text(
        f"{to}: the files of {name} version {number}, as {_checked_against(key)}; "
        f"`mlflow models serve --env-manager local -m {to}` serves them"
    )


def _checked_against(key: Path | None) -> str:
    return "recorded" if key is None else f"recorded, and signed by a key of {key}"


COMMANDS: dict[str, Function] = {
    "list": list_versions,
    "runs": list_runs,
    "export": export,
    "upgrade": upgrade,
    "key": key,
    "sign": sign,
    "fetch": fetch,
}
