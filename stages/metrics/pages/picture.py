"""One picture of a run: images with their lesions outlined, and the curves below them."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stages.engine.arrays import GrayImage
from stages.metrics.shift import SHIFT_AUROC

if TYPE_CHECKING:  # importing it is slow
    from matplotlib.axes import Axes

_PER_ROW = 4
_COLOURS = 128
"""Of the palette: with all of them, the images' noise makes the file several times larger."""


@dataclass(frozen=True)
class Panel:
    """An image of the picture.

    Attributes:
        pixels: uint8 (H, W), 0 to 255.
        lesion: uint8 (H, W), above 0 inside it; None without one.
        caption: The text below the image.
    """

    pixels: GrayImage
    lesion: GrayImage | None
    caption: str


def draw_picture(panels: Sequence[Panel], curves: Mapping[str, pd.DataFrame]) -> bytes:
    """Draw the picture as a PNG file, the same bytes for the same content.

    Args:
        panels: The images, four in a row.
        curves: The tables "roc" (fpr, tpr), "calibration" (predicted, observed) and "history"
            (epoch, and any of val_auroc, shift_auroc).
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    rows = -(-len(panels) // _PER_ROW)
    figure = Figure(figsize=(9, 2.1 * rows + 2.9), dpi=100, layout="constrained")
    canvas: Any = FigureCanvasAgg(figure)
    parts: Any = figure.subfigures(2, 1, height_ratios=[2.1 * rows, 2.9])
    above, below = parts
    tiles = above.subplots(rows, _PER_ROW, squeeze=False)
    for axes in tiles.flat:
        axes.set_axis_off()
    for axes, panel in zip(tiles.flat, panels, strict=False):  # the last row may be short
        _draw_panel(axes, panel)
    _draw_curves(below.subplots(1, 3), curves)
    canvas.draw()
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    stream = io.BytesIO()
    drawn.quantize(_COLOURS, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _draw_panel(axes: "Axes", panel: Panel) -> None:
    axes.imshow(panel.pixels, cmap="gray", vmin=0, vmax=255)
    if panel.lesion is not None and panel.lesion.any():
        axes.contour(panel.lesion > 0, levels=[0.5], colors=["#ff9d2e"], linewidths=0.8)
    axes.set_title(panel.caption, fontsize=8, y=-0.14)


def _draw_curves(axes: "Sequence[Axes]", curves: Mapping[str, pd.DataFrame]) -> None:
    roc, reliability, history = (curves[name] for name in ("roc", "calibration", "history"))
    axes[0].plot(roc["fpr"], roc["tpr"])
    axes[0].plot([0, 1], [0, 1], ":", color="grey", linewidth=1)
    axes[0].set(title="ROC on test", xlabel="1 - specificity", ylabel="sensitivity")
    axes[1].plot(reliability["predicted"], reliability["observed"], "o-", markersize=3)
    axes[1].plot([0, 1], [0, 1], ":", color="grey", linewidth=1)
    axes[1].set(title="Calibration on test", xlabel="mean probability", ylabel="share of positives")
    labels = {"val_auroc": "random validation", SHIFT_AUROC: "shift validations"}
    for name, label in labels.items():
        if name in history:
            axes[2].plot(history["epoch"], history[name], label=label)
    axes[2].set(title="AUROC by epoch", xlabel="epoch")
    axes[2].legend(fontsize=7)
    for each in axes:
        each.title.set_fontsize(9)
        each.xaxis.label.set_fontsize(8)
        each.yaxis.label.set_fontsize(8)
        each.tick_params(labelsize=7)
        each.grid(alpha=0.3)
