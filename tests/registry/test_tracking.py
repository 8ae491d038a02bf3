"""One run per run digest, made whole from the files."""

from pathlib import Path
from typing import Any

import pytest

from stages.registry import live, tracking
from stages.registry.live import live_run
from stages.registry.store import Store
from tests.registry import fake


def runs(client: Any) -> list[Any]:
    experiments = [e.experiment_id for e in client.search_experiments()]
    return list(client.search_runs(experiments))


def test_a_run_shows_all_that_the_files_say(client: Any, store: Store, files: Path) -> None:
    record = fake.record(files)
    run = client.get_run(tracking.show(client, store, "pneumonia", record, fake.JOURNAL))
    assert client.get_experiment(run.info.experiment_id).name == "pneumonia-phantom"
    assert run.info.status == "FINISHED"
    assert run.info.run_name == f"compact {record.identity.run[:8]}"
    assert run.data.params["train.augment.area"] == "0.25, 1.0"
    assert run.data.metrics["val/auroc"] == 0.96
    assert run.data.tags["test_auroc"] == "0.950 (0.930 to 0.970)"
    assert run.data.tags["mlflow.source.name"] == "dvc repro"
    assert run.data.tags["mlflow.source.git.commit"] == "c0ffee"
    assert "figures.html" in {item.path for item in client.list_artifacts(run.info.run_id)}
    epochs = client.get_metric_history(run.info.run_id, "learning/val_auroc")
    assert [(point.step, point.value) for point in epochs] == [(1, 0.8), (2, 0.9)]
    told = {key: run.data.tags[key] for key in ("git_commit", "git_dirty", "synthetic", "threads")}
    assert told == {"git_commit": "c0ffee", "git_dirty": "no", "synthetic": "yes", "threads": "2"}
    assert run.data.tags["instruction_set"] == "x86-64 avx2, AMD"
    assert {item.path for item in client.list_artifacts(run.info.run_id, "report")} == {
        "report/judged.json", "report/metrics.json", "report/model_card.md", "report/plots",
        "report/predictions.csv",
    }  # fmt: skip
    contexts = {i.dataset.name: i.tags[0].value for i in run.inputs.dataset_inputs}
    assert contexts == {"phantom test": "test", "phantom train": "train"}


def test_a_run_made_from_the_files_stands_where_its_training_was(
    client: Any, store: Store, files: Path
) -> None:
    record = fake.record(files)
    journal = {"train": {**fake.JOURNAL["train"], "wall_s": 90.5}}
    run = client.get_run(tracking.show(client, store, "pneumonia", record, journal))
    noon = 1_772_366_400_000  # the journal's time, in milliseconds
    assert (run.info.start_time, run.info.end_time) == (noon - 90_500, noon)


def test_shown_again_it_is_the_same_run(client: Any, store: Store, files: Path) -> None:
    record = fake.record(files)
    first = tracking.show(client, store, "pneumonia", record, {})
    assert tracking.show(client, store, "pneumonia", record, fake.JOURNAL) == first
    # A journal that has gone since takes nothing back.
    assert tracking.show(client, store, "pneumonia", record, {}) == first
    [run] = runs(client)
    assert run.data.tags["git_commit"] == "c0ffee"


def test_a_run_left_half_way_is_completed(client: Any, store: Store, files: Path) -> None:
    record = fake.record(files)
    begun = tracking.begin(client, store, "pneumonia", record.identity, {}).info.run_id
    tracking.log_epochs(client, begun, record.epochs[:1], set(), 1)
    assert "complete" not in client.get_run(begun).data.tags
    assert tracking.show(client, store, "pneumonia", record, {}) == begun
    [run] = runs(client)
    assert run.data.tags["complete"] == record.view
    assert len(client.get_metric_history(begun, "learning/loss")) == 2


