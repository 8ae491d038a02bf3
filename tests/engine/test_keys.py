import pytest

from stages.engine import keys

TREE = {"seed": 0, "train": {"widths": [4, 8], "augment": {"flip": True}}}


def test_get() -> None:
    assert keys.get(TREE, "train.augment.flip") is True
    assert keys.get(TREE, "train.augment") == {"flip": True}


@pytest.mark.parametrize("key", ["trian", "train.flip", "seed.x", "train.widths.0"])
def test_get_gives_none_where_there_is_no_such_key(key: str) -> None:
    assert keys.get(TREE, key) is None


def test_assign() -> None:
    tree = {"seed": 0, "train": {"augment": {"flip": True}}}
    keys.assign(tree, "train.augment.flip", False)
    keys.assign(tree, "seed", 3)
    assert tree == {"seed": 3, "train": {"augment": {"flip": False}}}


@pytest.mark.parametrize("key", ["trian", "train.flip", "seed.x", "trian.augment.flip"])
def test_assign_makes_no_key(key: str) -> None:
    with pytest.raises(KeyError, match=key):
        keys.assign({"seed": 0, "train": {"augment": {"flip": True}}}, key, 1)


def test_flatten() -> None:
    assert keys.flatten(TREE) == {"seed": 0, "train.widths": [4, 8], "train.augment.flip": True}


def test_differences_are_by_dotted_key_with_both_values() -> None:
    other = {"seed": 0, "train": {"widths": [4], "augment": {"flip": False}, "blocks": 2}}
    assert keys.differences(TREE, other) == {
        "train.widths": ([4, 8], [4]),
        "train.augment.flip": (True, False),
        "train.blocks": (None, 2),
    }
    assert keys.differences(TREE, TREE) == {}
