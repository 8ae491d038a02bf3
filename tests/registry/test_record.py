"""Identity, figures and files of a run, and the names made from them."""

from pathlib import Path

import pytest

from stages.engine.checksums import content_digest
from stages.engine.errors import InputError
from stages.engine.files import digest, read_json, sha256_file, write_json
from stages.registry.circumstances import Journal, circumstance
from stages.registry.digests import model_digest, model_digest_of_format_1
from stages.registry.identity import model_name
from stages.registry.run_metrics import charted
from stages.registry.text import plain
from tests.registry import fake


def test_the_charted_figures_become_metrics() -> None:
    auroc = {"value": 0.9, "low": 0.8, "high": 1}
    tree = {"test": {"auroc": auroc, "images": 3, "kind": {"viral": {"sensitivity": auroc}}}}
    assert charted(tree) == {"test/auroc": 0.9}


def test_values_as_text() -> None:
    assert [plain(v) for v in (None, True, (0.25, 1.0), 3)] == ["none", "yes", "0.25, 1.0", "3"]


def test_history_leaves_out_cells_that_are_not_numbers(files: Path) -> None:
    (files / "model/history.csv").write_text("epoch,loss,note\n1,0.7,x\n2,nan,y\n")
    fake.write_checksums(files)
    assert fake.record(files).epochs == ({"epoch": 1.0, "loss": 0.7}, {"epoch": 2.0})


def test_each_part_changes_the_run_digest(files: Path) -> None:
    runs = {fake.identity(files).run, fake.identity(files, train={"threads": 1}).run}
    manifest = files / "shards/manifest.json"
    facts = read_json(manifest) | {"image_px": 64}
    write_json(manifest, facts | {"digest": content_digest(facts)})
    assert len(runs | {fake.identity(files).run}) == 3


def test_each_part_changes_the_model_digest(files: Path) -> None:
    parts = [files / "model" / name for name in fake.MODEL_FILES]

    def found(pixels: dict[str, int], code: str = "code") -> str:
        model, point, domain = parts
        return model_digest(model, point, domain, pixels, code)

    digests = {found({"image_px": 32}), found({}), found({}, "other code")}
    for part in parts:
        part.write_bytes(b"another")
        digests.add(found({}))
    assert len(digests) == 6
    earlier = model_digest_of_format_1(parts[0], parts[1], {})
    assert earlier == digest(
        {"model": sha256_file(parts[0]), "operating_point": sha256_file(parts[1]), "preprocess": {}}
    )


def test_the_view_changes_with_any_file_of_the_report(files: Path) -> None:
    before = fake.record(files).view
    assert fake.record(files).view == before
    (files / "report/model_card.md").write_text("another")
    assert fake.record(files).view != before


@pytest.mark.parametrize("name", ["model/domain.npz", "report/reference.json", "report/probe.zip"])
def test_a_missing_part_of_a_version_is_named(files: Path, name: str) -> None:
    (files / name).unlink()
    with pytest.raises(InputError, match=rf"{name}: expected a file.*, found none"):
        fake.record(files)


def test_a_missing_report_is_named(files: Path) -> None:
    (files / "report/metrics.json").unlink()
    with pytest.raises(InputError, match=r"metrics\.json: expected a file, found none"):
        fake.record(files)


def test_circumstances_are_those_of_the_training_or_not_recorded() -> None:
    journal: Journal = {
        "evaluate": {"machine": "b"},
        "train": {"machine": "a", "dvc_experiment": None},
    }
    facts = [circumstance(journal, key) for key in ("machine", "dvc_experiment", "git_commit")]
    assert facts == ["a", "none", "not recorded"]


def test_model_names_are_accepted_by_mlflow() -> None:
    assert model_name("pneumonia", "My Zip: v2/é") == "pneumonia-my-zip-v2"
    # MLflow refuses a dot in the name of a logged model.
    assert model_name("pneumonia", "chest_xray.zip") == "pneumonia-chest_xray-zip"


def test_a_report_of_another_model_is_refused(tmp_path: Path) -> None:
    fake.write(tmp_path)
    (tmp_path / "model/model.keras").write_bytes(b"trained again")
    with pytest.raises(InputError, match=r"judged\.json: expected the report of .*another model"):
        fake.record(tmp_path)


def test_a_report_of_an_earlier_version_is_named(tmp_path: Path) -> None:
    fake.write(tmp_path)
    path = tmp_path / "report/judged.json"
    write_json(path, {k: v for k, v in read_json(path).items() if k not in ("probe", "reference")})
    with pytest.raises(InputError, match=r"an earlier version; run `dvc repro evaluate`"):
        fake.record(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "model/operating_point.json",
        "model/history.csv",
        "validation.json",
        "shards/records.csv",
        "shards/manifest.json",
        "report/metrics.json",
        "report/predictions.csv",
        "report/reference.json",
        "report/probe.zip",
    ],
)
def test_a_changed_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    fake.write(tmp_path)
    path = tmp_path / name
    text = path.read_text()
    at = max(text.rfind(digit) for digit in "0123456789d")  # a digit of a figure or a name
    path.write_text(f"{text[:at]}3{text[at + 1 :]}")
    with pytest.raises(InputError, match=rf"{path.name}: its (bytes|digest)"):
        fake.record(tmp_path)


def test_what_the_training_read_is_compared_with_what_its_run_is_named_by(tmp_path: Path) -> None:
    fake.write(tmp_path)
    assert fake.record(tmp_path).trained_as_recorded == "yes"
    augment = {"area": (0.25, 1.0), "flip": True}
    other = fake.identity(tmp_path, train={"network": "compact", "threads": 4, "augment": augment})
    fake.write_inputs(tmp_path, other)
    found = fake.record(tmp_path, as_recorded=False).trained_as_recorded
    assert found == "no, by dvc commit: train.threads was 4, recorded as 2"
    (tmp_path / "model/trained_with.json").unlink()
    assert fake.record(tmp_path, as_recorded=False).trained_as_recorded == "not recorded"


def test_the_origin_of_the_first_weights_is_what_the_training_has_written(tmp_path: Path) -> None:
    fake.write(tmp_path)
    found = fake.record(tmp_path)
    assert found.initial_weights is None
    facts = {"name": "lite", "version": "1", "file": "a.pth", "sha256": "5" * 64}
    facts |= {"trained_on": "ImageNet", "licence": "not stated", "note": ""}
    path = tmp_path / "model/trained_with.json"
    write_json(path, {**read_json(path), "initial_weights": facts})
    release = fake.release(tmp_path, as_recorded=False)
    assert release.record.initial_weights == release.facts()["initial_weights"] == facts
    tags = release.description.tags
    assert tags["initial_weights"] == f"lite 1, a.pth, sha256 {'5' * 64}"
    assert tags["weights_licence"] == "not stated"
    assert "Licence of these weights: not stated." in release.description.text


def test_first_weights_of_an_earlier_version_are_not_recorded(tmp_path: Path) -> None:
    fake.write(tmp_path)
    train = {"network": "MobileNet", "weights": "imagenet"}
    found = fake.release(tmp_path, train=train)
    assert found.description.tags["weights_licence"] == "not recorded"
    assert found.record.initial_weights
