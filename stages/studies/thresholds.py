"""What other rules for the decision threshold would have done, on the validation images."""

from stages.engine.errors import InputError
from stages.engine.files import read_json
from stages.images.shards import open_shards
from stages.network import predict
from stages.network.operating_point import pool
from stages.settings import paths
from stages.studies.thresholds_table import FITTED, MATCHED, thresholds_table


def table() -> str:
    """The rules as Markdown; on phantoms also on test, which no real image's choice may see.

    Raises InputError where the shards have no val_matched, which half of the rules need.
    """
    shards = open_shards(paths.SHARDS)
    if MATCHED not in shards.roles:
        raise InputError(
            f"{paths.SHARDS}: expected the role {MATCHED}, received {', '.join(shards.roles)}; "
            "set preprocess.matched_donors above 0 and run `dvc repro`"
        )
    logits = predict.predictor(predict.load_model(paths.MODEL / "model.keras"))
    roles = [FITTED, MATCHED, *(name for name in shards.roles if name == "val_tail")]
    if read_json(paths.SOURCE)["synthetic"]:
        roles.append("test")
    found = {}
    for name in roles:
        role = shards.role(name)
        found[name] = pool(role.records, logits(role.pixels))
    test = found.pop("test", None)
    return thresholds_table(found, test)
