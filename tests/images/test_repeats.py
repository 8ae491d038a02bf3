"""Roles are assigned in one pass over the images, and new sources are named."""

from pathlib import Path

import pytest

from stages.images.build import build_shards
from stages.images.frozen_roles import NOTHING_FROZEN, RecordedGroup
from stages.images.prepared_images import PreparedImages
from stages.sources.index import IndexRow, open_raw
from tests.sample_images import options, paths, raw


def test_the_list_of_rows_is_not_made_for_each_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = 0
    original = vars(PreparedImages)["rows"].fget

    def rows(self: PreparedImages) -> list[IndexRow]:
        nonlocal made
        made += 1
        return list(original(self))

    monkeypatch.setattr(PreparedImages, "rows", property(rows))
    counts = []
    for patients in (12, 36):
        images, _ = open_raw(raw(tmp_path / f"raw {patients}", paths(patients)))
        made = 0
        build_shards(images, options(), tmp_path / f"shards {patients}", workers=1)
        counts.append(made)
    assert counts[0] == counts[1]


@pytest.mark.parametrize(("group", "new"), [("IM-0001", []), ("lyon/IM-0001", ["test"])])
def test_a_source_without_a_frozen_group_is_named(
    tmp_path: Path, group: str, new: list[str]
) -> None:
    images, _ = open_raw(raw(tmp_path / "raw", paths()))
    frozen = NOTHING_FROZEN.with_groups([RecordedGroup(group, False, "train")])
    built = build_shards(images, options(), tmp_path / "shards", frozen=frozen, workers=1)
    assert built.new_sources == new
    assert built.frozen_groups == (not new)
