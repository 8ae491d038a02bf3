"""Images that are no chest X-rays, drawn without a download: what the domain must refuse.

Each kind is a function from a generator to an image, uint8 (H, W), 0 to 255, of any size. None of
them is used in fitting.
"""

from collections.abc import Callable
from types import MappingProxyType

import cv2
import numpy as np

from stages.engine.arrays import Floats, GrayImage

Draw = Callable[[np.random.Generator], GrayImage]

_TEXT = (
    "the patient was seen in clinic on monday and reported a mild cough without fever since two "
    "weeks no known allergies findings heart size normal impression follow up in six months"
)
_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX)
_PX = 320


def photograph(draws: np.random.Generator) -> GrayImage:
    """Part of one of the two photographs that come with scikit-learn: a temple, a flower."""
    from sklearn.datasets import load_sample_images

    whole = cv2.cvtColor(load_sample_images().images[draws.integers(2)], cv2.COLOR_RGB2GRAY)
    side = int(draws.uniform(0.4, 1) * min(whole.shape))
    top, left = (draws.integers(length - side + 1) for length in whole.shape)
    part = whole[top : top + side, left : left + side]
    return np.ascontiguousarray(part[:, ::-1] if draws.random() < 0.5 else part)


def scene(draws: np.random.Generator) -> GrayImage:
    """A drawn landscape: sky, hills, a sun, houses with windows."""
    rows = np.linspace(draws.uniform(120, 255), draws.uniform(60, 255), _PX)
    image = np.tile(rows[:, None], (1, _PX)).astype(np.uint8)
    cv2.circle(image, _point(draws, 0, 0.4), int(draws.integers(10, 40)), 255, -1)
    for height in sorted(draws.uniform(0.4, 0.8, 3)):
        x = np.arange(_PX)
        wave = np.sin(x / draws.uniform(15, 60) + draws.uniform(0, 6)) * draws.uniform(5, 30)
        hills = np.column_stack([x, height * _PX + wave]).round().astype(np.int32)
        ground = np.vstack([hills, [[_PX, _PX], [0, _PX]]]).astype(np.int32)
        cv2.fillPoly(image, [ground], int(draws.integers(20, 200)))
    for _ in range(draws.integers(1, 5)):
        (left, top), (width, height) = _point(draws, 0.4, 0.8), draws.integers(20, 80, 2).tolist()
        cv2.rectangle(image, (left, top), (left + width, top + height), _level(draws), -1)
        for column in range(left + 5, left + width - 8, 14):
            cv2.rectangle(image, (column, top + 6), (column + 6, top + 14), _level(draws), -1)
    return _with_grain(image, draws.uniform(0, 8), draws)


def page(draws: np.random.Generator) -> GrayImage:
    """A page of text, dark on light or the other way round."""
    image = np.full((480, 360), 255, np.uint8)
    size, font = draws.uniform(0.3, 0.6), _FONTS[draws.integers(len(_FONTS))]
    step = int(size * draws.uniform(35, 60))
    for row in range(30, 470, step):
        if draws.random() < 0.85:
            text = " ".join(draws.choice(_TEXT.split(), draws.integers(2, 9)))
            cv2.putText(image, text, (20, row), font, size, 0, 1, cv2.LINE_AA)
    return image if draws.random() < 0.7 else 255 - image


def table(draws: np.random.Generator) -> GrayImage:
    """A screen with a table of numbers and a bar of buttons."""
    image = np.full((_PX, 480), int(draws.integers(200, 256)), np.uint8)
    cv2.rectangle(image, (0, 0), (480, 24), int(draws.integers(40, 180)), -1)
    for row in range(30, _PX, int(draws.integers(14, 26))):
        cv2.line(image, (0, row), (480, row), 160, 1)
        for column in range(6, 470, 78):
            text = f"{draws.uniform(0, 1000):.2f}"
            cv2.putText(image, text, (column, row + 11), _FONTS[0], 0.35, 0, 1, cv2.LINE_AA)
    return image


def chart(draws: np.random.Generator) -> GrayImage:
    """A line chart with axes."""
    image = np.full((_PX, _PX), 255, np.uint8)
    cv2.line(image, (30, 10), (30, _PX - 30), 0, 1)
    cv2.line(image, (30, _PX - 30), (_PX - 10, _PX - 30), 0, 1)
    for _ in range(draws.integers(1, 5)):
        y = _PX / 2 + np.cumsum(draws.normal(0, 8, 56))
        line = np.column_stack([30 + 5 * np.arange(56), y]).round().astype(np.int32)
        cv2.polylines(image, [line], False, int(draws.integers(0, 160)), 2, cv2.LINE_AA)
    return image


