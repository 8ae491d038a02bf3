"""What the stress variants do to the frozen model's figures on the random validation."""

from stages.images.shards import open_shards
from stages.images.shift import stress
from stages.network import operating_point, predict
from stages.settings import paths
from stages.settings.params import Params
from stages.studies import stress_table

ROLE = "val"
"""Never test: what is looked at again and again ends up being chosen by."""


def table(settings: Params) -> str:
    """AUROC, sensitivity and specificity at the frozen decision, by variant, as Markdown."""
    role = open_shards(paths.SHARDS).role(ROLE)
    network = predict.predictor(predict.load_model(paths.MODEL / "model.keras"))
    point = operating_point.load(paths.MODEL / "operating_point.json")
    unchanged = point.probability(network(role.pixels))
    changed = {
        name: point.probability(network(stress.changed(role.pixels, variant)))
        for name, variant in stress.VARIANTS.items()
    }
    threshold = point.thresholds["decision"]
    rows = stress_table.rows(role.records, unchanged, changed, threshold, settings.evaluate)
    return stress_table.stress_table(rows)
