"""A saved view of the run list: MLflow's own shows when and how long, and no figure."""

import base64
import json
import time
import zlib
from typing import Any

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
_TAG = f"mlflow.sharedViewState.{KEY}"  # where MLflow's pages keep what "Save as new view" saves
# The whole state: the pages take no part of it alone.
_STATE = {
    "searchFilter": "", "orderByKey": "attributes.start_time", "orderByAsc": False,
    "startTime": "ALL", "lifecycleFilter": "Active", "datasetsFilter": [],
    "modelVersionFilter": "All Runs", "selectedColumns": COLUMNS, "columnOrder": [],
    "columnWidths": {}, "runsExpanded": {}, "runsPinned": [], "runsHidden": [],
    "runsVisibilityMap": {}, "runsHiddenMode": "FIRST_10_RUNS", "viewMaximized": False,
    "runListHidden": False, "isAccordionReordered": False, "useGroupedValuesInCharts": True,
    "hideEmptyCharts": True, "groupBy": None, "groupsExpanded": {}, "autoRefreshEnabled": True,
    "globalLineChartConfig": {
        "xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": "",
    },
}  # fmt: skip


def keep(client: Any, experiment: str) -> None:
    """Have the experiment with this id offer the view, under Views, where it does not yet."""
    if _TAG in client.get_experiment(experiment).tags:
        return
    now = int(time.time() * 1000)
    state = base64.b64encode(zlib.compress(json.dumps(_STATE).encode())).decode()
    view = {"name": "Figures", "createdAt": now, "updatedAt": now, "state": f"deflate;{state}"}
    client.set_experiment_tag(experiment, _TAG, json.dumps(view))


def addresses(client: Any, base: str) -> list[str]:
    """Pages of the run lists that offer the view, with it, on the server at `base`."""
    return [
        f"{base}/#/experiments/{found.experiment_id}/runs?workflowType=machine_learning"
        f"&viewStateShareKey={KEY}"
        for found in client.search_experiments()
        if _TAG in found.tags
    ]
