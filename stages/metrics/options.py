"""Params of the figures."""

from typing import Annotated

from pydantic import Field

from stages.engine.options import Options

ResamplingSeed = Annotated[int, Field(ge=0, le=2**31 - 1)]
Draws = Annotated[int, Field(ge=100, le=100_000)]
Confidence = Annotated[float, Field(ge=0.5, le=0.999)]


class FigureOptions(Options):
    """How figures and their intervals are computed. Nothing here changes a prediction."""

    seed: ResamplingSeed
    """Seed of the resampling of patients."""

    draws: Draws
    """Resamples of patients behind each interval."""

    confidence: Confidence
    """Level of the intervals."""

    ece_bins: Annotated[int, Field(ge=2, le=100)]
    """Equal-width bins of the calibration figures."""


class EvaluateOptions(FigureOptions):
    """Section `evaluate`. Train reads the figures' part of it, for its validation figures."""

    saliency_images: Annotated[int, Field(ge=1, le=16)]
    """Images on the saliency sheet, in each of its groups."""
