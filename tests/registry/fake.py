"""Files of a finished run as the stages write them, small and without TensorFlow."""

import json
from pathlib import Path
from typing import Any

from stages.engine import checksums
from stages.engine.files import sha256_bytes, sha256_file, write_json
from stages.engine.task import NOTHING, TaskOptions
from stages.metrics.report_digests import DIGESTED
from stages.registry.identity import Identity, read_identity
from stages.registry.packaged_code import code_digest
from stages.registry.record import Record, read_record
from stages.registry.release import Release
from stages.registry.rule import Verdict, floors
from tests.registry import tiny

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements.lock"
PARAMS = {
    "preprocess": {"seed": 0, "image_px": 32},
    "train": {"network": "compact", "threads": 2, "augment": {"area": (0.25, 1.0), "flip": True}},
}
JOURNAL = {
    "train": {
        "git_commit": "c0ffee",
        "git_dirty": False,
        "dvc_experiment": None,
        "time": "2026-03-01T12:00:00+00:00",
    }
}
SOURCE = {
    "name": "phantom",
    "file": "",
    "version": "1",
    "licence": "Apache-2.0",
    "citation": "none",
    "sha256": "",
    "pinned": True,
    "synthetic": True,
    "images": 9,
}
MODEL_FILES = ("model.keras", "operating_point.json", "domain.npz")
FLOORS = {"auroc": 0.9}


def figure(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.02, "high": value + 0.02}


def write(folder: Path, *, auroc: float = 0.95, model: bytes = b"a network") -> None:
    """Write the shards' manifest, source.json, model, validation and report to `folder`."""
    (folder / "report/plots").mkdir(parents=True, exist_ok=True)
    for name in ("shards", "model"):
        (folder / name).mkdir(exist_ok=True)
    manifest: dict[str, Any] = {
        "format": 3,
        "counts": {
            "train": {"negative": 3, "positive": 4, "patients": 5},
            "test": {"negative": 1, "positive": 1, "patients": 2},
        },
    }
    records = "id,role\na,train\n"
    manifest["records"] = sha256_bytes(records.encode())
    manifest["digest"] = checksums.content_digest(manifest)
    texts: dict[str, Any] = {
        "shards/manifest.json": manifest,
        "shards/records.csv": records,
        "source.json": SOURCE,
        "model/history.csv": "epoch,loss,val_auroc\n1,0.7,0.8\n2,0.5,0.9\n",
        "model/operating_point.json": {
            "format": 1,
            "slope": 1.0,
            "intercept": 0.0,
            "prior": 0.5,
            "thresholds": {"decision": 0.5},
            "fitted_on": ["val"],
        },
        "validation.json": {"val": {"images": 2, "auroc": figure(0.96)}},
        "report/metrics.json": {
            "test": {
                "images": 2,
                "auroc": figure(auroc),
                "sensitivity": figure(0.9),
                "screening": {"sensitivity": figure(0.97)},
                "counts": {"tp": 1},
            }
        },
        "report/model_card.md": "# Model card\n",
        "report/plots/roc.csv": "fpr,tpr\n0,0\n",
        "report/predictions.csv": "id\nb\n",
        "report/reference.json": {"format": 1, "roles": {}},
        "report/probe.zip": "a probe",
    }
    for name, content in texts.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "model/model.keras").write_bytes(model)
    tiny.DOMAIN.save(folder / "model/domain.npz")
    write_judged(folder)
    write_checksums(folder)


def write_judged(folder: Path) -> None:
    """Update the digests of the report's files, and of what it is about."""
    judged = {
        "data": json.loads((folder / "shards/manifest.json").read_bytes())["digest"],
        "model": sha256_file(folder / "model/model.keras"),
        **{key: sha256_file(folder / "report" / name) for key, name in DIGESTED.items()},
    }
    write_json(folder / "report/judged.json", judged)


def write_checksums(folder: Path) -> None:
    """Update the checksums of the model's files."""
    files = [folder / "model" / name for name in MODEL_FILES]
    checksums.write(
        folder / "model",
        [*files, folder / "model/history.csv", folder / "validation.json"],
        instruction_set="x86-64 avx2, AMD",
    )


def identity(folder: Path, task: TaskOptions | None = None, **params: Any) -> Identity:
    return read_identity(
        folder / "shards",
        folder / "source.json",
        params={**PARAMS, **params},
        decisive={**PARAMS, **params},
        code={"stages/train.py": "1"},
        lock=LOCK,
        task=task or NOTHING,
    )


def write_inputs(folder: Path, inputs: Identity) -> None:
    """Write what a training has read, as train does; the checksums don't list it here."""
    content = {
        "data": inputs.data,
        "params": inputs.decisive,
        "code": inputs.code_digest,
        "lock": inputs.lock,
    }
    write_json(folder / "model/trained_with.json", content)


def record(
    folder: Path,
    *,
    judged: bool = True,
    as_recorded: bool = True,
    image_px: int = 32,
    **params: Any,
) -> Record:
    """Read a run; with `as_recorded`, its training has read what it is named by."""
    inputs = identity(folder, **params)
    if as_recorded:
        write_inputs(folder, inputs)
    return read_record(
        inputs,
        shards=folder / "shards",
        audit=folder / "audit",
        model=folder / "model",
        validation=folder / "validation.json",
        report=folder / "report" if judged else None,
        pixels={"image_px": image_px, "aspect": "stretch"},
        code=code_digest(ROOT),
    )


def release(folder: Path, *, required: dict[str, float] | None = None, **params: Any) -> Release:
    found = record(folder, **params)
    verdict = Verdict(floors(found.figures["test"], required or FLOORS))
    return Release(found, verdict, "pneumonia", JOURNAL, ROOT, LOCK)
