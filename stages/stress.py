"""What the stress variants do to the frozen model's figures on the random validation."""

from stages import layout
from stages.images import stress as variants
from stages.images.shards import open_shards
from stages.metrics import stress as figures
from stages.network import operating_point, predict
from stages.params import Params

ROLE = "val"
"""Never test: what is looked at again and again ends up being chosen by."""


def table(settings: Params) -> str:
    """AUROC, sensitivity and specificity at the frozen decision, by variant, as Markdown."""
    role = open_shards(layout.SHARDS).role(ROLE)
    network = predict.predictor(predict.load_model(layout.MODEL / "model.keras"))
    point = operating_point.load(layout.MODEL / "operating_point.json")
    unchanged = point.probability(network(role.pixels))
    changed = {
        name: point.probability(network(variants.changed(role.pixels, variant)))
        for name, variant in variants.VARIANTS.items()
    }
    threshold = point.thresholds["decision"]
    rows = figures.rows(role.records, unchanged, changed, threshold, settings.evaluate)
    return figures.stress_table(rows)
