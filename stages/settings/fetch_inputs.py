"""Files outside the repository that fetch reads, by their content.

Apart from `outside`, which reads the whole of params.yaml: fetch must not depend on the options of
other packages.
"""

from collections.abc import Callable
from pathlib import Path

from stages.engine.errors import InputError
from stages.engine.file_memory import FileMemory
from stages.engine.files import read_json, sha256_file
from stages.engine.root import from_root, project_root
from stages.engine.task import BodyPart, ClassNames
from stages.settings import paths, section
from stages.sources import hash_key
from stages.sources.archives.folder_archive import FolderPacking
from stages.sources.options import FetchOptions, SeveralSources


def named(options: FetchOptions | SeveralSources) -> dict[str, str | None]:
    """Return the files and folders that the section fetch names; None for none.

    Returns:
        By "same_patients", and by "<source>.path", "<source>.labels" and, where there is a key,
        "<source>.hash_names" of each source.
    """
    found = {"same_patients": options.same_patients}
    for source in options.listed:
        found |= {f"{source.name}.path": source.path, f"{source.name}.labels": source.labels}
        if key := hash_key.path_of(source.hash_names):
            found[f"{source.name}.hash_names"] = key
    return found


def recorded_as(key: str, name: str | None, memory: FileMemory) -> str | None:
    """Return what data/inputs.json records of the file `name`; None if it is missing.

    Args:
        key: As of `named`.
        name: As of `content`.
        memory: SHA-256 of archives by path and state; small files are always read.

    Raises:
        InputError: It is no key that can hash names.
        OSError: It can't be read.
    """
    last = key.rpartition(".")[2]
    if last == "hash_names" and name is not None:
        path = from_root(name)
        return hash_key.read(path).fingerprint if path.exists() else None
    return content(name, memory.of if last == "path" else sha256_file)


def content(name: str | None, sha256: Callable[[Path], str] = sha256_file) -> str | None:
    """Return the digest of a file or folder that params name; None if it is missing.

    Args:
        name: Its path, absolute or relative to the repository's root; None for none.
        sha256: Returns the SHA-256 of a file.

    Raises:
        OSError: It can't be read.
    """
    if name is None:
        return None
    path = from_root(name)
    if path.is_dir():
        return FolderPacking(path, sha256).sha256()
    return sha256(path) if path.exists() else None


def require_recorded(options: FetchOptions | SeveralSources) -> None:
    """Raise unless the files that fetch reads are those that data/inputs.json records.

    The stage `inputs` records them before fetch. `dvc repro -s fetch` runs fetch alone, and DVC
    would name what it reads by the record of other files. Without a data/inputs.json nothing is
    named yet.

    Raises:
        InputError: A file has other content than was recorded.
    """
    if not paths.INPUTS.exists():
        return
    recorded = read_json(paths.INPUTS).get("fetch", {})
    memory = large_files()
    for key, name in named(options).items():
        found = recorded_as(key, name, memory)
        if found is not None and found != recorded.get(key):
            raise InputError(
                f"{_in_params(options, key)}: expected the content of {name} that {paths.INPUTS} "
                f"records ({recorded.get(key) or 'none'}), found {found}; run the whole "
                "`dvc repro`, which records it first"
            )
    memory.save()


def _in_params(options: FetchOptions | SeveralSources, key: str) -> str:
    """Return where a key of `named` stands in params.yaml, such as "fetch.sources[0].path"."""
    name, _, last = key.rpartition(".")
    if not name or isinstance(options, FetchOptions):
        return f"fetch.{last}"
    number = [source.name for source in options.sources].index(name)
    return f"fetch.sources[{number}].{last}"


def classes() -> tuple[str, str] | None:
    """Return the words for 0 and 1 in a table of labels that params state (task.classes), if any.

    Raises:
        InvalidSettings: data/inputs.json holds something else.
    """
    if not paths.INPUTS.exists():
        return None
    stated: tuple[str, str] | None = section.value(ClassNames | None, "fetch.classes", paths.INPUTS)
    return stated


def body_part() -> str | None:
    """Return what the DICOM images of an archive should show (task.body_part), if params state it.

    Raises:
        InvalidSettings: As of `classes`.
    """
    if not paths.INPUTS.exists():
        return None
    stated: str | None = section.value(BodyPart | None, "fetch.body_part", paths.INPUTS)
    return stated


def large_files() -> FileMemory:
    """Return the memory of the digests of archives, which are read again only once they change."""
    return FileMemory(project_root() / ".cache/inputs.json", sha256_file)
