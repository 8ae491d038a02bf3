"""Reading figures from nested numbers."""

from stages.metrics.trees import find_figure, walk_figures

AUROC = {"value": 0.9, "low": 0.8, "high": 1}
TREE = {"test": {"auroc": AUROC, "images": 3, "kind": {"viral": {"sensitivity": AUROC}}}}


def test_a_figure_is_found_with_its_interval_or_not_at_all() -> None:
    assert find_figure(TREE, "test", "auroc") == {"value": 0.9, "low": 0.8, "high": 1.0}
    for keys in (("val", "auroc"), ("test", "images"), ("test",), ("test", "images", "n")):
        assert find_figure(TREE, *keys) is None


def test_a_figure_without_a_bound_is_none() -> None:
    assert find_figure({"auroc": {"value": 0.9, "low": 0.8}}, "auroc") is None
    assert find_figure({"auroc": {**AUROC, "high": None}}, "auroc") is None


def test_every_figure_of_a_tree_is_walked_with_its_keys() -> None:
    found = dict(walk_figures(TREE))
    assert list(found) == [("test", "auroc"), ("test", "kind", "viral", "sensitivity")]
    assert found["test", "auroc"]["value"] == 0.9
