"""The run list's saved view is one that MLflow's pages can read."""

import base64
import json
import zlib
from typing import Any

from stages.registry import views


def test_the_view_is_kept_once_and_addressed(client: Any) -> None:
    experiment = client.create_experiment("pneumonia-phantom")
    views.keep(client, experiment)
    kept = client.get_experiment(experiment).tags
    views.keep(client, experiment)
    assert client.get_experiment(experiment).tags == kept
    view = json.loads(kept["mlflow.sharedViewState.figures"])
    assert view["name"] == "Figures"
    form, packed = view["state"].split(";")
    state = json.loads(zlib.decompress(base64.b64decode(packed)))
    assert form == "deflate"
    assert "metrics.`test/auroc`" in state["selectedColumns"]
    (address,) = views.addresses(client, "http://127.0.0.1:1")  # not of MLflow's own Default
    assert address.startswith(f"http://127.0.0.1:1/#/experiments/{experiment}/runs?")
