import pytest

from stages.engine import check
from stages.engine.errors import InputError

NAN = float("nan")


@pytest.mark.parametrize("value", [0, 0.5, 1])
def test_between_takes_both_ends(value: float) -> None:
    check.between("a.b", value, 0, 1)


@pytest.mark.parametrize("value", [-0.1, 1.1, NAN])
def test_between_refuses_the_rest(value: float) -> None:
    said = rf"^params\.yaml: a\.b: expected a number from 0 to 1, received {value}$"
    with pytest.raises(InputError, match=said):
        check.between("a.b", value, 0, 1)


@pytest.mark.parametrize("value", [0, NAN, float("inf")])
def test_at_least_refuses_less_and_no_number(value: float) -> None:
    check.at_least("a.b", 1, 1)
    with pytest.raises(InputError, match=r"a\.b: expected a number from 1, received"):
        check.at_least("a.b", value, 1)


def test_one_of_names_the_choices() -> None:
    check.one_of("a.b", "x", ("x", "y"))
    with pytest.raises(InputError, match=r"a\.b: expected one of 'x', 'y', received 'z'"):
        check.one_of("a.b", "z", ("x", "y"))


@pytest.mark.parametrize("pair", [(0.1, 0.1), (0, 1)])
def test_ordered_takes_pairs(pair: tuple[float, ...]) -> None:
    check.ordered("a.b", pair, 0, 1)


@pytest.mark.parametrize(
    "pair", [(0.2, 0.1), (0.1,), (0.1, 0.2, 0.3), (), (-1, 0), (0, 2), (NAN, 1)]
)
def test_ordered_refuses_the_rest(pair: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match=r"a\.b: expected a pair \[a, b\] with 0 <= a <= b <= 1"):
        check.ordered("a.b", pair, 0, 1)


def test_a_number_that_yaml_reads_as_text_is_explained() -> None:
    error = check.refuse("a.b", "a number", "1e-3")
    assert "received '1e-3', which YAML takes for text: write a number with a point" in str(error)
    assert "YAML" not in str(check.refuse("a.b", "a number", "many"))