def hand(draws: np.random.Generator) -> GrayImage:
    """A drawn X-ray of a hand: soft tissue, bones of the fingers, wrist and forearm."""
    soft, bone = np.zeros((512, 400), np.float32), np.zeros((512, 400), np.float32)
    cv2.ellipse(soft, (200, 340), (90, 100), 0, 0, 360, 1, -1)
    cv2.rectangle(soft, (150, 380), (250, 512), 1, -1)
    for finger, (lean, length) in enumerate(((-55, 70), (-18, 80), (-5, 90), (9, 85), (22, 65))):
        angle = np.deg2rad(lean + draws.uniform(-5, 5))
        direction = np.array([np.sin(angle), -np.cos(angle)])
        start = np.array([200 + (finger - 2) * 32.0, 360.0 if finger == 0 else 320.0])
        _line(bone, start - 70 * direction, start - 4 * direction, 13)
        for number, share in enumerate((1, 0.65, 0.5)):
            end = start + length * draws.uniform(0.95, 1.05) * share * direction
            _line(soft, start, end, 34)
            _line(bone, start, end - 5 * direction, 13 - 2 * number)
            start = end
    for _ in range(8):
        place = 200 + draws.uniform(-40, 40), 380 + draws.uniform(0, 40)
        cv2.circle(bone, (int(place[0]), int(place[1])), 12, 1, -1)
    _line(bone, np.array([178, 425]), np.array([175, 512]), 24)
    _line(bone, np.array([222, 425]), np.array([225, 512]), 20)
    image = cv2.GaussianBlur(soft, (0, 0), 6) * draws.uniform(50, 90)
    image += cv2.GaussianBlur(bone, (0, 0), 2) * draws.uniform(70, 130)
    turn = cv2.getRotationMatrix2D((200, 256), draws.uniform(-20, 20), draws.uniform(0.8, 1.1))
    turned = cv2.warpAffine(image + 12, turn, (400, 512))
    return _with_grain(_levels(turned), 4, draws)


def noise(draws: np.random.Generator) -> GrayImage:
    """Noise of equal, bell-shaped or rare levels."""
    kind = draws.integers(3)
    if kind == 0:
        return draws.integers(0, 256, (_PX, _PX), dtype=np.uint8)
    if kind == 1:
        return _levels(draws.normal(128, draws.uniform(8, 60), (_PX, _PX)))
    return _levels(255 * (draws.random((_PX, _PX)) < draws.uniform(0.02, 0.3)))


def clouds(draws: np.random.Generator) -> GrayImage:
    """Smooth noise over all levels."""
    smooth = cv2.GaussianBlur(draws.normal(size=(_PX, _PX)), (0, 0), draws.uniform(4, 50))
    return _levels((smooth - smooth.min()) / np.ptp(smooth) * 255)


def stripes(draws: np.random.Generator) -> GrayImage:
    """A regular wave in any direction."""
    y, x = np.indices((_PX, _PX))
    return _levels(128 + 100 * np.sin(x * draws.uniform(0.05, 1) + y * draws.uniform(-1, 1)))


def blank(draws: np.random.Generator) -> GrayImage:
    """One level, with next to nothing on it: faint grain, a line or a speck."""
    image = np.full((_PX, _PX), _level(draws), np.uint8)
    kind = draws.integers(3)
    if kind == 1:
        image[draws.integers(_PX)] = _level(draws)
    if kind == 2:
        cv2.circle(image, _point(draws, 0.1, 0.9), int(draws.integers(1, 8)), _level(draws), -1)
    return _with_grain(image, draws.uniform(0.3, 2), draws)


def gradient(draws: np.random.Generator) -> GrayImage:
    """From one level to another in one direction, as of an exposure without a patient."""
    y, x = np.indices((_PX, _PX)) / _PX
    angle = draws.uniform(0, 2 * np.pi)
    ramp = np.cos(angle) * x + np.sin(angle) * y
    low, high = sorted(draws.uniform(0, 255, 2))
    return _levels(low + (high - low + 20) * (ramp - ramp.min()) / np.ptp(ramp))


def shapes(draws: np.random.Generator) -> GrayImage:
    """Discs, bars and lines of any level."""
    image = np.full((_PX, _PX), _level(draws), np.uint8)
    for _ in range(draws.integers(1, 12)):
        if draws.random() < 0.5:
            radius = int(draws.integers(5, 110))
            cv2.circle(image, _point(draws, 0, 1), radius, _level(draws), -1)
        else:
            first, second = _point(draws, 0, 1), _point(draws, 0, 1)
            cv2.line(image, first, second, _level(draws), int(draws.integers(1, 25)))
    return np.asarray(cv2.GaussianBlur(image, (0, 0), draws.uniform(0.5, 5)), np.uint8)


DRAWN: MappingProxyType[str, Draw] = MappingProxyType(
    {
        "photograph": photograph,
        "drawn scene": scene,
        "page of text": page,
        "table on a screen": table,
        "chart": chart,
        "drawn X-ray of a hand": hand,
        "noise": noise,
        "smooth noise": clouds,
        "stripes": stripes,
        "nearly blank": blank,
        "gradient": gradient,
        "shapes": shapes,
    }
)
"""Kinds of images that are no chest X-rays."""


def _level(draws: np.random.Generator) -> int:
    return int(draws.integers(256))


def _point(draws: np.random.Generator, top: float, bottom: float) -> tuple[int, int]:
    """A place (x, y) between two heights, in shares of the side."""
    return int(draws.uniform(0, _PX)), int(draws.uniform(top, bottom) * _PX)


def _line(image: Floats | np.ndarray, start: Floats, end: Floats, thick: int) -> None:
    ends = [tuple(int(value) for value in place) for place in (start, end)]
    cv2.line(image, ends[0], ends[1], 1, thick)


def _levels(values: np.ndarray) -> GrayImage:
    levels: GrayImage = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return levels


def _with_grain(image: GrayImage, deviation: float, draws: np.random.Generator) -> GrayImage:
    return _levels(image + draws.normal(0, deviation, image.shape))
