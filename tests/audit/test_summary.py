"""What is collected of each image, the summaries, and the pictures."""

from dataclasses import asdict

import cv2
import numpy as np
import pytest

from stages.audit import pictures, summary
from stages.audit.collector import TILES, Collector, RoleImages
from stages.engine.arrays import GrayImage
from stages.images.build import BuildResult
from stages.images.duplicates import Pair
from stages.images.prepared_images import record_from_index
from stages.sources import names
from stages.sources.index import IndexRow
from tests.sample_images import picture


def row(path: str, **facts: str) -> IndexRow:
    return IndexRow(
        path=path,
        source="test",
        sha256="",
        bytes=900,
        width=64,
        height=48,
        jpeg_table_mean=20.0,
        icc=0,
        mode="L",
        part="images.zip",
        offset=0,
        **{**asdict(names.parse(path)), **facts},
    )


CLASSES = ("intact", "fracture")
NORMALS = [row(f"train/NORMAL/IM-{n:04d}-0001.jpeg") for n in range(12)]
PNEUMONIA = [
    row(f"test/PNEUMONIA/person{n}_virus_{n}.jpeg", split_group=f"IM-{n:04d}") for n in range(3)
]
ROLES = ["train"] * len(NORMALS) + ["test"] * len(PNEUMONIA)


def pixels(image: IndexRow) -> GrayImage:
    return picture(image.path, 32, 32)


def built(pairs: list[Pair] | None = None, images: list[IndexRow] | None = None) -> BuildResult:
    return BuildResult(
        manifest={},
        images=images or [*NORMALS, *PNEUMONIA],
        roles=ROLES,
        pairs=pairs or [],
        merged_groups=0,
        groups_not_dealt=0,
        frozen_groups=0,
        new_groups=0,
        new_sources=[],
        unreadable=[],
        repeats=[],
    )


def collect() -> Collector:
    collected = Collector()
    for image, role in zip([*NORMALS, *PNEUMONIA], ROLES, strict=True):
        collected.add(role, record_from_index(image), pixels(image))
    return collected


def test_a_role_keeps_thumbnails_means_and_a_few_tiles() -> None:
    images = collect().roles["train"]
    assert images.thumbnails.shape == (12, 24, 24)
    assert images.thumbnails.dtype == np.uint8
    mean = images.mean(0)
    assert mean is not None
    np.testing.assert_allclose(mean, np.mean([pixels(image) for image in NORMALS], axis=0))
    assert images.mean(1) is None
    assert len(images.tiles[0]) == TILES


def test_which_images_are_drawn_does_not_depend_on_their_order() -> None:
    backwards = RoleImages()
    for image in reversed(NORMALS):
        backwards.add(record_from_index(image), pixels(image))
    tiles = collect().roles["train"].tiles[0]
    assert [order for order, _ in backwards.tiles[0]] == [order for order, _ in tiles]


def test_counts_and_sizes() -> None:
    roles = summary.count_roles(collect().roles)
    assert roles == {
        "train": {"negative": {"images": 12, "patients": 12}},
        "test": {"viral": {"images": 3, "patients": 3}},
    }
    assert summary.count_source_splits(built().images) == roles
    size = summary.summarize_sizes(collect().roles)["train"]["negative"]
    assert size["width"] == [64, 64, 64]
    assert size["width / height"] == [1.333, 1.333, 1.333]
    assert size["ICC profile"] == 0.0


def test_grey_levels() -> None:
    collected = Collector()
    for image, top in zip(NORMALS[:3], (100, 200, 250), strict=True):
        ramp = np.linspace(0, top, 32 * 32).reshape(32, 32).round().astype(np.uint8)
        collected.add("train", record_from_index(image), ramp)
    assert summary.summarize_grey_levels(collected.roles) == {
        "train": {
            "negative": {
                "percentile 5": [5, 10, 12],
                "percentile 50": [50, 100, 125],
                "percentile 95": [95, 190, 238],
            }
        }
    }


def test_sets_of_duplicates_list_roles_and_labels() -> None:
    pairs = [Pair(0, 1, True, 0.0), Pair(2, 13, False, 0.05)]
    first, second = summary.list_duplicates(built(pairs))
    assert first["images"] == [NORMALS[0].path, NORMALS[1].path]
    assert (first["roles"], first["equal_files"]) == (["train"], True)
    assert second["roles"] == ["test", "train"]
    assert second["labels"] == ["negative", "positive"]
    assert (second["equal_files"], second["distance"]) == (False, 0.05)


def test_patients_and_groups_on_both_sides() -> None:
    found = summary.summarize_patients(built())
    assert found == {
        "in_two_roles": [],
        "under_both_labels": [],
        "groups_in_train_and_official_test": 3,
    }
    both = [*NORMALS, *PNEUMONIA[:-1], row(PNEUMONIA[0].path, patient=NORMALS[0].patient)]
    found = summary.summarize_patients(built(images=both))
    assert found["in_two_roles"] == found["under_both_labels"] == [NORMALS[0].patient]


@pytest.mark.parametrize("draw", [pictures.contact_sheet, pictures.mean_images])
def test_pictures_are_deterministic_png_files(draw: object) -> None:
    assert callable(draw)
    data = draw(collect().roles, CLASSES)
    assert data == draw(collect().roles, CLASSES)
    drawn = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert drawn is not None
    assert drawn.ndim == 3


def test_the_difference_is_red_where_pneumonia_is_brighter() -> None:
    collected = Collector()
    gray = np.full((32, 32), 100, np.uint8)
    halves = gray.copy()
    halves[:16], halves[16:] = 180, 20
    collected.add("val", record_from_index(NORMALS[0]), gray)
    collected.add("val", record_from_index(PNEUMONIA[0]), halves)
    drawn = cv2.imdecode(
        np.frombuffer(pictures.mean_images(collected.roles, CLASSES), np.uint8), cv2.IMREAD_COLOR
    )
    assert drawn is not None
    height, width, _ = drawn.shape
    top, bottom = drawn[height - 150, width - 80], drawn[height - 20, width - 80]
    assert top.tolist() == [0, 0, 255]  # blue, green, red
    assert bottom.tolist() == [255, 0, 0]
