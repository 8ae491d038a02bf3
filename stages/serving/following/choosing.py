"""Find what is to be served: an alias of a registry, or files that never change."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stages.engine.console import print_note
from stages.engine.errors import InputError, NotFound, ServiceUnavailable
from stages.engine.locks import user_folder
from stages.registry.alias_source import alias_source
from stages.registry.champion import name_at
from stages.registry.signature import read_public_keys
from stages.registry.store import Store, find_store, named_store
from stages.registry.trusted_key import trusted_key
from stages.serving.following.followed import AliasFollower
from stages.serving.following.kept import Kept
from stages.serving.following.loading import Loader
from stages.serving.options import ServeOptions
from stages.serving.seams import FixedModel, Follower
from stages.serving.served import ServedModel

_ALIAS = re.compile(r"(?:models:/)?(?P<name>[^/:@\s]{1,200})(?:@(?P<alias>[\w-]{1,200}))?")
_SUFFIXES = (".keras", ".h5", ".onnx", ".tflite")


@dataclass(frozen=True)
class Repository:
    """The repository in which the service runs, where there is one.

    Attributes:
        root: Its folder.
        stem: Param `register.name`.
        public_key: Param `register.public_key`.
        load: Loads a model file with the code and the params of the repository.
    """

    root: Path
    stem: str
    public_key: str | None
    load: Callable[[Path, Loader], ServedModel]


def make_follower(
    options: ServeOptions,
    repository: Repository | None,
    *,
    warm: Callable[[ServedModel], None],
    log: Callable[[str], None] = print_note,
) -> Follower:
    """Return what follows the alias, or the loaded files, that the options name.

    Args:
        options: Of the command.
        repository: Where the service runs; None outside of one.
        warm: Is called with each loaded version before it answers.
        log: Gets a line per event.

    Raises:
        InputError: There is no such thing, or its files don't load.
    """
    loader = Loader(_key(options, repository), options.threads)
    if options.model is not None and _is_path(options.model):
        model = _from_files(Path(options.model).expanduser(), repository, loader)
        warm(model)
        return FixedModel(model)
    store = _store(options, repository)
    name, alias = _name(options, repository, store)
    kept = Kept(options.kept or user_folder() / "served")
    source = alias_source(store, name, alias)
    return AliasFollower(source, kept, loader, poll_s=options.poll_s, warm=warm, log=log)


def _key(options: ServeOptions, repository: Repository | None) -> Path | None:
    if options.public_key is None:
        return trusted_key(repository.public_key if repository else None)
    try:
        read_public_keys(options.public_key)
    except InputError as error:
        raise InputError(f"--public-key: {error}") from None
    return trusted_key(str(options.public_key.resolve()))


def _is_path(model: str) -> bool:
    return Path(model).expanduser().exists() or model.endswith(_SUFFIXES)


def _from_files(path: Path, repository: Repository | None, loader: Loader) -> ServedModel:
    if not path.exists():
        raise NotFound(f"--model {path}: expected a model file, found none")
    if path.is_dir():
        return loader.folder(path)
    if repository is None:
        raise InputError(
            f"--model {path}: expected NAME@ALIAS or the folder of a package, received a model "
            "file, which says neither how its images are prepared nor with which code; run this in "
            "the repository that trained it, or get its package with `pneumonia model fetch`"
        )
    return repository.load(path, loader)


def _store(options: ServeOptions, repository: Repository | None) -> Store:
    if options.registry is not None:
        return named_store(options.registry)
    if repository is None and not os.environ.get("MLFLOW_TRACKING_URI"):
        raise InputError(
            "expected the address of a registry, received none; give --registry ADDRESS or set "
            "MLFLOW_TRACKING_URI, or run this in a repository"
        )
    return find_store(repository.root if repository else Path.cwd())


def _name(options: ServeOptions, repository: Repository | None, store: Store) -> tuple[str, str]:
    """Return the registered model and the alias that are meant."""
    if options.model is None:
        if repository is None:
            raise InputError(
                "expected --model NAME@ALIAS, or the folder of a package, received none; only in "
                "a repository there is a default"
            )
        try:
            return name_at(store, options.alias, repository.stem), options.alias
        except ServiceUnavailable as error:
            raise ServiceUnavailable(
                f"{error}; with --model NAME@ALIAS the service starts without it, and answers with "
                "the version that is kept here"
            ) from None
    named = _ALIAS.fullmatch(options.model)
    if named is None:
        raise InputError(
            f"--model {options.model}: expected NAME@ALIAS, such as pneumonia-phantom@champion, or "
            "a model file or folder that exists"
        )
    return named["name"], named["alias"] or options.alias
