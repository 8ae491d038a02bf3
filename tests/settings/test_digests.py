from stages.settings import digests, params
from tests.changed import changed
from tests.workspace import ROOT


def test_the_refused_share_names_another_run_and_the_same_training() -> None:
    everything = params.load(ROOT / "params.yaml")
    options = everything.train
    for changes, same_training in (({"refused_share": 0.05}, True), ({"epochs": 7}, False)):
        other = changed(options, **changes)
        trainings = [digests.training_digest(one, "data", ROOT) for one in (options, other)]
        runs = [digests.decisive_params(one, everything.evaluate) for one in (options, other)]
        assert (trainings[0] == trainings[1]) == same_training
        assert runs[0] != runs[1]
