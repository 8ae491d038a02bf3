"""What is seen on the way, what it counts, and the pictures of it."""

from dataclasses import asdict

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from stages.audit import facts, pictures
from stages.audit.census import TILES, Census, Seen
from stages.images.build import BuildResult
from stages.images.duplicates import Pair
from stages.images.prepared_images import record_from_index
from stages.sources import names
from stages.sources.index import IndexRow
from tests.sample_images import picture


def row(path: str, **facts: str) -> IndexRow:
    said = {**asdict(names.parse(path)), **facts}
    return IndexRow(
        path=path, sha256="", bytes=900, width=64, height=48, jpeg_table_mean=20.0, icc=0, mode="L",
        **said,
    )  # fmt: skip


NORMAL = [row(f"train/NORMAL/IM-{n:04d}-0001.jpeg") for n in range(12)]
ILL = [row(f"test/PNEUMONIA/person{n}_virus_{n}.jpeg", split_group=f"IM-{n:04d}") for n in range(3)]


def pixels(record: IndexRow) -> NDArray[np.uint8]:
    return picture(record.path, 32, 32)


HOMES = ["train"] * len(NORMAL) + ["test"] * len(ILL)


def built(pairs: list[Pair] | None = None, images: list[IndexRow] | None = None) -> BuildResult:
    return BuildResult({}, images or [*NORMAL, *ILL], HOMES, pairs or [], 0, [])


def census() -> Census:
    made = Census()
    for image, home in zip([*NORMAL, *ILL], HOMES, strict=True):
        made.see(home, record_from_index(image), pixels(image))
    return made


def test_a_role_keeps_thumbnails_means_and_a_few_tiles() -> None:
    seen = census().roles["train"]
    assert seen.thumbnails.shape == (12, 24, 24)
    assert seen.thumbnails.dtype == np.uint8
    mean = seen.mean(0)
    assert mean is not None
    np.testing.assert_allclose(mean, np.mean([pixels(image) for image in NORMAL], axis=0))
    assert seen.mean(1) is None
    assert len(seen.tiles[0]) == TILES
    # Which images are shown does not depend on the order in which they came.
    backwards = Seen()
    for image in reversed(NORMAL):
        backwards.add(record_from_index(image), pixels(image))
    assert [order for order, _ in backwards.tiles[0]] == [order for order, _ in seen.tiles[0]]


def test_counts_and_sizes() -> None:
    found = facts.counts(built(), census())
    assert found["roles"] == {
        "train": {"normal": {"images": 12, "patients": 12}},
        "test": {"viral": {"images": 3, "patients": 3}},
    }
    assert found["source_splits"] == {
        "test": found["roles"]["test"],
        "train": found["roles"]["train"],
    }
    size = facts.sizes(census())["train"]["normal"]
    assert size["width"] == [64, 64, 64]
    assert size["width / height"] == [1.333, 1.333, 1.333]
    assert size["ICC profile"] == 0.0


def test_sets_of_one_image_tell_where_they_are() -> None:
    pairs = [Pair(0, 1, True, 0.0), Pair(2, 13, False, 0.05)]
    first, second = facts.duplicate_sets(built(pairs))
    assert first["images"] == [NORMAL[0].path, NORMAL[1].path]
    assert (first["roles"], first["equal_files"]) == (["train"], True)
    assert second["roles"] == ["test", "train"]
    assert second["labels"] == ["normal", "pneumonia"]
    assert (second["equal_files"], second["distance"]) == (False, 0.05)


def test_patients_and_groups_on_both_sides() -> None:
    found = facts.patients(built())
    assert found == {
        "in_two_roles": [], "under_both_labels": [], "groups_in_train_and_official_test": 3,
    }  # fmt: skip
    both = [*NORMAL, *ILL[:-1], row(ILL[0].path, patient=NORMAL[0].patient)]
    found = facts.patients(built(images=both))
    assert found["in_two_roles"] == found["under_both_labels"] == [NORMAL[0].patient]


@pytest.mark.parametrize("draw", [pictures.contact_sheet, pictures.mean_images])
def test_pictures_are_the_same_bytes_again_and_open(draw: object) -> None:
    assert callable(draw)
    data = draw(census().roles)
    assert data == draw(census().roles)
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.ndim == 3


def test_the_difference_is_red_where_pneumonia_is_brighter() -> None:
    made = Census()
    dark = np.full((32, 32), 100, np.uint8)
    halves = dark.copy()
    halves[:16], halves[16:] = 180, 20
    made.see("val", record_from_index(NORMAL[0]), dark)
    made.see("val", record_from_index(ILL[0]), halves)
    shown = cv2.imdecode(
        np.frombuffer(pictures.mean_images(made.roles), np.uint8), cv2.IMREAD_COLOR
    )
    assert shown is not None
    height, width, _ = shown.shape
    top, bottom = shown[height - 150, width - 80], shown[height - 20, width - 80]
    assert top.tolist() == [0, 0, 255]  # blue, green, red
    assert bottom.tolist() == [255, 0, 0]
