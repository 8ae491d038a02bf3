"""Connected components by union-find."""

from collections.abc import Iterable
from typing import TypeVar

Item = TypeVar("Item", int, str)


def smallest_in_component(links: Iterable[tuple[Item, Item]]) -> dict[Item, Item]:
    """Union-find: map each linked item to the smallest member of its connected component."""
    parent: dict[Item, Item] = {}

    def root(item: Item) -> Item:
        while parent.setdefault(item, item) != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for link in links:
        smaller, larger = sorted(map(root, link))
        parent[larger] = smaller
    return {item: root(item) for item in list(parent)}
