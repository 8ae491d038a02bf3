"""Loads params.yaml and checks the whole of it, whichever stage asks.

The dataclasses of the rooms' `options.py` are the schema: each field must be there, nothing
else may be, and every value has the field's type and passes the dataclass's own checks.
"""

import dataclasses
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stages.engine.check import refuse
from stages.engine.errors import InputError
from stages.images.options import PreprocessOptions
from stages.metrics.options import EvaluateOptions
from stages.network.options import TrainOptions
from stages.registry.options import RegisterOptions
from stages.settings import paths
from stages.sources.options import FetchOptions


@dataclass(frozen=True)
class Params:
    """All of params.yaml: one section per stage."""

    fetch: FetchOptions
    preprocess: PreprocessOptions
    train: TrainOptions
    evaluate: EvaluateOptions
    register: RegisterOptions


def load(path: Path = paths.PARAMS) -> Params:
    """Read and check `path`.

    Raises InputError that names the key, what was expected and what was received.
    """
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)
    except FileNotFoundError:
        raise InputError(
            f"{path}: expected the params file, found none; run from the repository's root"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected YAML, received: {error}") from None
    params: Params = _build(Params, tree, "")
    return params


class _UniqueKeys(yaml.SafeLoader):
    """YAML without its habit of letting the second of two equal keys win in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for key, again in zip(node.value, keys, strict=True):
            if keys.count(again) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {again!r} stands twice", key[0].start_mark
                )
        return super().construct_mapping(node, deep)


def _build(cls: type, tree: Any, where: str) -> Any:
    if not isinstance(tree, dict):
        raise refuse(where.rstrip(".") or "(top level)", "a mapping of keys to values", tree)
    hints = typing.get_type_hints(cls)
    for key in tree:
        if key not in hints:
            known = ", ".join(hints)
            raise refuse(f"{where}{key}", f"no such key (known here: {known})", tree[key])
    values = {}
    for field in dataclasses.fields(cls):
        key = f"{where}{field.name}"
        if field.name not in tree:
            raise InputError(
                f"params.yaml: {key}: expected {_say(hints[field.name])}, received nothing; "
                "the key is missing, add it"
            )
        values[field.name] = _value(hints[field.name], tree[field.name], key)
    return cls(**values)


def _value(hint: Any, value: Any, key: str) -> Any:
    """`value` as `hint` wants it: a nested section, a tuple for a list, a float for an int."""
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _build(hint, value, f"{key}.")
    if isinstance(hint, types.UnionType):
        for choice in typing.get_args(hint):
            if _fits(choice, value):
                return _value(choice, value, key)
        raise refuse(key, _say(hint), value)
    if not _fits(hint, value):
        raise refuse(key, _say(hint), value)
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)
        if inner[-1] is not Ellipsis and len(inner) != len(value):
            raise refuse(key, _say(hint), value)
        return tuple(_value(inner[0], item, f"{key}[{n}]") for n, item in enumerate(value))
    return float(value) if hint is float else value


def _fits(hint: Any, value: Any) -> bool:
    if hint is types.NoneType:
        return value is None
    if typing.get_origin(hint) is tuple:
        return isinstance(value, list)
    if dataclasses.is_dataclass(hint):
        return isinstance(value, dict)
    if isinstance(value, bool):  # YAML's `true` is no number
        return hint is bool
    return isinstance(value, (int, float) if hint is float else hint)


def _say(hint: Any) -> str:
    if isinstance(hint, types.UnionType):
        return " or ".join(_say(choice) for choice in typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)
        count = "" if inner[-1] is Ellipsis else f" of {len(inner)}"
        return f"a list{count}: each {_say(inner[0])}"
    if dataclasses.is_dataclass(hint):
        return "a section"
    names = {int: "an integer", float: "a number", str: "text", bool: "true or false"}
    return names.get(hint, "null")
