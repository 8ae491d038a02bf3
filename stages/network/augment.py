"""Training crops: images altered at random as another machine and position would have.

What happens to an image is a function of [seed, epoch, record] and never of its label, a worker or
a call order. Each effect has a random stream of its own, so an effect that is off, or one that is
added later at strength 0, moves no byte of any crop.
"""

import enum
import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from stages.engine.arrays import GrayImage
from stages.network.options import AugmentOptions

# Standard deviation of the sum of four bytes: sqrt(4 * (256**2 - 1) / 12).
_FOUR_BYTES_SD = 147.8
# Placements are rounded to this, so that the last bit of a sine, which C libraries round
# differently, moves no pixel.
_GRID = 2.0**20


class Effect(enum.IntEnum):
    """What is random about a crop. The number names the stream: never reuse or change one.

    None is 0: NumPy pads a seed with zeros, and [seed, epoch, record, 0] would be the stream of
    [seed, epoch, record], which belongs to dropout.
    """

    WINDOW = 1
    ROTATION = 2
    FLIP = 3
    RESAMPLING = 4
    BLUR = 5
    BRIGHTNESS = 6
    CONTRAST = 7
    GAMMA = 8
    NOISE = 9


@dataclass(frozen=True)
class Streams:
    """The random streams of one record in one epoch."""

    seed: int
    epoch: int
    record: int

    def of(self, effect: Effect) -> np.random.Generator:
        """The generator of `effect`, at its start."""
        # An array of words is read twice as fast as a list of them, and seeds alike.
        words = np.array([self.seed, self.epoch, self.record, effect], np.uint32)
        return np.random.default_rng(words)

    def symmetric(self, effect: Effect, strength: float) -> float:
        """Uniform within +-`strength`; exactly 0 where that is 0, without a draw."""
        return strength * (2 * self.of(effect).random() - 1) if strength else 0.0


def crop(
    image: GrayImage, px: int, options: AugmentOptions, *, seed: int, epoch: int, record: int
) -> GrayImage:
    """One training crop of an image.

    Args:
        image: uint8 (H, W), 0 to 255.
        px: Side of the crop, pixels.
        options: How far an image may be altered.
        seed: `train.seed`.
        epoch: From 0.
        record: The image's row in the shard.

    Returns:
        uint8 (px, px), 0 to 255.
    """
    if not options.enabled:
        whole: GrayImage = cv2.resize(image, (px, px), interpolation=cv2.INTER_AREA)
        return whole
    streams = Streams(seed, epoch, record)
    # Outermost samples may lie up to half a pixel beyond the image's outermost pixel centres: a
    # copied rim keeps the black around the image, which only rotation may bring in, out of them.
    rimmed = cv2.copyMakeBorder(image, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    height, width = image.shape
    placement = _placement(height, width, px, options, streams)
    view: GrayImage = cv2.warpAffine(
        rimmed,
        placement,
        (px, px),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    if options.resample < 1:
        view = _resampled(view, options.resample, streams.of(Effect.RESAMPLING))
    if options.blur_px > 0:
        view = _blurred(view, options.blur_px, streams.of(Effect.BLUR))
    exposed: GrayImage = cv2.LUT(view, _grey_levels(options, streams))
    if options.noise > 0:
        return _noisy(exposed, options.noise, streams.of(Effect.NOISE))
    return exposed


def _placement(
    height: int, width: int, px: int, options: AugmentOptions, streams: Streams
) -> npt.NDArray[np.float64]:
    """Affine map (2, 3) from crop to rimmed image; unrotated, the crop is within the image."""
    window = streams.of(Effect.WINDOW)
    low, high = options.area
    area = low + (high - low) * window.random()
    ratio = math.exp(options.aspect * (2 * window.random() - 1))
    # A side cannot be longer than the image: a strong ratio gives a smaller area instead.
    across = min(1.0, math.sqrt(area * ratio)) * width
    down = min(1.0, math.sqrt(area / ratio)) * height
    centre_x = across / 2 + (width - across) * window.random()
    centre_y = down / 2 + (height - down) * window.random()
    angle = math.radians(streams.symmetric(Effect.ROTATION, options.rotate_deg))
    mirrored = options.flip and streams.of(Effect.FLIP).random() < 0.5
    step_x, step_y = (-across if mirrored else across) / px, down / px
    cos, sin = math.cos(angle), math.sin(angle)
    (a, b), (c, d) = (cos * step_x, -sin * step_y), (sin * step_x, cos * step_y)
    middle = (px - 1) / 2
    # Pixel centres lie at halves, and the rim adds one.
    x, y = centre_x + 0.5 - (a + b) * middle, centre_y + 0.5 - (c + d) * middle
    return np.round(np.array([[a, b, x], [c, d, y]]) * _GRID) / _GRID


def _resampled(view: GrayImage, least: float, draws: np.random.Generator) -> GrayImage:
    """Half the crops: shrunk by a factor from `least` to 1, and enlarged again."""
    if draws.random() >= 0.5:
        return view
    px = view.shape[0]
    small = max(8, round(px * (least + (1 - least) * draws.random())))
    shrunk = cv2.resize(view, (small, small), interpolation=cv2.INTER_AREA)
    enlarged: GrayImage = cv2.resize(shrunk, (px, px), interpolation=cv2.INTER_LINEAR)
    return enlarged


def _blurred(view: GrayImage, most_px: float, draws: np.random.Generator) -> GrayImage:
    """Half the crops: blurred by a Gaussian of up to `most_px` standard deviation."""
    if draws.random() >= 0.5:
        return view
    blurred: GrayImage = cv2.GaussianBlur(view, (0, 0), 0.05 + most_px * draws.random())
    return blurred


def _grey_levels(options: AugmentOptions, streams: Streams) -> npt.NDArray[np.uint8]:
    """Grey levels after exposure, uint8 (256,): gamma, contrast about the middle, then shift."""
    gamma = math.exp(streams.symmetric(Effect.GAMMA, options.gamma))
    contrast = math.exp(streams.symmetric(Effect.CONTRAST, options.contrast))
    shift = streams.symmetric(Effect.BRIGHTNESS, options.brightness)
    level = 0.5 + (np.linspace(0, 1, 256) ** gamma - 0.5) * contrast + shift
    levels: npt.NDArray[np.uint8] = np.clip(np.rint(level * 255), 0, 255).astype(np.uint8)
    return levels


def _noisy(view: GrayImage, most: float, draws: np.random.Generator) -> GrayImage:
    """Half the crops: bell-shaped noise of up to `most` * 255 grey levels standard deviation.

    Each pixel's noise is a sum of four random bytes: integers are the same on every machine, which
    the tails of NumPy's normal distribution, from the C library's logarithm, are not.
    """
    if draws.random() >= 0.5:
        return view
    scale = np.float32(255 * most * draws.random() / _FOUR_BYTES_SD)
    four = np.frombuffer(draws.bytes(4 * view.size), np.uint8).reshape(4, *view.shape)
    noise = four.sum(axis=0, dtype=np.int16).astype(np.float32)
    noise -= np.float32(4 * 127.5)
    noise *= scale
    noise += view
    # Half a level more: the cast cuts off, and would darken the image.
    noise += np.float32(0.5)
    levels: GrayImage = np.clip(noise, 0, 255, out=noise).astype(np.uint8)
    return levels
