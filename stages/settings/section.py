"""Read params.yaml, or the one section of it that a stage needs.

A stage reads its own section through the model of its own package, so that it depends on no
other package's options. The stage `inputs` and every command check the whole file before that
(`settings.params`) and explain each problem; here, they are only refused.
"""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from stages.engine import keys
from stages.engine.errors import InvalidSettings
from stages.engine.options import Options
from stages.settings import paths

Section = TypeVar("Section", bound=Options)


def load(model: type[Section], name: str, path: Path = paths.PARAMS) -> Section:
    """Return the section `name` of params.yaml, checked by its model.

    Raises:
        InvalidSettings: The file is missing or no YAML, or the section has missing, unknown or
            invalid keys.
    """
    try:
        return model.model_validate(keys.get(read(path), name))
    except ValidationError as error:
        raise _refusal(error, name, path) from None


def value(kind: Any, key: str, path: Path = paths.PARAMS) -> Any:
    """Return the value of one dotted key of params.yaml, for a stage that needs no more.

    Args:
        kind: Its type, such as `engine.options.Threads`.
        key: Such as "train.threads".
        path: The file.

    Raises:
        InvalidSettings: The file is missing or no YAML, or the value is missing or invalid.
    """
    try:
        adapter = TypeAdapter(kind, config=Options.model_config)
        return adapter.validate_python(keys.get(read(path), key))
    except ValidationError as error:
        raise _refusal(error, key, path) from None


def require_unchanged(options: Options, name: str) -> None:
    """Raise where the section `name` of params.yaml is no longer what a stage has read.

    Raises:
        InvalidSettings: A key was changed while the stage ran; it is named.
    """
    now = load(type(options), name)
    refuse_changes({name: options.model_dump()}, {name: now.model_dump()})


def refuse_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Raise where what a stage has read differs from what lies there when it ends.

    DVC records params and code as they are after a stage, so that they would not be what ran.

    Raises:
        InvalidSettings: The message names the keys.
    """
    changed = [
        f"{key} was {was!r} and is {now!r}"
        for key, (was, now) in keys.differences(before, after).items()
    ]
    if changed:
        raise InvalidSettings(
            f"changed while this stage ran: {'; '.join(changed)}. What it made is not recorded; "
            "run `dvc repro` again. With the earlier value, a training continues where it ended"
        )


def _refusal(error: ValidationError, name: str, path: Path) -> InvalidSettings:
    problems = [
        f"{'.'.join(map(str, (name, *detail['loc'])))}: {detail['msg']}"
        for detail in error.errors(include_url=False, include_input=False)
    ]
    return InvalidSettings(
        f"{path}: {'; '.join(problems)}. `python -m stages.inputs` explains each problem"
    )


def read(path: Path = paths.PARAMS) -> Any:
    """Return the content of a YAML file, unchecked.

    Raises:
        InvalidSettings: The file is missing, is no YAML, or has a key twice.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)
    except FileNotFoundError:
        raise InvalidSettings(
            f"{path}: no such file; run from the root of the repository, where it lies"
        ) from None
    except (
        yaml.YAMLError,
        ValueError,
        RecursionError,
    ) as error:  # ValueError: 2001-99-99, no UTF-8
        raise InvalidSettings(f"{path}: not valid YAML: {error}") from None


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a key that is given twice; YAML lets the second one win silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = []
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is given twice", key.start_mark
                )
            seen.append(key.value)
        return super().construct_mapping(node, deep)
