"""Training images, moved by chance as another machine and another hand would have moved them.

What happens to an image is a function of [seed, epoch, record] and never of its label, a
worker or a call order.
"""

import cv2
import numpy as np
import numpy.typing as npt

from stages.network.options import AugmentOptions

Pixels = npt.NDArray[np.uint8]


def crop(
    image: Pixels, px: int, options: AugmentOptions, *, seed: int, epoch: int, record: int
) -> Pixels:
    """One training crop, uint8 (px, px), of an image, uint8 (H, W), 0 to 255."""
    if not options.enabled:
        return cv2.resize(image, (px, px), interpolation=cv2.INTER_AREA)  # type: ignore[no-any-return]
    rng = np.random.default_rng([seed, epoch, record])
    # All scalars at once: a draw costs the same whichever of them are used, so switching one
    # effect off leaves the others where they were.
    u = rng.random(14)
    # Outermost samples may lie up to half a pixel beyond the image's outermost pixel centres: a
    # copied rim keeps the black around the image, which rotation alone may show, out of them.
    rimmed = cv2.copyMakeBorder(image, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    view = cv2.warpAffine(
        rimmed, _placement(image.shape, px, options, u[:6]), (px, px),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_CONSTANT,
    )  # fmt: skip
    if u[6] < 0.5 and options.resample < 1:
        small = max(8, round(px * (options.resample + (1 - options.resample) * u[7])))
        view = cv2.resize(view, (small, small), interpolation=cv2.INTER_AREA)
        view = cv2.resize(view, (px, px), interpolation=cv2.INTER_LINEAR)
    if u[8] < 0.5 and options.blur_px > 0:
        view = cv2.GaussianBlur(view, (0, 0), 0.05 + options.blur_px * u[9])
    view = cv2.LUT(view, _tone(options, u[10], u[11], u[12]))
    if u[13] < 0.5 and options.noise > 0:
        sigma = 255 * options.noise * 2 * u[13]
        noise = rng.standard_normal((px, px), dtype=np.float32) * np.float32(sigma)
        # Half a level more: the cast cuts off, and would darken the image.
        view = np.clip(view + (noise + np.float32(0.5)), 0, 255).astype(np.uint8)
    return view  # type: ignore[no-any-return]


def _placement(
    shape: tuple[int, ...], px: int, options: AugmentOptions, u: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Affine map (2, 3) from crop to rimmed image; unrotated, the crop is within the image."""
    height, width = shape
    low, high = options.area
    area = low + (high - low) * u[0]
    ratio = np.exp(options.aspect * (2 * u[1] - 1))
    # A side cannot be longer than the image: a strong ratio gives a smaller area instead.
    across = min(1.0, np.sqrt(area * ratio)) * width
    down = min(1.0, np.sqrt(area / ratio)) * height
    centre_x = across / 2 + (width - across) * u[2]
    centre_y = down / 2 + (height - down) * u[3]
    angle = np.deg2rad(options.rotate_deg * (2 * u[4] - 1))
    mirror = -1.0 if options.flip and u[5] < 0.5 else 1.0
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag([mirror * across / px, down / px])
    middle = (px - 1) / 2
    # Pixel centres lie at halves, and the rim adds one.
    offset = np.array([centre_x + 0.5, centre_y + 0.5]) - linear @ [middle, middle]
    return np.hstack([linear, offset[:, None]])


def _tone(options: AugmentOptions, brightness: float, contrast: float, gamma: float) -> Pixels:
    """Grey levels after exposure, uint8 (256,): gamma, contrast about the middle, then shift."""
    level = np.linspace(0, 1, 256) ** np.exp(options.gamma * (2 * gamma - 1))
    level = 0.5 + (level - 0.5) * np.exp(options.contrast * (2 * contrast - 1))
    level = level + options.brightness * (2 * brightness - 1)
    levels: Pixels = np.clip(np.rint(level * 255), 0, 255).astype(np.uint8)
    return levels
