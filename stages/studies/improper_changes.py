"""Changes of proper images, beside the wrong copies that the domain is fitted with.

UNSEEN are wrong in ways that fitting does not use. HARMLESS should not be refused: another
acquisition or position leaves the same chest.
"""

from collections.abc import Callable
from types import MappingProxyType

import cv2
import numpy as np

from stages.engine.arrays import GrayImage
from stages.images.resize import resize
from stages.images.shift import stress
from stages.network.wrong_copies import Change, window


def turned(image: GrayImage, degrees: float) -> GrayImage:
    """Turn about the middle; what comes from outside is black."""
    height, width = image.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    return np.asarray(cv2.warpAffine(image, turn, (width, height)), np.uint8)


def quarter(image: GrayImage, draws: np.random.Generator) -> GrayImage:
    """Enlarge one of the four quarters."""
    top, left = draws.integers(2, size=2) / 2
    return window(image, top, top + 0.5, left, left + 0.5)


def side_by_side(image: GrayImage, _: np.random.Generator) -> GrayImage:
    """The image twice, in half the width each."""
    return resize(np.hstack([image, image]), *image.shape[::-1])


def bordered(image: GrayImage, level: int) -> GrayImage:
    """Half as large, in the middle of one level."""
    height, width = image.shape
    down, across = height // 4, width // 4
    ground = np.full_like(image, level)
    small = resize(image, width - 2 * across, height - 2 * down)
    ground[down : height - down, across : width - across] = small
    return ground


def in_a_window(image: GrayImage, draws: np.random.Generator) -> GrayImage:
    """As on a screen: a third to three quarters of the size, with a title bar, menus and text."""
    height, width = image.shape
    screen = np.full((480, 640), int(draws.integers(256)), np.uint8)
    cv2.rectangle(screen, (0, 0), (640, 28), int(draws.integers(256)), -1)
    for number in range(draws.integers(3, 9)):
        place = 8 + 70 * number, 20
        cv2.putText(screen, "File Edit", place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, 255, 1, cv2.LINE_AA)
    share = draws.uniform(0.33, 0.75)
    small = resize(image, round(440 * share), round(440 * share))
    top, left = draws.integers(30, 481 - len(small)), draws.integers(0, 641 - len(small))
    screen[top : top + len(small), left : left + len(small)] = small
    return resize(screen, width, height)


def in_noise(image: GrayImage, draws: np.random.Generator) -> GrayImage:
    """A third of the contrast, and noise of 60 levels."""
    noisy = image / 3 + draws.normal(90, 60, image.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def _without_draws(change: Callable[[GrayImage], GrayImage]) -> Change:
    return lambda image, _: change(image)


UNSEEN: MappingProxyType[str, Change] = MappingProxyType(
    {
        "rows and columns swapped": lambda image, _: resize(
            np.ascontiguousarray(image.T), *image.shape[::-1]
        ),
        "inverted and upside down": lambda image, _: 255 - image[::-1],
        "turned by 45 degrees": lambda image, _: turned(image, 45),
        "turned by 20 degrees": lambda image, _: turned(image, 20),
        "a quarter": quarter,
        "upper two thirds": lambda image, _: window(image, 0, 2 / 3, 0, 1),
        "left two thirds": lambda image, _: window(image, 0, 1, 0, 2 / 3),
        "twice, side by side": side_by_side,
        "half as large on black": lambda image, _: bordered(image, 0),
        "half as large on white": lambda image, _: bordered(image, 255),
        "in a window on a screen": in_a_window,
        "in strong noise": in_noise,
    }
)
"""Kinds of wrong copies that fitting does not use."""

HARMLESS: MappingProxyType[str, Change] = MappingProxyType(
    {
        "mirrored": lambda image, _: image[:, ::-1],
        "turned by 5 degrees": lambda image, _: turned(image, 5),
        **{name: _without_draws(variant) for name, variant in stress.VARIANTS.items()},
    }
)
"""Changes after which an image is still proper; the last six are those of `study stress`."""
