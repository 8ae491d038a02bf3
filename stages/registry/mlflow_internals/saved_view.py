"""A saved view of MLflow's run list with the main figures in its columns.

MLflow's default view lists when a run started and how long it took, and no figure. Its pages keep
what "Save as new view" saves in a tag of the experiment; the format of that tag is undocumented.
"""

import base64
import json
import time
import zlib

from stages.registry.client import Client

KEY = "figures"
COLUMNS = (
    "metrics.`test/auroc`",
    "metrics.`test/sensitivity`",
    "metrics.`test/specificity`",
    "metrics.`val_matched/auroc`",
    "params.`train.network`",
    "params.`train.seed`",
    "tags.`git_dirty`",
    "attributes.`Models`",
)
_TAG = f"mlflow.sharedViewState.{KEY}"
# The pages accept the complete state only.
_STATE = {
    "searchFilter": "",
    "orderByKey": "attributes.start_time",
    "orderByAsc": False,
    "startTime": "ALL",
    "lifecycleFilter": "Active",
    "datasetsFilter": [],
    "modelVersionFilter": "All Runs",
    "selectedColumns": COLUMNS,
    "columnOrder": [],
    "columnWidths": {},
    "runsExpanded": {},
    "runsPinned": [],
    "runsHidden": [],
    "runsVisibilityMap": {},
    "runsHiddenMode": "FIRST_10_RUNS",
    "viewMaximized": False,
    "runListHidden": False,
    "isAccordionReordered": False,
    "useGroupedValuesInCharts": True,
    "hideEmptyCharts": True,
    "groupBy": None,
    "groupsExpanded": {},
    "autoRefreshEnabled": True,
    "globalLineChartConfig": {
        "xAxisKey": "step",
        "lineSmoothness": 0,
        "selectedXAxisMetricKey": "",
    },
}


def ensure_saved_view(client: Client, experiment_id: str) -> None:
    """Add the view to an experiment that does not have it yet."""
    if _TAG in client.get_experiment(experiment_id).tags:
        return
    now = int(time.time() * 1000)
    state = base64.b64encode(zlib.compress(json.dumps(_STATE).encode())).decode()
    view = {"name": "Figures", "createdAt": now, "updatedAt": now, "state": f"deflate;{state}"}
    client.set_experiment_tag(experiment_id, _TAG, json.dumps(view))


def saved_view_urls(client: Client, server: str) -> list[str]:
    """Return the URL of the run list, in this view, of every experiment that has it.

    Args:
        client: Client of the store.
        server: Base URL of the MLflow server.
    """
    return [
        f"{server}/#/experiments/{experiment.experiment_id}/runs"
        f"?workflowType=machine_learning&viewStateShareKey={KEY}"
        for experiment in client.search_experiments()
        if _TAG in experiment.tags
    ]
