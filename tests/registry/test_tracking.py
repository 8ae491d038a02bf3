"""One run per run digest, complete and built from the files."""

from pathlib import Path
from typing import Any

import pytest

from stages.metrics.report_digests import DIGESTED
from stages.registry import live, run_metrics, runs, tracking
from stages.registry.client import Client
from stages.registry.entities import Run
from stages.registry.live import live_run
from stages.registry.store import Store
from tests.registry import fake


def all_runs(client: Client) -> list[Run]:
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return list(client.search_runs(experiments))


def log_run(client: Client, store: Store, record: Any, journal: Any) -> str:
    return tracking.log_run(client, store, "pneumonia", record, journal)


def is_logged(client: Client, store: Store, record: Any, journal: Any) -> bool:
    return tracking.is_logged(client, store, "pneumonia", record, journal)


def start_run(client: Client, store: Store, record: Any) -> Run:
    return runs.find_or_create_run(client, store, "pneumonia", record.identity, {})


def test_a_run_has_everything_in_the_files(client: Client, store: Store, files: Path) -> None:
    record = fake.record(files)
    run = client.get_run(log_run(client, store, record, fake.JOURNAL))
    assert client.get_experiment(run.info.experiment_id).name == "pneumonia-phantom"
    assert run.info.status == "FINISHED"
    assert run.info.run_name == f"compact {record.identity.run[:8]}"
    assert run.data.params["train.augment.area"] == "0.25, 1.0"
    assert run.data.metrics["val/auroc"] == 0.96
    tags = {
        "test_auroc": "0.950 (0.930 to 0.970)",
        "mlflow.source.name": "dvc repro",
        "mlflow.source.git.commit": "c0ffee",
        "git_commit": "c0ffee",
        "git_dirty": "no",
        "synthetic": "yes",
        "threads": "2",
        "instruction_set": "x86-64 avx2, AMD",
    }
    assert {key: run.data.tags[key] for key in tags} == tags
    assert "figures.html" in {item.path for item in client.list_artifacts(run.info.run_id)}
    epochs = client.get_metric_history(run.info.run_id, "learning/val_auroc")
    assert [(point.step, point.value) for point in epochs] == [(1, 0.8), (2, 0.9)]
    names = {"judged.json", "model_card.md", "plots", *DIGESTED.values()}
    assert {item.path for item in client.list_artifacts(run.info.run_id, "report")} == {
        f"report/{name}" for name in names
    }
    contexts = {item.dataset.name: item.tags[0].value for item in run.inputs.dataset_inputs}
    assert contexts == {"phantom test": "test", "phantom train": "train"}


def test_a_run_logged_from_the_files_has_the_times_of_its_training(
    client: Client, store: Store, files: Path
) -> None:
    journal = {"train": {**fake.JOURNAL["train"], "wall_s": 90.5}}
    run = client.get_run(log_run(client, store, fake.record(files), journal))
    noon = 1_772_366_400_000  # the journal's time, in milliseconds
    assert (run.info.start_time, run.info.end_time) == (noon - 90_500, noon)


def test_logged_again_it_is_the_same_run(client: Client, store: Store, files: Path) -> None:
    record = fake.record(files)
    first = log_run(client, store, record, {})
    assert log_run(client, store, record, fake.JOURNAL) == first
    # Losing the journal later removes nothing.
    assert log_run(client, store, record, {}) == first
    [run] = all_runs(client)
    assert run.data.tags["git_commit"] == "c0ffee"


def test_an_incomplete_run_is_completed(client: Client, store: Store, files: Path) -> None:
    record = fake.record(files)
    run_id = start_run(client, store, record).info.run_id
    run_metrics.log_epochs(client, run_id, record.epochs[:1], logged=set(), timestamp=1)
    assert "complete" not in client.get_run(run_id).data.tags
    assert log_run(client, store, record, {}) == run_id
    [run] = all_runs(client)
    assert run.data.tags["complete"] == record.view
    assert len(client.get_metric_history(run_id, "learning/loss")) == 2


