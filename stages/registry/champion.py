"""Which version is at an alias, where its files are, and what is on record of it.

In the embedded store all of that is read without importing MLflow. A server, and whatever is not as
expected, goes through MLflow.
"""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.engine.errors import InputError, NotFound
from stages.registry import moves
from stages.registry.aliases import CHAMPION
from stages.registry.circumstances import NOT_RECORDED
from stages.registry.history import OUTSIDE, replay
from stages.registry.identity import model_name
from stages.registry.mlflow_internals import quick_champion
from stages.registry.moves import Move
from stages.registry.sealed_package import SealedPackage, open_sealed
from stages.registry.store import Store, find_store


@dataclass(frozen=True)
class Champion:
    """The version at an alias, `champion` unless another is asked for.

    Attributes:
        name: Registered model.
        version: Its number.
        package: Folder with its files.
        model_digest: Its tag of that name.
        package_digest: What is on record as the digest of its package; None if nothing is.
        sealed: Whether it was registered as one that lists its files: format 2.
        cautions: What makes it doubtful, in words.
        commit: Git commit that it was trained at, if that is on record.
    """

    name: str
    version: str
    package: Path
    model_digest: str
    package_digest: str | None
    sealed: bool
    cautions: tuple[str, ...] = ()
    commit: str | None = None

    def __str__(self) -> str:
        return f"{self.name} version {self.version}"

    def open(self, key: Path | None) -> SealedPackage:
        """Check the files of a sealed package, and import none.

        Args:
            key: File of the public keys of which one must have signed it; None for no signature.

        Raises:
            InputError: They are not the files on record, or are not signed.
        """
        try:
            package = open_sealed(self.package, expected=self.package_digest, key=key)
            if package.model_digest != self.model_digest:
                raise InputError(f"its files are those of the model {package.model_digest[:12]}")
            return package
        except InputError as error:
            raise type(error)(f"{self}: {error}") from None


@contextlib.contextmanager
def find_champion(root: Path, stem: str, source: str | None) -> Iterator[Champion]:
    """Yield the champion of the model `<stem>-<source>`, whose files stay until the context ends.

    Args:
        root: Repository, for its embedded store.
        stem: `register.name` of params.yaml.
        source: Name of the data set; None if only one model of that stem has a champion.

    Raises:
        NotFound: There is no champion, or there are several to choose from.
        InputError: Its files were deleted.
    """
    store = find_store(root)
    if store.folder is not None and not store.folder.exists():
        _choose(store, {}, stem, source)  # raises: MLflow would create the store first
    at_alias = quick_champion.versions_at(store, CHAMPION)
    if at_alias is not None:
        name, version = _choose(store, at_alias, stem, source)
        found = quick_champion.stored_version(store, name, version)
        if found is not None and (found.package / "MLmodel").is_file():
            yield on_record(name, version, found.package, found.tags, found.moves)
            return
    with _through_mlflow(store, stem, source) as champion:
        yield champion


def name_at(store: Store, alias: str, stem: str) -> str:
    """Return the name of the one model `<stem>-...` that has a version at an alias.

    Raises:
        NotFound: None has one, or several have.
        ServiceUnavailable: The store does not answer.
    """
    at_alias = quick_champion.versions_at(store, alias)
    if at_alias is None and store.folder is None:
        at_alias = _versions_at(store, alias, stem)
    return _choose(store, at_alias or {}, stem, None, alias)[0]


def _choose(
    store: Store,
    at_alias: Mapping[str, str],
    stem: str,
    source: str | None,
    alias: str = CHAMPION,
) -> tuple[str, str]:
    """Return name and version of the one champion that is meant."""
    champions = {name: at_alias[name] for name in at_alias if name.startswith(f"{stem}-")}
    wanted = [model_name(stem, source)] if source else sorted(champions)
    found = [name for name in wanted if name in champions]
    if len(found) != 1:
        raise NotFound(
            f"{store}: expected one {alias} of {', '.join(wanted) or stem}, found "
            f"{', '.join(found) or 'none'}; `pneumonia promote` makes one, or name a model file"
        )
    return found[0], champions[found[0]]


def on_record(
    name: str,
    version: str,
    package: Path,
    tags: Mapping[str, str],
    records: Sequence[Move],
    alias: str = CHAMPION,
) -> Champion:
    """Return the version at an alias with what is on record of it.

    The digest that the last move to the version recorded goes before that of its registration.

    Args:
        name: Registered model.
        version: Its number.
        package: Folder with its files.
        tags: Its tags.
        records: Every record of a move of an alias of the model, oldest first.
        alias: The alias that points at it.
    """
    recorded = moves.recorded_package(records, version)
    registered = tags.get(moves.PACKAGE_DIGEST)
    cautions = []
    history, _ = replay([move for move in records if move.alias == alias], version)
    if history[-1].outcome == OUTSIDE:
        compared = "the last move to it on record" if recorded else "its registration"
        cautions.append(
            f"{name} version {version}: `{alias}` was moved to it by hand, past the gate (see "
            f"`pneumonia history`); its files are compared with {compared}"
        )
    commit = tags.get("git_commit", NOT_RECORDED)
    return Champion(
        name,
        version,
        package,
        tags.get("model_digest", ""),
        recorded or registered,
        registered is not None,
        tuple(cautions),
        None if commit == NOT_RECORDED else commit,
    )


@contextlib.contextmanager
def _through_mlflow(store: Store, stem: str, source: str | None) -> Iterator[Champion]:
    from stages.registry.connection import open_store
    from stages.registry.opened_version import open_version
    from stages.registry.stored_package import require_loadable

    name, version = _choose(store, _versions_at(store, CHAMPION, stem), stem, source)
    client = open_store(store)
    require_loadable(name, version)
    found, records = client.get_model_version(name, version), moves.read_moves(client, name)
    with tempfile.TemporaryDirectory() as folder:
        opened = open_version(client, name, found, Path(folder) / "version", key=None)
        yield on_record(name, version, opened.folder, found.tags, records)


def _versions_at(store: Store, alias: str, stem: str) -> dict[str, str]:
    """Ask MLflow for the version at an alias, by the name of its model."""
    from stages.registry.connection import open_store

    models = open_store(store).search_registered_models(f"name LIKE '{stem}-%'")
    return {model.name: str(model.aliases[alias]) for model in models if alias in model.aliases}
