"""Copies of normals match their donors in the nuisance scalars, and the role is checked."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest

from stages.engine.errors import InputError
from stages.images.build import build_shards
from stages.images.decode import decode
from stages.images.nuisance import sharpness, texture
from stages.images.resize import resize
from stages.images.shards import open_shards
from stages.images.shift import matched
from stages.images.shift.reacquire import NativeImage, ResizedImage, encode_jpeg
from stages.sources.header import read_header
from stages.sources.index import StoredImage, open_raw
from stages.sources.received import ReceivedImage
from stages.sources.writer import write_raw
from tests.images.test_splits import rows
from tests.sample_images import SOURCES, encoded, options, paths, picture, received


def squeezed(name: str, tall: int) -> bytes:
    """Encode a square copy of an image that was `tall` percent higher than wide."""
    rough = np.random.default_rng(len(name)).integers(0, 256, (2 * tall, 200), dtype=np.uint8)
    return encoded(resize(rough, 96, 96), "PNG")


def test_a_resized_image_gets_texture_and_sharpness_of_its_donor() -> None:
    normal, donor = squeezed("normal", 130), encoded(picture("donor", 96, 96), "PNG")
    copy = ResizedImage(normal).reacquire(donor)
    before, target = decode(normal), decode(donor)
    assert copy.pixels.shape == (96, 96)
    assert copy.encoded is None
    assert abs(sharpness(copy.pixels) - sharpness(target)) < abs(
        sharpness(before) - sharpness(target)
    )
    own = ResizedImage(normal).reacquire(normal)
    assert np.array_equal(own.pixels, before), "like itself: nothing to change"


def test_a_resized_image_is_widened_by_cropping_its_height() -> None:
    rough = np.random.default_rng(0).integers(0, 256, (96, 96), dtype=np.uint8)
    smooth = resize(resize(rough, 32, 32), 96, 96)
    squeezed_more = resize(np.ascontiguousarray(smooth[12:-12]), 96, 96)
    donor = encoded(squeezed_more, "PNG")
    copy = ResizedImage(encoded(smooth, "PNG")).reacquire(donor)
    assert texture(copy.pixels) == pytest.approx(texture(squeezed_more), rel=0.03)


def test_a_native_image_gets_size_and_tables_of_its_donor() -> None:
    donor = encoded(picture("donor", 150, 100), "JPEG", quality=40)
    copy = NativeImage(encoded(picture("normal", 120, 110), "JPEG", quality=95)).reacquire(donor)
    assert copy.pixels.shape == (100, 150)
    assert copy.encoded is not None
    assert read_header(copy.encoded).jpeg_table == read_header(donor).jpeg_table
    assert np.array_equal(decode(copy.encoded), copy.pixels)


def test_a_table_survives_encoding() -> None:
    table = tuple(range(1, 65))
    assert read_header(encode_jpeg(picture("image"), table)).jpeg_table == table


def cohort(folder: Path, normal: tuple[int, int], pneumonia: tuple[int, int]) -> Path:
    """Write normal and pneumonia images of these sizes, each patient's a little different."""

    def image(number: int, path: str) -> ReceivedImage:
        width, height = normal if "NORMAL" in path else pneumonia
        jitter = number % 7 if normal != pneumonia else 0
        return received(path, encoded(picture(path, width + jitter, height + jitter % 3)))

    write_raw(folder, (image(*item) for item in enumerate(paths(24))), SOURCES)
    return folder


@pytest.mark.parametrize(
    ("normal", "pneumonia", "method"),
    [((60, 50), (66, 40), "native"), ((64, 64), (64, 64), "pixels")],
)
def test_val_matched_is_written(
    tmp_path: Path,
    normal: tuple[int, int],
    pneumonia: tuple[int, int],
    method: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(matched, "MIN_AUROC", 0.0)  # two dozen images pass only by chance
    monkeypatch.setattr(matched, "MAX_AUROC", 1.0)
    images, _ = open_raw(cohort(tmp_path, normal, pneumonia))
    params = options(matched_donors=3)
    manifest = build_shards(images, params, tmp_path / "shards", workers=2).manifest
    assert manifest["val_matched"]["method"] == method
    shards = open_shards(tmp_path / "shards")
    val, found = shards.role("val").records, shards.role("val_matched")
    copies = found.records[found.records["label"] == 0]
    normals = val[val["label"] == 0]
    assert list(copies["id"]) == [f"{image}#{k}" for image in normals["id"] for k in range(3)]
    assert set(copies["patient"]) == set(normals["patient"])
    pneumonia_rows = np.flatnonzero(found.records["label"])
    assert np.array_equal(
        found.pixels[pneumonia_rows], shards.role("val").pixels[val["label"] == 1]
    )
    if method == "native":
        assert manifest["val_matched"]["nuisance_auroc"].keys() == {
            "aspect",
            "height",
            "jpeg_table_mean",
        }
        donors = shards.role("train").records.query("label == 1")
        sizes = set(zip(donors["width"], donors["height"], strict=True))
        assert set(zip(copies["width"], copies["height"], strict=True)) <= sizes
        assert (copies["bytes"] > 0).all()
    else:
        assert copies["bytes"].isna().all()


def test_normals_keep_the_donors_that_were_frozen_with_them() -> None:
    def stored(names: Iterable[str]) -> list[StoredImage]:
        row = next(iter(rows(["train/NORMAL/IM-0001-0001.jpeg"])))
        return [StoredImage(Path(), dataclasses.replace(row, path=name)) for name in names]

    def drawn(donors: list[StoredImage], ages: Mapping[str, int]) -> list[str]:
        found = matched._draw_donors(normals, donors, options(matched_donors=5), ages)
        return [donor.row.path for of_one in found for donor in of_one]

    normals = stored(f"n{number}" for number in range(60))
    old, new = (stored(f"{kind}{number}" for number in range(100)) for kind in ("old", "new"))
    names = [image.row.path for image in [*normals, *old, *new]]
    before = drawn(old, dict.fromkeys(names, 1))
    frozen = {name: 2 if name.startswith("new") else 1 for name in names}
    assert drawn([*new, *old], frozen) == before
    # Without frozen roles a twice as large choice moves half of them, and each is chosen alike.
    after = drawn([*old, *new], dict.fromkeys(names, 1))
    moved = [one != other for one, other in zip(before, after, strict=True)]
    assert 0.4 < np.mean(moved) < 0.6
    assert all(
        name.startswith("new") for name, is_moved in zip(after, moved, strict=True) if is_moved
    )
    assert max(Counter(before).values()) < 12  # of 300 draws from 100
    # Where the patients of that time are gone, any donor is better than none.
    assert set(drawn(new, frozen)) <= {image.row.path for image in new}


def test_a_role_whose_nuisance_scalars_separate_the_classes_is_refused() -> None:
    scalars = [{"aspect": 1.2, "height": 1.0}] * 5 + [{"aspect": 1.5, "height": 1.0}] * 5
    labels = [0] * 5 + [1] * 5
    with pytest.raises(InputError, match=r"received aspect 1\.000, over 10 images.*matched_donors"):
        matched.check_nuisance(scalars, labels)
    assert matched.check_nuisance([{"height": 1.0}] * 10, labels) == {"height": 0.5}
