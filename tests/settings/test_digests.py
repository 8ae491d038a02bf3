from stages.settings import digests, params
from tests.changed import changed
from tests.workspace import ROOT


def test_what_follows_training_names_another_run_and_the_same_training() -> None:
    everything = params.load(ROOT / "params.yaml")
    options = everything.train
    cases: list[tuple[dict[str, object], bool]] = [
        ({"refused_share": 0.05}, True),
        ({"decision_sensitivity": 0.9}, True),
        ({"epochs": 7}, False),
    ]
    for changes, same_training in cases:
        other = changed(options, **changes)
        trainings = [digests.training_digest(one, "data", ROOT) for one in (options, other)]
        runs = [digests.decisive_params(one, everything.evaluate) for one in (options, other)]
        assert (trainings[0] == trainings[1]) == same_training
        assert runs[0] != runs[1]
