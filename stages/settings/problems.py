"""Turn the errors of pydantic into messages for someone who edits params.yaml."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import ValidationError

from stages.engine.options import FieldError

Schema: TypeAlias = Mapping[str, Any]
"""A JSON schema, as pydantic makes it of a model."""

Place: TypeAlias = tuple[str | int, ...]
"""Keys and list indices that lead to a value."""

RENAMED = {
    "preprocess.max_unreadable_films": "max_unreadable_images",
    "evaluate.saliency_films": "saliency_images",
}
"""Keys of older versions, with the name that each has in its section now."""

_UNKNOWN = ("extra_forbidden", "invalid_key")


@dataclass(frozen=True)
class _Error:
    """An error of pydantic."""

    place: Place
    kind: str
    received: Any
    cause: object
    """The exception that a validator of ours raised, if any."""


def message(path: Path, problems: list[str]) -> str:
    """Return one message for all problems of the file `path`: a line, or a list."""
    if len(problems) == 1:
        return f"{path}: {problems[0]}"
    return "\n  ".join([f"{path}: {len(problems)} problems", *problems])


def find(error: ValidationError, schema: Schema) -> list[str]:
    """Return a line for each problem: the key, what is wrong, what is allowed, what was given.

    Args:
        error: What pydantic found in the whole of params.yaml.
        schema: The JSON schema of the model that it used.
    """
    errors = _errors(error)
    missing = {each.place for each in errors if each.kind == "missing"}
    meant = {
        each.place: _meant(each.place, schema, missing) for each in errors if each.kind in _UNKNOWN
    }
    misspelt = {(*place[:-1], known) for place, known in meant.items()}
    lines = []
    for each in errors:
        if each.kind in _UNKNOWN:
            lines.append(_unknown(each.place, schema, meant[each.place], missing))
        elif isinstance(each.cause, FieldError):
            lines.append(f"{_key((*each.place, each.cause.key))}: {each.cause.text}")
        elif each.kind != "missing":
            lines.append(_not_allowed(each, schema))
        elif each.place not in misspelt:
            allowed = _allowed(_at(schema, each.place), schema)
            lines.append(f"{_key(each.place)}: the key is missing; add {allowed}")
    return list(dict.fromkeys(lines))


def _errors(error: ValidationError) -> list[_Error]:
    found = []
    for detail in error.errors(include_url=False):
        place, kind = detail["loc"], detail["type"]
        if kind == "missing" and isinstance(place[-1], int):  # a list that is too short
            place, kind = place[:-1], "too_short"
        found.append(_Error(place, kind, detail["input"], detail.get("ctx", {}).get("error")))
    # A list with a wrong item is called too short as well.
    inner = [each.place for each in found]
    return [
        each
        for each in found
        if each.kind != "too_short"
        or not any(place[: len(each.place)] == each.place != place for place in inner)
    ]


def _key(place: Place) -> str:
    """The dotted key of a place, such as "train.widths[0]"."""
    key = ""
    for part in place:
        if isinstance(part, int):
            key += f"[{part}]"
        else:
            key += f".{part}" if key else part
    return key


def _at(schema: Schema, place: Place) -> Schema:
    """The part of a schema that describes the value at `place`."""
    part = _resolved(schema, schema)
    for step in place:
        if isinstance(step, int):
            # A list that may be null.
            part = next((each for each in part.get("anyOf", ()) if each["type"] == "array"), part)
            part = part["prefixItems"][step] if "prefixItems" in part else part["items"]
        else:
            part = part["properties"][step]
        part = _resolved(part, schema)
    return part


def _resolved(part: Schema, schema: Schema) -> Schema:
    if "$ref" not in part:
        return part
    definition: Schema = schema["$defs"][part["$ref"].rpartition("/")[2]]
    return definition


def _allowed(part: Schema, schema: Schema) -> str:
    """What a part of a schema allows, such as "an integer from 1"."""
    part = _resolved(part, schema)
    if "allowed" in part:
        return str(part["allowed"])
    if "anyOf" in part:
        return " or ".join(_allowed(choice, schema) for choice in part["anyOf"])
    if "enum" in part:
        return "one of " + ", ".join(map(repr, part["enum"]))
    if part["type"] == "array":
        count = part["minItems"] if "prefixItems" in part else f"{part.get('minItems', 0)} or more"
        item = part["prefixItems"][0] if "prefixItems" in part else part["items"]
        return f"a list of {count} values, each {_allowed(item, schema)}"
    if part["type"] in ("integer", "number"):
        return _number(part)
    if part["type"] == "object":
        return f"a mapping with the keys {', '.join(part['properties'])}"
    return {"string": "text", "boolean": "true or false", "null": "null"}[part["type"]]


def _number(part: Schema) -> str:
    text = "an integer" if part["type"] == "integer" else "a number"
    if "minimum" in part:
        text += f" from {part['minimum']}"
    if "maximum" in part:
        text += f" to {part['maximum']}"
    return text


def _not_allowed(error: _Error, schema: Schema) -> str:
    part, received = _at(schema, error.place), error.received
    kinds = {part.get("type"), *(choice.get("type") for choice in part.get("anyOf", ()))}
    hint = ""
    if kinds & {"integer", "number"} and _is_number_as_text(received):
        hint = ", which YAML takes for text: write a number with a point and no quotes, as 1.0e-3"
    elif "string" in kinds and not isinstance(received, (str, list, dict, type(None))):
        hint = ", which YAML does not take for text: put it in quotes"
    elif close := difflib.get_close_matches(str(received), part.get("enum", ()), n=1):
        hint = f"; did you mean {close[0]!r}?"
    key = _key(error.place) or "(top level)"
    given = "null" if received is None else repr(received)
    return f"{key}: expected {_allowed(part, schema)}, received {given}{hint}"


def _is_number_as_text(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return isinstance(value, str)


def _meant(place: Place, schema: Schema, missing: set[Place]) -> str | None:
    """The known key that an unknown one is likely to stand for; a missing one is likelier."""
    if _key(place) in RENAMED:
        return RENAMED[_key(place)]
    known = list(_at(schema, place[:-1])["properties"])
    absent = [other for other in known if (*place[:-1], other) in missing]
    close = [
        *difflib.get_close_matches(str(place[-1]), absent, n=1),
        *difflib.get_close_matches(str(place[-1]), known, n=1),
    ]
    return close[0] if close else None


def _unknown(place: Place, schema: Schema, meant: str | None, missing: set[Place]) -> str:
    *above, last = place
    section = _key(tuple(above))
    start = f"{section}: unknown key `{last}`" if section else f"unknown key `{last}`"
    if _key(place) in RENAMED:
        both = (*above, meant) not in missing
        remedy = "which is given too: remove this one" if both else "rename it"
        return f"{start}; it is now `{meant}`, {remedy}"
    guess = f"did you mean `{meant}`? Known" if meant else "known"
    known = ", ".join(_at(schema, tuple(above))["properties"])
    return f"{start}; {guess} keys: {known}"
