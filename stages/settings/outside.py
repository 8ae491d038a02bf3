"""Files outside the repository that params name, by their content.

DVC sees what lies in the repository. An archive, its table of labels or a file of weights may
change elsewhere, so the stage `inputs` records their digests in data/inputs.json, on which fetch
and train depend as far as each reads it. No path stands there: the same bytes in another place are
the same input. Of several sources, each stands there under its name. Published weights, in a
package or Keras's folder of downloads, are known by their digest too.

Beside the digests stand the words of the section `task` (`record`).
"""

from collections.abc import Mapping
from typing import Any

from stages.engine.errors import InputError
from stages.engine.file_memory import FileMemory
from stages.engine.keys import differences
from stages.network.options import IMAGENET
from stages.network.pretrained import published
from stages.settings import fetch_inputs
from stages.settings.params import Params

FORMAT = 2
Digests = dict[str, dict[str, str | None]]
"""By section and dotted key."""


def named(params: Params) -> dict[str, dict[str, str | None]]:
    """The files and folders that params name, by section and key; None where a key names none."""
    return {
        "fetch": fetch_inputs.named(params.fetch),
        "train": {"weights": params.train.weights_file},
    }


def digests(params: Params, recorded: Mapping[str, Any], memory: FileMemory) -> Digests:
    """Digest of the content of everything that `named` gives, by section and key.

    Args:
        params: The whole of params.yaml.
        recorded: The last result. What is not there now keeps its digest of then, so that a clone
            that pulled every file needs no archive.
        memory: SHA-256 of large files by path and state; tables and weights are always read.

    Raises:
        InputError: The file of weights is not the one that train.weights pins, or the key of
            fetch.hash_names can't keep names secret.
    """
    found: Digests = {}
    recorded = _in_this_format(params, recorded)
    for section, keys in named(params).items():
        found[section] = {}
        for key, name in keys.items():
            content = fetch_inputs.recorded_as(key, name, memory)
            if name is not None and content is None:
                content = recorded.get(section, {}).get(key)
            found[section][key] = content
    if params.train.weights == IMAGENET:
        before = recorded.get("train", {}).get("weights")
        found["train"]["weights"] = published.sha256(params.train) or before
    pin, weights = params.train.weights_sha256, found["train"]["weights"]
    if pin is not None and weights not in (None, pin):
        raise InputError(
            f"{params.train.weights_file}: expected the weights pinned by train.weights ({pin}), "
            f"received {weights}; get that file, or pin this one (`pneumonia data pin`)"
        )
    return found


def _in_this_format(params: Params, recorded: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what was recorded, of format 1 too, which knew one source and not its name."""
    listed = params.fetch.listed
    if recorded.get("format") != 1 or len(listed) > 1:
        return recorded
    fetch = {
        key if key in ("classes", "body_part") else f"{listed[0].name}.{key}": value
        for key, value in recorded.get("fetch", {}).items()
    }
    return {**recorded, "format": FORMAT, "fetch": fetch}


def record(params: Params, recorded: Mapping[str, Any], memory: FileMemory) -> dict[str, Any]:
    """Return `digests`, and the words of params: what data/inputs.json holds beside its format.

    They stand in `task`, null where params state none. Fetch reads two of them: `fetch.classes`, of
    a table of labels, and `fetch.body_part`, of an archive; null for other sources, so that these
    words fetch nothing again there.
    """
    stated = params.task.model_dump(mode="json")
    found: dict[str, Any] = {**digests(params, recorded, memory), "task": stated}
    listed = params.fetch.listed
    has_table = any(source.labels for source in listed)
    has_archive = any(source.path for source in listed)
    found["fetch"] = {
        **found["fetch"],
        "classes": stated["classes"] if has_table else None,
        "body_part": stated["body_part"] if has_archive else None,
    }
    return found


def changes(
    params: Params, recorded: Mapping[str, Any], memory: FileMemory
) -> dict[str, tuple[Any, Any]]:
    """Return what is recorded and what is there of each file and word that has changed.

    Args:
        params: The whole of params.yaml.
        recorded: The content of data/inputs.json; what is not there now counts as unchanged.
        memory: As of `digests`.

    Returns:
        By dotted key, such as "fetch.lyon.path": digests of files, words as they are.

    Raises:
        InputError: The file of weights is not the one that train.weights pins.
    """
    recorded = _in_this_format(params, recorded)
    found = record(params, recorded, memory)
    return differences({section: recorded.get(section, {}) for section in found}, found)