def test_a_run_shown_in_an_earlier_way_is_brought_to_this_one(
    client: Any, store: Store, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = fake.record(files)
    with monkeypatch.context() as earlier:
        earlier.setattr("stages.registry.record.VIEW", 2)
        first = tracking.show(client, store, "pneumonia", record, fake.JOURNAL)
    client.log_metric(first, "test/auroc_low", 0.93)  # no client of MLflow's takes one back
    assert not tracking.shows(client, "pneumonia", record, fake.JOURNAL)
    assert tracking.show(client, store, "pneumonia", record, fake.JOURNAL) == first
    assert tracking.shows(client, "pneumonia", record, fake.JOURNAL)
    [run] = runs(client)
    for key in run.data.metrics:
        points = client.get_metric_history(first, key)
        assert len(points) == len({point.step for point in points})


def test_who_and_what_made_a_run_is_shown_where_it_was_kept(
    client: Any, store: Store, files: Path
) -> None:
    first = tracking.show(client, store, "p", fake.record(files), {})
    tags = client.get_run(first).data.tags
    assert (tags["mlflow.user"], tags["mlflow.source.name"]) == ("not recorded", "not recorded")
    journal = {"train": {**fake.JOURNAL["train"], "user": "ada", "dvc_experiment": "wide"}}
    for told in (journal, {}):  # and a journal that has gone since takes nothing back
        tracking.show(client, store, "p", fake.record(files), told)
        tags = client.get_run(first).data.tags
        assert (tags["mlflow.user"], tags["mlflow.source.name"]) == ("ada", "dvc exp run")


def test_other_params_are_another_run(client: Any, store: Store, files: Path) -> None:
    for threads in (1, 2, 1):
        record = fake.record(files, train={"threads": threads})
        tracking.show(client, store, "pneumonia", record, {})
    assert len(runs(client)) == 2


def test_a_live_run_becomes_the_finished_one(
    client: Any, store: Store, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "GRACE_S", 60.0)  # however busy the machine
    record = fake.record(files)
    with live_run(store, "pneumonia", record.identity, fake.JOURNAL) as tell:
        for row in record.epochs:  # a training tells all digits, a file keeps six decimals
            tell({key: value + 1e-9 * (key != "epoch") for key, value in row.items()})
        tell.figures({"val": record.figures["val"]})
    [run] = runs(client)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["val/auroc"] == 0.96
    tracking.show(client, store, "pneumonia", record, fake.JOURNAL)
    [run] = runs(client)
    points = client.get_metric_history(run.info.run_id, "learning/loss")
    assert [point.value for point in points] == [row["loss"] for row in record.epochs]


def test_a_training_that_was_not_judged_is_shown_and_judged_later(
    client: Any, store: Store, files: Path
) -> None:
    judged, unjudged = fake.record(files), fake.record(files, judged=False)
    first = tracking.show(client, store, "pneumonia", unjudged, {})
    run = client.get_run(first)
    assert (run.info.status, run.data.tags["judged"]) == ("FINISHED", "no")
    assert "Not judged on test" in run.data.tags["mlflow.note.content"]
    assert tracking.shows(client, "pneumonia", unjudged, {})
    assert not tracking.shows(client, "pneumonia", judged, {})
    assert tracking.show(client, store, "pneumonia", judged, {}) == first
    # The same training found once more without its report takes nothing back.
    assert tracking.shows(client, "pneumonia", unjudged, {})
    assert tracking.show(client, store, "pneumonia", unjudged, {}) == first
    [run] = runs(client)
    assert run.data.tags["judged"] == "yes"
    assert run.data.metrics["test/auroc"] == 0.95


def test_of_two_runs_made_at_once_the_first_is_kept(
    client: Any, store: Store, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = fake.record(files)
    first = tracking.begin(client, store, "pneumonia", record.identity, {})
    found = iter((None, first))  # not there at the first look, as over a server
    monkeypatch.setattr(tracking, "find", lambda *_: next(found))
    second = tracking.begin(client, store, "pneumonia", record.identity, {})
    assert second.info.run_id == first.info.run_id
    assert len(runs(client)) == 1


def test_what_two_clients_log_at_once_is_one_point(
    client: Any, store: Store, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = fake.record(files)
    run = tracking.begin(client, store, "pneumonia", record.identity, {})
    monkeypatch.setattr(client, "get_run", lambda _: run)  # neither sees what the other logged
    for _ in range(2):
        tracking.log_figures(client, run.info.run_id, record.figures)
        tracking.log_epochs(client, run.info.run_id, record.epochs, set(), run.info.start_time)
    for key in ("test/auroc", "learning/loss"):
        points = client.get_metric_history(run.info.run_id, key)
        assert len(points) == len({point.step for point in points})


def test_what_was_uploaded_before_a_slow_server_was_left_is_not_sent_again(
    client: Any, store: Store, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = fake.record(files)
    sent: list[str] = []
    upload = client.log_artifact

    def stop_after_three(run_id: str, path: str, folder: str | None = None) -> None:
        if Path(path) in record.files.values():  # and not what is made while it is shown
            sent.append(path)
            if len(sent) == 4:
                raise OSError("no answer")
        upload(run_id, path, folder)

    monkeypatch.setattr(client, "log_artifact", stop_after_three)
    with pytest.raises(OSError, match="no answer"):
        tracking.show(client, store, "pneumonia", record, {})
    tracking.show(client, store, "pneumonia", record, {})
    assert len(sent) == len(record.files) + 1  # the one that failed
    assert tracking.shows(client, "pneumonia", record, {})


def test_seconds_of_each_stage_are_shown_where_they_were_kept(
    client: Any, store: Store, files: Path
) -> None:
    journal = {"train": {**fake.JOURNAL["train"], "wall_s": 61.5}, "fetch": {"wall_s": 2.0}}
    run = client.get_run(tracking.show(client, store, "p", fake.record(files), journal))
    told = {key: value for key, value in run.data.tags.items() if key.startswith("seconds_")}
    assert told == {"seconds_train": "61.5", "seconds_fetch": "2.0"}


def test_training_that_stops_early_is_shown_as_failed(
    client: Any, store: Store, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "GRACE_S", 60.0)
    with live_run(store, "pneumonia", fake.identity(files), {}) as tell:
        tell({"epoch": 1, "loss": 0.7})
    [run] = runs(client)
    assert run.info.status == "FAILED"


def test_a_store_that_cannot_be_opened_costs_training_one_line(
    files: Path, tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "mlruns").write_text("a file where the store's folder should be")
    broken = Store("sqlite:///nowhere", tmp_path / "mlruns")
    with live_run(broken, "pneumonia", fake.identity(files), {}) as tell:
        for epoch in range(1, 50):
            tell({"epoch": epoch, "loss": 0.7})
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "nothing is lost" in said[0]
