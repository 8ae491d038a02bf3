"""Params of the metrics room."""

from dataclasses import dataclass

from stages.engine import check


@dataclass(frozen=True)
class EvaluateOptions:
    """Section `evaluate`: how figures are made; nothing here changes a prediction.

    seed: of the resampling of patients. draws: resamples behind every interval.
    confidence: level of the intervals. ece_bins: equal-width bins of the calibration figures.
    saliency_images: images on the saliency sheet, in each of its groups.
    """

    seed: int
    draws: int
    confidence: float
    ece_bins: int
    saliency_images: int

    def __post_init__(self) -> None:
        check.between("evaluate.seed", self.seed, 0, 2**31 - 1)
        check.between("evaluate.draws", self.draws, 100, 100_000)
        check.between("evaluate.confidence", self.confidence, 0.5, 0.999)
        check.between("evaluate.ece_bins", self.ece_bins, 2, 100)
        check.between("evaluate.saliency_images", self.saliency_images, 1, 16)
