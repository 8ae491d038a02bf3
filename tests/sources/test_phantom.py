"""Phantoms: the same bytes on every machine, and one anatomy at any site."""

import csv
import dataclasses
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from pydantic import ValidationError

from stages.engine.files import sha256_bytes
from stages.sources import names
from stages.sources.index import read_index
from stages.sources.phantom.cohort import View
from stages.sources.phantom.generate import MASKS, SOURCE, TRUTH, PhantomImage, images, keep_truth
from stages.sources.phantom.options import PhantomOptions
from stages.sources.phantom.render import render
from stages.sources.received import NamedSource
from stages.sources.writer import write_raw
from tests.changed import changed

TINY = PhantomOptions(seed=7, patients_train=6, patients_test=4, confound=0.9)

# The same on all machines: it pins the arithmetic to the last bit.
GOLDEN = "e6e5bd9b5c29f5ceb3580718517a8b1417a8ecdde93edd4072c2032ce621fea3"


@pytest.fixture(scope="module")
def tiny() -> list[PhantomImage]:
    return list(images(TINY, workers=1))


def test_bytes_do_not_depend_on_machine_or_workers(tiny: list[PhantomImage]) -> None:
    assert tiny == list(images(TINY, workers=4))
    everything = b"".join(image.data + (image.mask or b"") for image in tiny)
    assert sha256_bytes(everything) == GOLDEN


@pytest.mark.slow
def test_bytes_do_not_depend_on_the_instruction_set() -> None:
    # NumPy without the vector units it would use here, libjpeg-turbo without any.
    program = (
        "from stages.engine.files import sha256_bytes as digest\n"
        "from stages.sources.phantom.generate import images\n"
        "from stages.sources.phantom.options import PhantomOptions\n"
        f"made = images({TINY!r}, workers=1)\n"
        "print(digest(b''.join(image.data + (image.mask or b'') for image in made)))"
    )
    plain = {"NPY_DISABLE_CPU_FEATURES": _vector_units(), "JSIMD_FORCENONE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **plain},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == GOLDEN


def _vector_units() -> str:
    """The instruction sets above its baseline that NumPy uses on this machine."""
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    return " ".join(found)


def test_images_are_sorted_and_agree_with_their_names(tiny: list[PhantomImage]) -> None:
    assert [image.path for image in tiny] == sorted({image.path for image in tiny})
    for image in tiny:
        facts = names.parse(image.path)
        assert dataclasses.asdict(facts).items() <= dataclasses.asdict(image).items()
        assert image.truth.kind == image.kind
        assert (image.truth.grade > 0) == (image.mask is not None) == (image.label == 1)
    assert {(image.source_split, image.label) for image in tiny} == {
        ("train", 0),
        ("train", 1),
        ("test", 0),
        ("test", 1),
    }


def test_encoding_is_that_of_the_site(tiny: list[PhantomImage]) -> None:
    for image in tiny:
        with Image.open(io.BytesIO(image.data)) as opened:
            assert opened.format == "JPEG"
            tables = opened.quantization  # type: ignore[attr-defined]
            icc = "icc_profile" in opened.info
            shape = (opened.height, opened.width)
        site = image.truth.site
        assert icc == (site == "A")
        assert tables[0][0] == (1 if site == "A" else 8)
        if image.mask is not None:
            with Image.open(io.BytesIO(image.mask)) as mask:
                assert mask.mode == "1"
                assert (mask.height, mask.width) == shape
                covered = 100 * np.asarray(mask).mean()
            assert covered == pytest.approx(image.truth.lesion_percent, abs=0.01)


def test_icc_profile_is_valid(tiny: list[PhantomImage]) -> None:
    image = next(image for image in tiny if image.truth.site == "A")
    with Image.open(io.BytesIO(image.data)) as opened:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(opened.info["icc_profile"]))
    assert "grey" in ImageCms.getProfileDescription(profile)


@pytest.mark.parametrize("kind", ["bacterial", "viral"])
def test_lesion_is_the_same_at_two_sites(kind: str) -> None:
    view = View(seed=3, patient=5, image=1, kind=kind, grade=3)
    near, far = render(view, "A"), render(view, "B")
    assert near.pixels.dtype == far.mask.dtype == np.uint8
    assert near.pixels.shape == near.mask.shape
    assert set(np.unique(near.mask)) == {0, 255}
    # Cropped to its bounding box, the mask has the same shape in both.
    boxes = [_cropped_mask(image.mask) for image in (near, far)]
    overlap = (boxes[0] & boxes[1]).sum() / (boxes[0] | boxes[1]).sum()
    assert overlap > 0.9
    assert np.array_equal(render(view, "A").pixels, near.pixels)


def _cropped_mask(
    mask: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    rows, columns = np.nonzero(mask)
    box = mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    return np.asarray(Image.fromarray(box).resize((96, 96), Image.Resampling.BOX)) > 127


def test_pneumonia_changes_the_image_only_at_the_lesion() -> None:
    well = View(seed=3, patient=5, image=0, kind="normal", grade=0)
    ill = dataclasses.replace(well, kind="bacterial", grade=3)
    before, after = render(well, "B"), render(ill, "B")
    assert not before.mask.any()
    change = after.pixels.astype(int) - before.pixels
    inside = after.mask > 0
    assert change[inside].mean() > 12
    # Outside the mask is only the lesion's faint rim.
    assert np.abs(change[~inside]).mean() < 0.1 * change[inside].mean()
    assert np.count_nonzero(change) < 0.5 * change.size


def test_higher_grades_are_denser() -> None:
    def brightening(grade: int) -> float:
        well = [render(View(1, n, 0, "normal", 0), "C").pixels for n in range(3)]
        ill = [render(View(1, n, 0, "viral", grade), "C").pixels for n in range(3)]
        return float(np.mean([b.mean() - a.mean() for a, b in zip(well, ill, strict=True)]))

    subtle, moderate, obvious = (brightening(grade) for grade in (1, 2, 3))
    assert 0 < subtle < moderate < obvious


def test_truth_and_masks_are_written(tiny: list[PhantomImage], tmp_path: Path) -> None:
    count = write_raw(
        tmp_path, keep_truth(tmp_path, tiny), [NamedSource("phantom", "train", SOURCE)]
    )
    rows = read_index(tmp_path)
    assert len(rows) == count
    with (tmp_path / TRUTH).open(newline="") as handle:
        truth = list(csv.DictReader(handle))
    assert [row["path"] for row in truth] == [row.path for row in rows]
    with zipfile.ZipFile(tmp_path / MASKS) as masks:
        ill = [f"{row.path}.png" for row in rows if row.label]
        assert masks.namelist() == ill
        with Image.open(io.BytesIO(masks.read(ill[0]))) as mask:
            assert np.asarray(mask).any()


@pytest.mark.parametrize(
    ("key", "value"),
    [("confound", 1.2), ("confound", float("nan")), ("patients_test", 2), ("seed", -1)],
)
def test_options_refuse_bad_values_by_name(key: str, value: float) -> None:
    with pytest.raises(ValidationError, match=rf"PhantomOptions\n{key}\n"):
        changed(TINY, **{key: value})
