"""What the files say of one run: the truth that the tracking store is a view of.

Free of MLflow: reading and comparing take no more than the files themselves.
"""

import csv
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.engine import checksums
from stages.engine.errors import InputError
from stages.engine.files import digest, read_json, sha256_file
from stages.registry.digests import model_digest, run_digest

NOT_RECORDED = "not recorded"

VIEW = 4
"""Raise it when a run is to be shown in another way: every run is then shown anew."""

COMPARED = (
    "auroc", "average_precision", "accuracy", "balanced_accuracy", "sensitivity", "specificity",
    "brier", "log_loss", "ece",
)  # fmt: skip
"""What MLflow draws a chart of, for each role. All other figures, and all intervals, are in
`figures.html`: a chart for each of them would be 600 and more.
"""

FIGURES = ("model/validation.json", "report/metrics.json")
"""Where a run keeps its figures by role."""

Row = dict[str, float]


@dataclass(frozen=True)
class Identity:
    """What a run is made of; known before it trains.

    Attributes:
        data: Digest of the data set: of pixels, records and options, not of a name or place.
        code: Digest by path of every file that training reaches (`settings.digests`).
        lock: SHA-256 of the environment's lock file.
        params: The sections fetch to evaluate, for display.
        decisive: The params that decide model and figures on this data set.
        source: What the data set's source says of itself (source.json).
        counts: Images and patients per role.
    """

    data: str
    code: Mapping[str, str]
    lock: str
    params: Mapping[str, Any]
    decisive: Mapping[str, Any]
    source: Mapping[str, Any]
    counts: Mapping[str, Mapping[str, int]]

    @property
    def run(self) -> str:
        """The run digest."""
        return run_digest(data=self.data, params=self.decisive, code=self.code, lock=self.lock)

    @property
    def code_digest(self) -> str:
        return digest(dict(self.code))

    @property
    def synthetic(self) -> bool:
        return bool(self.source["synthetic"])

    def named(self, stem: str) -> str:
        """Name of the experiment and of the registered model."""
        return model_name(stem, str(self.source["name"]))


@dataclass(frozen=True)
class Record:
    """A finished run: its identity, its figures and its files.

    model: the model digest. instruction_set: the class that it was trained on.
    epochs: one row of numbers per epoch, "epoch" among them.
    figures: by role (val, ..., test), nested numbers as validation.json and metrics.json.
    pixels: the preprocessing options that the model's input depends on.
    files: what a person may want to open, by the path that the store shows it under.
    """

    identity: Identity
    model: str
    instruction_set: str
    epochs: tuple[Row, ...]
    figures: Mapping[str, Any]
    pixels: Mapping[str, Any]
    files: Mapping[str, Path]
    model_file: Path
    operating_point: Path

    @property
    def judged(self) -> bool:
        """Whether there are figures on test."""
        return "test" in self.figures

    @property
    def view(self) -> str:
        """Digest of everything that is shown of this run."""
        contents = {shown: sha256_file(path) for shown, path in self.files.items()}
        return digest(
            {"view": VIEW, "run": self.identity.run, "model": self.model, "files": contents}
        )


def model_name(stem: str, source: str) -> str:
    """Name of the registered model: one per task and data set, in letters that MLflow takes.

    A point is not among them where MLflow logs a model.
    """
    return f"{stem}-{re.sub(r'[^a-z0-9_-]+', '-', source.lower()).strip('-')}"


def read_identity(
    shards: Path,
    source: Path,
    *,
    params: Mapping[str, Any],
    decisive: Mapping[str, Any],
    code: Mapping[str, str],
    lock: Path,
) -> Identity:
    """The identity of a run on the data set in `shards`, which came from `source` (a JSON file).

    Raises InputError where the folder has no manifest, or one that was changed.
    """
    manifest = checksums.read_digested(shards / "manifest.json")
    return Identity(
        data=manifest["digest"],
        code=code,
        lock=sha256_file(lock),
        params=params,
        decisive=decisive,
        source=read_json(source),
        counts=manifest["counts"],
    )


