"""Pictures of an image: what was judged, and what speaks for the positive class in it."""

from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from stages.engine.arrays import GrayImage
from stages.engine.errors import InputError
from stages.network import saliency
from stages.network.detector import Answer
from stages.serving.served import ServedModel

PARTS: Final = ("legend", "drawn", "judged", "map")
"""What can be asked for: the map over the image, with a legend or without; the image alone; the
map alone."""

_WIDTH: Final = 560  # pixels, at least, so that the legend can be read
_MARGIN, _LINE, _SCALE = 10, 19, 140  # pixels
_MOST_LETTERS: Final = 120
_INK = (20, 20, 20)


class NoMapError(InputError):
    """The version has no such picture."""


def judged(pixels: GrayImage) -> bytes:
    """Encode the pixels that the network received, uint8 (H, W), as a grey PNG."""
    return bytes(cv2.imencode(".png", pixels)[1].tobytes())


def draw(part: str, model: ServedModel, pixels: GrayImage, answer: Answer) -> bytes:
    """Draw what speaks for the positive class in an image that was answered: a PNG.

    Args:
        part: "legend", "drawn" or "map".
        model: The version that answered.
        pixels: The prepared image, uint8 (H, W).
        answer: Its answer.

    Raises:
        NoMapError: The version can't draw it.
    """
    if part == "map":
        return _map_alone(model, pixels)
    try:
        drawn = model.detector.overlay(pixels)
    except InputError as error:
        raise NoMapError(str(error)) from None
    return drawn if part == "drawn" else _with_legend(drawn, words(model, answer), model.classes[1])


def words(model: ServedModel, answer: Answer) -> list[str]:
    """Return the lines of the legend."""
    about = "" if model.prior is None else f" at a prior of {model.prior:.0%}"
    limit = "" if model.threshold is None else f", threshold {model.threshold:.0%}"
    chance = 0.0 if answer.probability is None else answer.probability
    synthetic = ["Trained on synthetic images alone: no statement about a patient."]
    return [
        f"{answer.decision}: probability {chance:.1%}{about}{limit}",
        f"{model}, {model.model_digest[:12]}",
        "The colours show what the network responds to: a check on the model, no diagnosis.",
        *(synthetic if model.synthetic else ()),
    ]


def _map_alone(model: ServedModel, pixels: GrayImage) -> bytes:
    """Return the map as RGBA, as strong as it is opaque, to be laid over any size of the image."""
    heatmap: Any = getattr(model.detector, "heatmap", None)
    if heatmap is None:
        raise NoMapError(
            "part=map: expected a version that was packaged with this release or a later one, "
            "received an earlier one; ask for part=drawn"
        )
    cells: npt.NDArray[np.float32] = heatmap(pixels)
    levels = np.rint(cells * 255).astype(np.uint8)
    coloured = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)
    return bytes(cv2.imencode(".png", np.dstack([coloured, levels]))[1].tobytes())


def _with_legend(drawn: bytes, lines: list[str], positive: str) -> bytes:
    """Return a PNG enlarged, with a scale of the colours and lines of text below it."""
    picture: Any = cv2.imdecode(np.frombuffer(drawn, np.uint8), cv2.IMREAD_COLOR)
    times = max(1, -(-_WIDTH // picture.shape[1]))
    size = (picture.shape[1] * times, picture.shape[0] * times)
    large = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)[..., ::-1]
    legend = Image.new("RGB", (size[0], _LINE * (len(lines) + 1) + 2 * _MARGIN), "white")
    left = _write(legend, "little", _MARGIN, 0) + 6
    steps = np.linspace(0, 255, _SCALE).astype(np.uint8)[None].repeat(11, axis=0)
    colours = cv2.applyColorMap(steps, cv2.COLORMAP_INFERNO)[..., ::-1]
    legend.paste(Image.fromarray(np.ascontiguousarray(colours)), (left, _MARGIN + 3))
    _write(legend, f"speaks for {positive}", left + _SCALE + 6, 0)
    for row, line in enumerate(lines, start=1):
        _write(legend, line, _MARGIN, row)
    return saliency.png(np.vstack([large, np.asarray(legend)]))


def _write(legend: Image.Image, text: str, left: int, row: int) -> int:
    """Write one line, shortened to fit; return where it ends, pixels."""
    canvas, font = ImageDraw.Draw(legend), ImageFont.load_default(14)
    room, line = legend.width - left - _MARGIN, text[:_MOST_LETTERS]
    while canvas.textlength(line, font) > room:
        line = f"{line[:-2]}\u2026"
    canvas.text((left, _MARGIN + row * _LINE), line, fill=_INK, font=font)
    return left + round(canvas.textlength(line, font))
