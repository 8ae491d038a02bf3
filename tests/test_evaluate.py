"""Stage `evaluate`, end to end on invented shards and an untrained network."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from stages.engine import checksums
from stages.engine.files import write_json
from stages.images.options import PixelOptions
from stages.images.shard_writer import ShardWriter
from stages.images.shards import Record, open_shards
from stages.metrics.report import report
from stages.network import domain_fit
from stages.network.detector import Detector
from stages.network.operating_point import OperatingPoint
from stages.network.options import TrainOptions
from stages.network.probe import read_probe
from tests.metrics.sample_images import OPTIONS, POINTS, make

ROOT = Path(__file__).parents[1]
SOURCE = {
    "name": "made-up",
    "version": "1",
    "licence": "none",
    "citation": "",
    "sha256": "",
    "pinned": True,
    "synthetic": True,
    "images": 0,
    "file": "",
}


ODD = (0, 1, 30)
"""Rows of the test images that look like no training image."""


FROZEN = ("model.keras", "operating_point.json", "domain.npz")
JUDGED = ("test", "external_lyon")


def prepare(folder: Path) -> None:
    """Write what evaluate reads: shards, a model, figures on validation."""
    import keras

    shutil.copy(ROOT / "params.yaml", folder)
    (folder / "data/shards").mkdir(parents=True)
    generator = np.random.default_rng(1)
    with ShardWriter(folder / "data/shards", 48) as writer:
        for seed, role in enumerate(("train", "val", "test", "external_lyon")):
            records, _ = make(seed, 10, 12)
            for number, row in enumerate(records.to_dict("records")):
                facts = {str(key): value for key, value in row.items()}
                facts |= {"split_group": row["patient"], "source_split": "", "mode": "L"}
                pixels = generator.integers(0, 200 + 40 * row["label"], (48, 48), dtype=np.uint8)
                if role in JUDGED and number in ODD:
                    pixels[:, ::2] = 255
                writer.add(role, Record(role="", row=-1, **facts), pixels)
        writer.finish({"test": "official", "options": {"aspect": "stretch"}})
    write_json(folder / "data/source.json", SOURCE)
    inputs = keras.Input((None, None, 1))
    features = keras.layers.Conv2D(4, 3, strides=4, activation="relu")(inputs)
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    model = keras.Model(inputs, keras.layers.Dense(1)(pooled))
    (folder / "data/model").mkdir()
    model.save(folder / "data/model/model.keras")
    shards = open_shards(folder / "data/shards")
    params = TrainOptions(**yaml.safe_load((ROOT / "params.yaml").read_text())["train"])
    domain = domain_fit.fit(model, params, shards.role("train"), [shards.role("val")])
    domain.save(folder / "data/model/domain.npz")
    point = OperatingPoint(0.1, 0.0, 0.5, POINTS, ("val",))
    write_json(folder / "data/model/operating_point.json", point.to_json())
    records, probability = make(1, 10, 12)
    figures = report(records.assign(role="val"), probability, POINTS, OPTIONS, prior=0.5)
    write_json(folder / "data/validation.json", {"val": figures})
    model = folder / "data/model"
    checksums.write(model, [*model.iterdir()], instruction_set="none")


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stages.evaluate"]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )


def evaluate(folder: Path) -> dict[str, bytes]:
    """Run the stage in `folder`; return the files of its report by name."""
    ended = run(folder)
    assert ended.returncode == 0, ended.stderr
    out = folder / "data/report"
    assert ended.stdout.strip() in (out / "model_card.md").read_text(encoding="utf-8")
    assert "| Specificity |" in ended.stdout
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # keras, saving
def test_evaluate_writes_the_same_report_twice(tmp_path: Path) -> None:
    prepare(tmp_path)
    first = evaluate(tmp_path)
    assert set(first) == {
        "grad_cam.png",
        "judged.json",
        "metrics.json",
        "model_card.md",
        "plots/calibration.csv",
        "plots/confusion.csv",
        "plots/precision_recall.csv",
        "plots/roc.csv",
        "predictions.csv",
        "probe.zip",
        "reference.json",
    }
    figures = json.loads(first["metrics.json"])["test"]
    rows = list(csv.DictReader(first["predictions.csv"].decode().splitlines()))
    assert len(rows) == figures["images"]
    called = sum(row["decision"] == "1" for row in rows)
    assert called == figures["counts"]["tp"] + figures["counts"]["fp"]
    refused = [row for row in rows if row["refused"] == "1"]
    assert set(ODD) <= {rows.index(row) for row in refused}
    assert all(float(row["domain_score"]) > 1 and row["decision"] == "" for row in refused)
    counts = figures["refusals"]["counts"]
    assert counts == {
        name: sum(row["label"] == label for row in refused)
        for name, label in (("negative", "0"), ("positive", "1"))
    }
    assert sum(figures["counts"].values()) + sum(counts.values()) == len(rows)
    assert first["plots/confusion.csv"].decode().count(",refused\n") == len(refused)
    trivial = {"always_positive", "encoding", "shape", "frame", "thumbnail"}
    assert set(figures["baselines"]) == trivial
    assert "computer-made phantoms" in first["model_card.md"].decode()
    reference = json.loads(first["reference.json"])
    assert set(reference["roles"]) == {"train", "val"}  # none that the model is judged on
    external = json.loads(first["metrics.json"])["external_lyon"]
    assert sum(external["refusals"]["counts"].values()) >= len(ODD)
    assert external["answered"]["images"] <= external["images"] - len(ODD)
    (tmp_path / "probe.zip").write_bytes(first["probe.zip"])
    probe = read_probe(tmp_path / "probe.zip")
    assert len(probe.files) == 64
    detector = Detector.load(
        *(tmp_path / "data/model" / name for name in FROZEN),
        pixels=PixelOptions(image_px=48, aspect="stretch"),
        classes=("normal", "pneumonia"),
        body_part=None,
    )
    assert detector.differing(tmp_path / "probe.zip") == []
    assert evaluate(tmp_path) == first


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # keras, saving
def test_validation_figures_of_an_earlier_version_are_refused(tmp_path: Path) -> None:
    prepare(tmp_path)
    path = tmp_path / "data/validation.json"
    earlier = {
        role: {"auroc": tree["auroc"]} for role, tree in json.loads(path.read_text()).items()
    }
    write_json(path, earlier)
    ended = run(tmp_path)
    assert ended.returncode == 1
    assert "validation.json: expected figures that count refused images" in ended.stderr
    assert "run `dvc repro evaluate`" in ended.stderr
