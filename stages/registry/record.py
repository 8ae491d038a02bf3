"""The files of a finished run, from which the tracking store can be rebuilt."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.engine import checksums
from stages.engine.errors import InputError
from stages.engine.files import canonical_json, digest, read_json, sha256_file
from stages.engine.keys import differences
from stages.engine.tables import read_table
from stages.metrics.report_digests import DIGESTED
from stages.metrics.trees import RoleFigures
from stages.registry.circumstances import NOT_RECORDED
from stages.registry.digests import model_digest
from stages.registry.identity import Identity

VIEW = 7
"""Increase it when what is logged of a run changes: every run is then logged again."""

FIGURES = ("model/validation.json", "report/metrics.json")
"""Paths in a run of the files that hold its figures."""

PACKAGED_OF_REPORT = ("reference.json", "probe.zip")
"""Files of the report that a version takes along: for drift, and for a check after loading."""

_NAMED = 8
"""How many differences are named in a tag."""

Row = dict[str, float]
"""Numbers of one epoch by column, "epoch" (from 1) among them."""


@dataclass(frozen=True)
class Record:
    """A finished run: its identity, its figures and its files.

    Attributes:
        identity: What the run is made of.
        model: Model digest.
        instruction_set: Instruction set of the processor that it was trained on.
        trained_as_recorded: Whether the training read what the run is named by: "yes", "not
            recorded" for a model of an earlier version, or "no" with the difference, which only
            `dvc commit` can leave.
        epochs: Rows of history.csv.
        figures: Nested numbers by role (val, ..., test), as in validation.json and metrics.json.
        pixels: Preprocessing options.
        files: Files to upload, by their path in the run.
        model_file: The `.keras` file.
        operating_point: The `operating_point.json` that was frozen for it.
        domain: The `domain.npz` that was fitted with it.
        code: Digest of the code that it answers with.
        initial_weights: Where the first weights come from (`network.pretrained.origin`); None for
            random ones.
    """

    identity: Identity
    model: str
    instruction_set: str
    trained_as_recorded: str
    epochs: tuple[Row, ...]
    figures: RoleFigures
    pixels: Mapping[str, Any]
    files: Mapping[str, Path]
    model_file: Path
    operating_point: Path
    domain: Path
    code: str
    initial_weights: Mapping[str, Any] | None

    @property
    def packaged(self) -> tuple[Path, ...]:
        """The files that a version has as they are, by their own names."""
        of_report = (self.files[f"report/{name}"] for name in PACKAGED_OF_REPORT)
        return (self.model_file, self.operating_point, self.domain, *of_report)

    @property
    def judged(self) -> bool:
        """Whether there are figures on test."""
        return "test" in self.figures

    @property
    def view(self) -> str:
        """Digest of everything that is logged of this run."""
        contents = {path: sha256_file(file) for path, file in self.files.items()}
        return digest(
            {"view": VIEW, "run": self.identity.run, "model": self.model, "files": contents}
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
    code: str,
) -> Record:
    """Read the files of a finished run.

    Args:
        identity: What the run is made of.
        shards: Folder of the data set.
        audit: Folder of the audit.
        model: Folder of the model.
        validation: The validation.json.
        report: Folder of the report; None for a run that was not evaluated on test.
        pixels: Preprocessing options.
        code: Digest of the code that the model answers with (`packaged_code.code_digest`).

    Raises:
        InputError: A file is missing or was changed, or the report is that of another model or
            data set.
    """
    model_file, point = model / "model.keras", model / "operating_point.json"
    domain = model / "domain.npz"
    figures = {**read_json(validation), **(read_json(report / "metrics.json") if report else {})}
    if report:
        judged = check_report(report)
        if (judged["data"], judged["model"]) != (identity.data, sha256_file(model_file)):
            raise InputError(
                f"{report / 'judged.json'}: expected the report of {model_file} on {shards}, "
                "received that of another model or data set; run `dvc repro evaluate`"
            )
    read_json(point)  # if it is missing, say so before anything is hashed
    if not domain.is_file():
        raise InputError(f"{domain}: expected a file, found none; run `dvc repro train`")
    checksums.verify(model)
    _check_records(shards)
    return Record(
        identity=identity,
        model=model_digest(model_file, point, domain, pixels, code),
        instruction_set=checksums.read_provenance(model)["instruction_set"],
        trained_as_recorded=_trained_as_recorded(model / "trained_with.json", identity),
        epochs=tuple(read_history(model / "history.csv")),
        figures=figures,
        pixels=pixels,
        files={
            "data/manifest.json": shards / "manifest.json",
            "data/records.csv": shards / "records.csv",
            "model/history.csv": model / "history.csv",
            "model/operating_point.json": point,
            "model/validation.json": validation,
            **_folder("data/audit", audit),
            **(_folder("report", report) if report else {}),
        },
        model_file=model_file,
        operating_point=point,
        domain=domain,
        code=code,
        initial_weights=_initial_weights(model / "trained_with.json", identity),
    )


def check_report(report: Path) -> dict[str, str]:
    """Return the digests in judged.json: of the report's data, its model, and DIGESTED files.

    Raises:
        InputError: A digest is missing, or a file was changed.
    """
    judged: dict[str, str] = read_json(report / "judged.json")
    if not isinstance(judged, dict) or not {"data", "model", *DIGESTED} <= set(judged):
        raise InputError(
            f"{report / 'judged.json'}: expected the digests of data, model, "
            f"{', '.join(DIGESTED)}, received less: it is of an earlier version; run `dvc repro "
            "evaluate`"
        )
    for key, name in DIGESTED.items():
        checksums.verify_sha256(
            report / name, judged[key], report / "judged.json", "run `dvc repro --force evaluate`"
        )
    return judged


def _trained_as_recorded(path: Path, identity: Identity) -> str:
    """Compare what a training has written of its inputs with what its run is named by."""
    if not path.exists():
        return NOT_RECORDED
    read = read_json(path)
    recorded = {
        "data": identity.data,
        "params": json.loads(canonical_json(dict(identity.decisive))),
        "code": identity.code_digest,
        "lock": identity.lock,
    }
    changed = differences({key: read.get(key) for key in recorded}, recorded)
    if not changed:
        return "yes"
    return "no, by dvc commit: " + "; ".join(
        f"{key.removeprefix('params.')} was {was!r}, recorded as {now!r}"
        for key, (was, now) in list(changed.items())[:_NAMED]
    )


def _initial_weights(path: Path, identity: Identity) -> Mapping[str, Any] | None:
    """Return what a training has written of its first weights, which earlier versions did not."""
    read = read_json(path) if path.exists() else {}
    if "initial_weights" in read:
        written: Mapping[str, Any] | None = read["initial_weights"]
        return written
    if identity.params.get("train", {}).get("weights") is None:
        return None
    unknown = dict.fromkeys(("name", "file", "sha256", "trained_on", "licence"), NOT_RECORDED)
    return {**unknown, "version": None, "note": ""}


def read_history(path: Path) -> list[Row]:
    """Return the rows of history.csv, without cells that are not numbers."""
    with path.open(encoding="utf-8", newline="") as handle:
        return [dict(_numbers(row)) for row in read_table(handle)[1]]


def _check_records(shards: Path) -> None:
    manifest = shards / "manifest.json"
    checksums.verify_sha256(
        shards / "records.csv",
        checksums.read_digested(manifest)["records"],
        manifest,
        "run `dvc repro --force preprocess`",
    )


def _folder(name: str, folder: Path) -> dict[str, Path]:
    """Return the files in `folder` by their path in the run."""
    return {
        f"{name}/{path.relative_to(folder).as_posix()}": path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")  # DVC keeps a .gitignore there
    }


def _numbers(row: Mapping[str, str]) -> Iterator[tuple[str, float]]:
    for key, cell in row.items():
        try:
            number = float(cell)
        except (TypeError, ValueError):
            continue
        if math.isfinite(number):
            yield key, number