def read_record(
    identity: Identity,
    *,
    shards: Path,
    audit: Path,
    model: Path,
    validation: Path,
    report: Path | None,
    pixels: Mapping[str, Any],
) -> Record:
    """What the stages left in these places.

    report: None where the model was not judged on test, as where an experiment ends at `train`.

    Raises InputError where one of them is missing, or where the report judges another model or
    other data than these.
    """
    model_file, point = model / "model.keras", model / "operating_point.json"
    figures = {**read_json(validation), **(read_json(report / "metrics.json") if report else {})}
    if report:
        judged = check_report(report)
        if (judged["data"], judged["model"]) != (identity.data, sha256_file(model_file)):
            raise InputError(
                f"{report / 'judged.json'}: expected the report of {model_file} on {shards}, "
                "received that of another model or data set; run `dvc repro evaluate`"
            )
    read_json(point)  # a missing one is named before anything is hashed
    checksums.verify(model)
    _check_records(shards)
    files = {
        "data/manifest.json": shards / "manifest.json",
        "data/records.csv": shards / "records.csv",
        "model/history.csv": model / "history.csv",
        "model/operating_point.json": point,
        "model/validation.json": validation,
    }
    folders = {"data/audit": audit, **({"report": report} if report else {})}
    for shown, folder in folders.items():
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.name.startswith("."):  # DVC keeps a .gitignore there
                files[f"{shown}/{path.relative_to(folder).as_posix()}"] = path
    return Record(
        identity=identity,
        model=model_digest(model_file, point, pixels),
        instruction_set=checksums.read_provenance(model)["instruction_set"],
        epochs=tuple(read_history(model / "history.csv")),
        figures=figures,
        pixels=pixels,
        files=files,
        model_file=model_file,
        operating_point=point,
    )


def check_report(report: Path) -> dict[str, str]:
    """What judged.json says of a report: digests of its data, model, figures and predictions.

    Raises InputError where it says less, or figures or predictions are others.
    """
    judged: dict[str, str] = read_json(report / "judged.json")
    for key, name in (("figures", "metrics.json"), ("predictions", "predictions.csv")):
        if not isinstance(judged, dict) or not {"data", "model", key} <= set(judged):
            raise InputError(
                f"{report / 'judged.json'}: expected the digests of data, model, figures and "
                "predictions, received less; run `dvc repro evaluate`"
            )
        if sha256_file(report / name) != judged[key]:
            raise InputError(
                f"{report / name}: its bytes are not those that {report / 'judged.json'} names; "
                "run `dvc repro --force evaluate`"
            )
    return judged


def _check_records(shards: Path) -> None:
    manifest = checksums.read_digested(shards / "manifest.json")
    if sha256_file(shards / "records.csv") != manifest["records"]:
        raise InputError(
            f"{shards / 'records.csv'}: its bytes are not those that manifest.json names; "
            "run `dvc repro --force preprocess`"
        )


def read_history(path: Path) -> list[Row]:
    """The rows of history.csv; cells that hold no number are left out."""
    with path.open(encoding="utf-8", newline="") as handle:
        return [dict(_numbers(row)) for row in csv.DictReader(handle)]


def circumstance(journal: Mapping[str, Any], key: str) -> str:
    """What the journal tells of `key` at training; other stages may have run for other runs."""
    facts = journal.get("train", {})
    return plain(facts[key]) if key in facts else NOT_RECORDED


def plain(value: Any) -> str:
    """`value` as a person writes it."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return ", ".join(map(plain, value)) if isinstance(value, (list, tuple)) else str(value)


def compared(figures: Mapping[str, Any]) -> dict[str, float]:
    """The COMPARED figures of each role as metrics, without intervals, such as "test/auroc"."""
    return {
        f"{role}/{name}": float(told[name]["value"])
        for role, told in figures.items() for name in COMPARED if name in told
    }  # fmt: skip


def lookup(figures: Mapping[str, Any], key: str) -> dict[str, float] | None:
    """The figure under a path such as "test/auroc" with its interval, or None."""
    found: Any = figures
    for part in key.split("/"):
        found = found.get(part) if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping) or not {"value", "low", "high"} <= set(found):
        return None
    return {bound: float(found[bound]) for bound in ("value", "low", "high")}


def _numbers(row: Mapping[str, str]) -> Iterator[tuple[str, float]]:
    for key, cell in row.items():
        try:
            number = float(cell)
        except (TypeError, ValueError):
            continue
        if math.isfinite(number):
            yield key, number
