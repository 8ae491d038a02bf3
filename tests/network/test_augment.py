from dataclasses import replace

import cv2
import numpy as np
import pytest

from stages.network.augment import _placement, crop
from tests.network.tiny import AUGMENT, STILL, images

IMAGES, _ = images(12, 48)


def test_golden_placement() -> None:
    # The map alone is pinned: image pixels pass through float code that may round by machine.
    u = np.random.default_rng([7, 2, 5]).random(14)
    found = _placement((48, 64), 32, replace(AUGMENT, flip=False), u[:6])
    assert found.dtype == np.float64
    golden = [[1.810307, 0.101374, 0.970223], [-0.139222, 1.318173, 7.229595]]
    np.testing.assert_allclose(found, golden, rtol=0, atol=1e-6)


def test_golden_crop_is_nearly_the_same_on_every_machine() -> None:
    found = crop(IMAGES[5], 32, AUGMENT, seed=7, epoch=2, record=5)
    assert found.mean() == pytest.approx(110.554, abs=0.05)


def test_a_crop_does_not_depend_on_the_call_order() -> None:
    def one(record: int) -> bytes:
        return crop(IMAGES[record], 32, AUGMENT, seed=0, epoch=1, record=record).tobytes()

    forwards = [one(record) for record in range(12)]
    backwards = [one(record) for record in reversed(range(12))]
    assert forwards == backwards[::-1]


@pytest.mark.parametrize(
    "key", [{"seed": 1}, {"epoch": 1}, {"record": 1}], ids=["seed", "epoch", "record"]
)
def test_seed_epoch_and_record_each_move_the_crop(key: dict[str, int]) -> None:
    base = {"seed": 0, "epoch": 0, "record": 0}
    a = crop(IMAGES[0], 32, AUGMENT, **base)
    b = crop(IMAGES[0], 32, AUGMENT, **{**base, **key})
    assert not np.array_equal(a, b)


@pytest.mark.parametrize("shape", [(48, 48), (40, 70), (200, 33)])
@pytest.mark.parametrize("px", [32, 64])
def test_shape_dtype_and_range(shape: tuple[int, int], px: int) -> None:
    strong = replace(AUGMENT, brightness=0.5, contrast=1.0, noise=0.5, area=(0.05, 1.0))
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    crops = [crop(image, px, strong, seed=0, epoch=0, record=record) for record in range(8)]
    assert {(a.shape, str(a.dtype)) for a in crops} == {((px, px), "uint8")}
    assert max(a.max() for a in crops) > 200
    assert min(a.min() for a in crops) < 50


@pytest.mark.parametrize("px", [24, 32, 64])
def test_without_rotation_a_crop_stays_within_the_image(px: int) -> None:
    white = np.full((32, 40), 255, np.uint8)
    options = replace(STILL, area=(0.05, 1.0), aspect=1.0, flip=True)
    for record in range(200):
        assert crop(white, px, options, seed=0, epoch=0, record=record).min() == 255


def test_the_whole_image_unmoved_is_the_image() -> None:
    options = replace(STILL, area=(1.0, 1.0), aspect=0.0)
    found = crop(IMAGES[0], 48, options, seed=0, epoch=0, record=0)
    np.testing.assert_array_equal(found, IMAGES[0])


def test_a_flip_mirrors_left_and_right_in_half_the_images() -> None:
    options = replace(STILL, area=(1.0, 1.0), aspect=0.0, flip=True)
    image, crops = IMAGES[0], []
    for record in range(60):
        found = crop(image, 48, options, seed=0, epoch=0, record=record)
        crops.append(np.array_equal(found, image[:, ::-1]))
        assert crops[-1] or np.array_equal(found, image)
    assert 15 < sum(crops) < 45


def test_disabled_is_an_area_resize() -> None:
    found = crop(IMAGES[0], 32, replace(AUGMENT, enabled=False), seed=0, epoch=0, record=0)
    expected = cv2.resize(IMAGES[0], (32, 32), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(found, expected)


def test_an_effect_switched_off_leaves_the_others_draws() -> None:
    # With everything of grey levels off, only the geometry is left: the same one each time.
    quiet = {"brightness": 0.0, "contrast": 0.0, "gamma": 0.0, "blur_px": 0.0, "noise": 0.0}
    geometry = replace(AUGMENT, resample=1.0, **quiet)  # type: ignore[arg-type]
    for record in range(12):
        key = {"seed": 0, "epoch": 0, "record": record}
        u = np.random.default_rng([0, 0, record]).random(14)
        plain = crop(IMAGES[record], 32, geometry, **key)
        shifted = crop(IMAGES[record], 32, replace(geometry, brightness=0.1), **key)
        expected = np.clip(np.rint(plain + 25.5 * (2 * u[10] - 1)), 0, 255)
        assert np.abs(shifted - expected).max() <= 1
        noisy = crop(IMAGES[record], 32, replace(geometry, noise=0.02), **key)
        assert np.array_equal(noisy, plain) == (u[13] >= 0.5)
        blurred = crop(IMAGES[record], 32, replace(geometry, blur_px=1.0), **key)
        assert np.array_equal(blurred, plain) == (u[8] >= 0.5)
        coarse = crop(IMAGES[record], 32, replace(geometry, resample=0.3), **key)
        assert np.array_equal(coarse, plain) == (u[6] >= 0.5)


def test_noise_does_not_darken() -> None:
    grey = np.full((64, 64), 128, np.uint8)
    options = replace(STILL, noise=0.05)
    means = [crop(grey, 64, options, seed=0, epoch=0, record=n).mean() for n in range(40)]
    assert np.mean(means) == pytest.approx(128, abs=0.1)
