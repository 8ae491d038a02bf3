"""The saved view of the run list is one that MLflow's pages can read."""

import base64
import json
import zlib

from stages.registry.client import Client
from stages.registry.mlflow_internals.saved_view import ensure_saved_view, saved_view_urls


def test_the_view_is_saved_once_and_has_a_url(client: Client) -> None:
    experiment = client.create_experiment("pneumonia-phantom")
    ensure_saved_view(client, experiment)
    saved = client.get_experiment(experiment).tags
    ensure_saved_view(client, experiment)
    assert client.get_experiment(experiment).tags == saved
    view = json.loads(saved["mlflow.sharedViewState.figures"])
    assert view["name"] == "Figures"
    encoding, packed = view["state"].split(";")
    state = json.loads(zlib.decompress(base64.b64decode(packed)))
    assert encoding == "deflate"
    assert "metrics.`test/auroc`" in state["selectedColumns"]
    (url,) = saved_view_urls(client, "http://127.0.0.1:1")  # not of MLflow's own Default
    assert url.startswith(f"http://127.0.0.1:1/#/experiments/{experiment}/runs?")
