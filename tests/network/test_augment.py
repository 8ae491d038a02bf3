import cv2
import numpy as np
import pytest

from stages.engine.files import sha256_bytes
from stages.network.augment import Effect, Streams, crop
from tests.changed import changed
from tests.network.tiny import AUGMENT, STILL, images

IMAGES, _ = images(12, 48)


def test_golden_crops() -> None:
    # Other bytes mean another training, so they must never change by accident.
    crops = [crop(IMAGES[n], 32, AUGMENT, seed=7, epoch=2, record=n) for n in range(12)]
    assert sha256_bytes(b"".join(one.tobytes() for one in crops))[:16] == "49eb00a4b4dd745c"
    streams = [Streams(7, 2, 5).of(effect).bytes(8) for effect in Effect]
    assert sha256_bytes(b"".join(streams))[:16] == "2f041f3be2773339"


def test_a_crop_does_not_depend_on_the_call_order() -> None:
    def one(record: int) -> bytes:
        return crop(IMAGES[record], 32, AUGMENT, seed=0, epoch=1, record=record).tobytes()

    forwards = [one(record) for record in range(12)]
    backwards = [one(record) for record in reversed(range(12))]
    assert forwards == backwards[::-1]


@pytest.mark.parametrize(
    "key", [{"seed": 1}, {"epoch": 1}, {"record": 1}], ids=["seed", "epoch", "record"]
)
def test_seed_epoch_and_record_each_change_the_crop(key: dict[str, int]) -> None:
    base = {"seed": 0, "epoch": 0, "record": 0}
    a = crop(IMAGES[0], 32, AUGMENT, **base)
    b = crop(IMAGES[0], 32, AUGMENT, **{**base, **key})
    assert not np.array_equal(a, b)


@pytest.mark.parametrize("shape", [(48, 48), (40, 70), (200, 33)])
@pytest.mark.parametrize("px", [32, 64])
def test_shape_dtype_and_range(shape: tuple[int, int], px: int) -> None:
    strong = changed(AUGMENT, brightness=0.5, contrast=1.0, noise=0.5, area=(0.05, 1.0))
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    crops = [crop(image, px, strong, seed=0, epoch=0, record=record) for record in range(8)]
    assert {(a.shape, str(a.dtype)) for a in crops} == {((px, px), "uint8")}
    assert max(a.max() for a in crops) > 200
    assert min(a.min() for a in crops) < 50


@pytest.mark.parametrize("px", [24, 32, 64])
def test_without_rotation_a_crop_stays_within_the_image(px: int) -> None:
    white = np.full((32, 40), 255, np.uint8)
    options = changed(STILL, area=(0.05, 1.0), aspect=1.0, flip=True)
    for record in range(200):
        assert crop(white, px, options, seed=0, epoch=0, record=record).min() == 255


def test_a_crop_of_the_whole_image_is_the_image() -> None:
    options = changed(STILL, area=(1.0, 1.0), aspect=0.0)
    found = crop(IMAGES[0], 48, options, seed=0, epoch=0, record=0)
    np.testing.assert_array_equal(found, IMAGES[0])


def test_a_flip_mirrors_left_and_right_in_half_the_images() -> None:
    options = changed(STILL, area=(1.0, 1.0), aspect=0.0, flip=True)
    image, crops = IMAGES[0], []
    for record in range(60):
        found = crop(image, 48, options, seed=0, epoch=0, record=record)
        crops.append(np.array_equal(found, image[:, ::-1]))
        assert crops[-1] or np.array_equal(found, image)
    assert 15 < sum(crops) < 45


def test_without_augmentation_a_crop_is_an_area_resize() -> None:
    found = crop(IMAGES[0], 32, changed(AUGMENT, enabled=False), seed=0, epoch=0, record=0)
    expected = cv2.resize(IMAGES[0], (32, 32), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(found, expected)


OFF: dict[Effect, dict[str, float | bool]] = {
    Effect.ROTATION: {"rotate_deg": 0.0},
    Effect.FLIP: {"flip": False},
    Effect.RESAMPLING: {"resample": 1.0},
    Effect.BLUR: {"blur_px": 0.0},
    Effect.BRIGHTNESS: {"brightness": 0.0},
    Effect.CONTRAST: {"contrast": 0.0},
    Effect.GAMMA: {"gamma": 0.0},
    Effect.NOISE: {"noise": 0.0},
}


def test_every_effect_but_the_window_can_be_switched_off() -> None:
    assert set(OFF) == set(Effect) - {Effect.WINDOW}


@pytest.mark.parametrize("effect", OFF, ids=lambda effect: effect.name.lower())
def test_an_effect_that_is_off_draws_nothing_and_changes_no_byte(
    effect: Effect, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = changed(AUGMENT, **OFF[effect])
    before = [crop(IMAGES[n], 32, options, seed=0, epoch=0, record=n) for n in range(12)]
    original, drawn = Streams.of, set()

    def of(self: Streams, wanted: Effect) -> np.random.Generator:
        drawn.add(wanted)
        return original(self, wanted)

    monkeypatch.setattr(Streams, "of", of)
    again = [crop(IMAGES[n], 32, options, seed=0, epoch=0, record=n) for n in range(12)]
    assert drawn == set(Effect) - {effect}
    np.testing.assert_array_equal(before, again)


@pytest.mark.parametrize("effect", [Effect.RESAMPLING, Effect.BLUR, Effect.NOISE])
def test_an_effect_on_half_the_images_leaves_the_other_half(effect: Effect) -> None:
    without = changed(AUGMENT, **OFF[effect])
    changes = 0
    for record in range(24):
        applied = Streams(0, 0, record).of(effect).random() < 0.5
        a = crop(IMAGES[record % 12], 32, without, seed=0, epoch=0, record=record)
        b = crop(IMAGES[record % 12], 32, AUGMENT, seed=0, epoch=0, record=record)
        assert applied or np.array_equal(a, b)
        changes += not np.array_equal(a, b)
    assert changes > 5  # a weak blur may change no grey level


def test_no_stream_equals_that_of_the_epochs_order_or_of_dropout() -> None:
    # NumPy pads seeds with zeros, so an effect numbered 0 would share the stream of another seed.
    assert 0 not in [int(effect) for effect in Effect]
    zero = [np.random.default_rng([0] * n).random() for n in range(1, 5)]
    assert len(set(zero)) == 1
    assert Streams(0, 0, 0).of(Effect.WINDOW).random() != zero[0]


def test_noise_does_not_darken() -> None:
    grey = np.full((64, 64), 128, np.uint8)
    options = changed(STILL, noise=0.05)
    means = [crop(grey, 64, options, seed=0, epoch=0, record=n).mean() for n in range(40)]
    assert np.mean(means) == pytest.approx(128, abs=0.1)
