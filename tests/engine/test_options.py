from typing import Annotated, Any

import pytest
from pydantic import Field, ValidationError

from stages.engine.options import FieldError, Options
from stages.engine.task import NOTHING, TaskOptions


class Sample(Options):
    count: int
    share: float
    pair: Annotated[tuple[float, float], Field(strict=False)]


GOOD: dict[str, Any] = {"count": 1, "share": 2, "pair": [1, 0.5]}


def test_a_list_is_a_tuple_and_an_integer_a_number() -> None:
    sample = Sample(**GOOD)
    assert (sample.pair, sample.share) == ((1.0, 0.5), 2.0)
    assert {type(value) for value in (*sample.pair, sample.share)} == {float}


@pytest.mark.parametrize(
    "change",
    [
        {"count": True},
        {"count": 1.0},
        {"count": "1"},
        {"share": True},
        {"share": float("nan")},
        {"share": float("inf")},
        {"pair": [1]},
        {"pair": [1, 2, 3]},
        {"pair": [1, "2"]},
        {"pair": "12"},
        {"other": 1},
    ],
    ids=str,
)
def test_nothing_else_is_converted(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Sample(**{**GOOD, **change})


def test_options_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Sample(**GOOD).count = 2


def test_an_error_repeats_no_value() -> None:
    with pytest.raises(ValidationError) as caught:
        Sample(**{**GOOD, "count": "s3cr3t"})
    assert "s3cr3t" not in str(caught.value)


def test_a_field_error_names_its_field() -> None:
    assert str(FieldError("count", "expected less, received 1")) == (
        "count: expected less, received 1"
    )


@pytest.mark.parametrize("text", ["a\n", "a\x1b[2J", "\x9b", "a\u2028b"])
def test_text_is_one_line_without_controls(text: str) -> None:
    class Named(Options):
        name: str | None

    assert Named(name="Ärztin, =x").name == "Ärztin, =x"
    with pytest.raises(ValidationError, match="name: expected text on one line") as caught:
        Named(name=text)
    assert text not in str(caught.value)


def test_prose_may_have_lines_and_a_title_may_not() -> None:
    words = {**NOTHING.model_dump(), "limits": "One.\n\n- Two."}
    assert TaskOptions(**words).limits == "One.\n\n- Two."
    for key, text in (("title", "a\nb"), ("limits", "a\x1b[2J")):
        with pytest.raises(ValidationError, match=f"{key}: expected .*control characters"):
            TaskOptions(**{**words, key: text})
