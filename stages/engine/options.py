"""The base class of all params: closed, strictly typed and immutable."""

import re
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stages.engine.addresses import hide_credentials

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Options(BaseModel):
    """A section of params.yaml. A subclass names each key, its type, range and unit.

    Every key must be given and no other may be. An integer becomes a float where a number is
    wanted; otherwise nothing is converted, and neither `true` nor NaN nor infinity is a number.
    A list in YAML is a tuple here: such a field has `Field(strict=False)`. Text is one line without
    control characters, because paths and names go into messages, tables and pages.

    Raises:
        pydantic.ValidationError: A value is missing, unknown or not allowed; `settings.section`
            makes a message of it.
    """

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,  # an address may hold a password
    )

    PROSE: ClassVar[frozenset[str]] = frozenset()
    """Keys whose text may have several lines; a subclass checks it."""

    @model_validator(mode="after")
    def _text_is_one_line(self) -> Self:
        for key in type(self).model_fields.keys() - self.PROSE:
            text = getattr(self, key)
            if isinstance(text, str) and _CONTROL.search(text):
                raise FieldError(
                    key,
                    "expected text on one line, without control characters, received "
                    f"{hide_credentials(text)!r}",
                )
        return self


Share = Annotated[float, Field(ge=0, le=1)]
"""A fraction of a whole, 0 to 1."""

Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
"""Seed of a NumPy or TensorFlow generator, 0 to 2^32 - 1."""

Threads = Annotated[int, Field(ge=1, le=256)]
"""Intra-op threads of TensorFlow. Their number decides the last bits of a result."""


class FieldError(ValueError):
    """What a check of several fields raises: the field to blame, and what is wrong with it.

    Args:
        key: The field's name, in the model whose validator raises.
        text: Such as "expected null for the network 'compact', received 'imagenet'".
    """

    def __init__(self, key: str, text: str) -> None:
        super().__init__(f"{key}: {text}")
        self.key = key
        self.text = text