def test_a_run_logged_by_an_earlier_version_is_updated(
    client: Client, store: Store, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = fake.record(files)
    with monkeypatch.context() as earlier:
        earlier.setattr("stages.registry.record.VIEW", 2)
        first = log_run(client, store, record, fake.JOURNAL)
    client.log_metric(first, "test/auroc_low", 0.93)  # MLflow can't remove a metric
    assert not is_logged(client, store, record, fake.JOURNAL)
    assert log_run(client, store, record, fake.JOURNAL) == first
    assert is_logged(client, store, record, fake.JOURNAL)
    [run] = all_runs(client)
    for key in run.data.metrics:
        points = client.get_metric_history(first, key)
        assert len(points) == len({point.step for point in points})


def test_user_and_command_are_logged_if_they_were_recorded(
    client: Client, store: Store, files: Path
) -> None:
    run_id = log_run(client, store, fake.record(files), {})
    tags = client.get_run(run_id).data.tags
    assert (tags["mlflow.user"], tags["mlflow.source.name"]) == ("not recorded", "not recorded")
    journal = {"train": {**fake.JOURNAL["train"], "user": "ada", "dvc_experiment": "wide"}}
    for present in (journal, {}):  # losing the journal later removes nothing
        log_run(client, store, fake.record(files), present)
        tags = client.get_run(run_id).data.tags
        assert (tags["mlflow.user"], tags["mlflow.source.name"]) == ("ada", "dvc exp run")


def test_other_params_are_another_run(client: Client, store: Store, files: Path) -> None:
    for threads in (1, 2, 1):
        log_run(client, store, fake.record(files, train={"threads": threads}), {})
    assert len(all_runs(client)) == 2


def test_a_live_run_becomes_the_finished_one(
    client: Client, store: Store, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "GRACE_S", 60.0)  # however busy the machine
    record = fake.record(files)
    with live_run(store, "pneumonia", record.identity, fake.JOURNAL) as run:
        for row in record.epochs:  # training has all digits, the file keeps six decimals
            run.log_epoch({key: value + 1e-9 * (key != "epoch") for key, value in row.items()})
        run.log_figures({"val": record.figures["val"]})
    [logged] = all_runs(client)
    assert logged.info.status == "FINISHED"
    assert logged.data.metrics["val/auroc"] == 0.96
    log_run(client, store, record, fake.JOURNAL)
    [logged] = all_runs(client)
    points = client.get_metric_history(logged.info.run_id, "learning/loss")
    assert [point.value for point in points] == [row["loss"] for row in record.epochs]


def test_a_run_that_is_trained_again_keeps_the_times_of_one_training(
    client: Client, store: Store, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "GRACE_S", 60.0)  # however busy the machine
    record = fake.record(files)
    spans = []
    for trained in (True, True, False):  # the last one is interrupted
        with live_run(store, "pneumonia", record.identity, fake.JOURNAL) as run:
            if trained:
                run.log_figures({"val": record.figures["val"]})
        later = {"train": {**fake.JOURNAL["train"], "wall_s": 90.5}}
        log_run(client, store, record, later)
        [logged] = all_runs(client)
        assert logged.info.status == "FINISHED"
        spans.append((logged.info.start_time, logged.info.end_time))
        (files / "report/model_card.md").write_text(f"card {len(spans)}")
        record = fake.record(files)  # it is logged anew
    assert spans[0] == spans[1] == spans[2]


def test_a_training_without_test_figures_is_logged_and_gets_them_later(
    client: Client, store: Store, files: Path
) -> None:
    judged, unjudged = fake.record(files), fake.record(files, judged=False)
    first = log_run(client, store, unjudged, {})
    run = client.get_run(first)
    assert (run.info.status, run.data.tags["judged"]) == ("FINISHED", "no")
    assert "Not evaluated on test" in run.data.tags["mlflow.note.content"]
    assert is_logged(client, store, unjudged, {})
    assert not is_logged(client, store, judged, {})
    assert log_run(client, store, judged, {}) == first
    # Finding the training again without its report removes nothing.
    assert is_logged(client, store, unjudged, {})
    assert log_run(client, store, unjudged, {}) == first
    [run] = all_runs(client)
    assert run.data.tags["judged"] == "yes"
    assert run.data.metrics["test/auroc"] == 0.95


def test_of_two_runs_created_at_once_the_first_is_kept(
    client: Client, store: Store, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = fake.record(files)
    first = start_run(client, store, record)
    found = iter((None, first))  # not found at first, as over a server
    monkeypatch.setattr(runs, "find_run", lambda *_: next(found))
    second = start_run(client, store, record)
    assert second.info.run_id == first.info.run_id
    assert len(all_runs(client)) == 1


def duplicate(client: Client, run: Run) -> str:
    """Create another run with the digest of `run` that sorts before it, as another host would."""
    created = client.create_run(
        run.info.experiment_id,
        start_time=run.info.start_time - 1,
        tags={"run_digest": run.data.tags["run_digest"]},
    )
    return created.info.run_id


def test_a_run_that_another_client_created_unnoticed_is_merged(
    client: Client, store: Store, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = fake.record(files)
    first = start_run(client, store, record)
    other = duplicate(client, client.get_run(first.info.run_id))
    found = iter((first, client.get_run(other)))
    monkeypatch.setattr(tracking, "find_or_create_run", lambda *_: next(found))
    assert log_run(client, store, record, {}) == other
    [run] = all_runs(client)
    assert run.info.run_id == other
    assert run.data.tags["complete"] == record.view


def test_a_run_that_another_client_removes_meanwhile_is_logged_to_the_kept_one(
    client: Client, store: Store, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = fake.record(files)
    kept: list[str] = []
    upload = client.log_text

    def remove_first(run_id: str, text: str, path: str) -> None:
        if not kept:
            kept.append(duplicate(client, client.get_run(run_id)))
            client.delete_run(run_id)
        upload(run_id, text, path)

    monkeypatch.setattr(client, "log_text", remove_first)
    assert log_run(client, store, record, {}) == kept[0]
    [run] = all_runs(client)
    assert run.data.tags["complete"] == record.view
    assert run.data.params["train.threads"] == "2"


def test_what_two_clients_log_at_once_is_one_point(
    client: Client, store: Store, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = fake.record(files)
    run = start_run(client, store, record)
    run_id, start = run.info.run_id, run.info.start_time
    monkeypatch.setattr(client, "get_run", lambda _: run)  # neither sees what the other logged
    for _ in range(2):
        run_metrics.log_figures(client, run_id, record.figures)
        run_metrics.log_epochs(client, run_id, record.epochs, logged=set(), timestamp=start)
    for key in ("test/auroc", "learning/loss"):
        points = client.get_metric_history(run_id, key)
        assert len(points) == len({point.step for point in points})


def test_files_uploaded_before_an_interruption_are_not_sent_again(
    client: Client, store: Store, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = fake.record(files)
    sent: list[str] = []
    upload = client.log_artifact

    def stop_after_three(run_id: str, path: str, folder: str | None = None) -> None:
        if Path(path) in record.files.values():  # not the files that logging itself makes
            sent.append(path)
            if len(sent) == 4:
                raise OSError("no answer")
        upload(run_id, path, folder)

    monkeypatch.setattr(client, "log_artifact", stop_after_three)
    with pytest.raises(OSError, match="no answer"):
        log_run(client, store, record, {})
    log_run(client, store, record, {})
    assert len(sent) == len(record.files) + 1  # the one that failed
    assert is_logged(client, store, record, {})


def test_the_seconds_of_each_stage_are_logged_if_they_were_recorded(
    client: Client, store: Store, files: Path
) -> None:
    journal = {"train": {**fake.JOURNAL["train"], "wall_s": 61.5}, "fetch": {"wall_s": 2.0}}
    run = client.get_run(log_run(client, store, fake.record(files), journal))
    seconds = {key: value for key, value in run.data.tags.items() if key.startswith("seconds_")}
    assert seconds == {"seconds_train": "61.5", "seconds_fetch": "2.0"}


def test_a_training_that_stops_early_is_logged_as_failed(
    client: Client, store: Store, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "GRACE_S", 60.0)
    with live_run(store, "pneumonia", fake.identity(files), {}) as run:
        run.log_epoch({"epoch": 1, "loss": 0.7})
    [logged] = all_runs(client)
    assert logged.info.status == "FAILED"


def test_a_store_that_cannot_be_opened_costs_training_one_line(
    files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mlruns").write_text("a file where the store's folder should be")
    broken = Store("sqlite:///nowhere", tmp_path / "mlruns")
    with live_run(broken, "pneumonia", fake.identity(files), {}) as run:
        for epoch in range(1, 50):
            run.log_epoch({"epoch": epoch, "loss": 0.7})
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "nothing is lost" in lines[0]
