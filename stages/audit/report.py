"""Build and write the report of the audit; `pneumonia data audit` prints it."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stages.audit import findings, page, pictures, summary
from stages.audit.collector import Collector
from stages.audit.page import Report
from stages.audit.probes import probe
from stages.engine.console import print_text
from stages.engine.files import replacing_folder, write_bytes, write_json, write_text
from stages.engine.tables import write_table
from stages.images.build import BuildResult
from stages.images.options import PreprocessOptions
from stages.sources.patient_ids import MergedPatients
from stages.sources.source_file import short_name

FORMAT = 3
REPORT = "findings.json"
PAGE = "audit.md"
UNREADABLE = "unreadable.csv"


def write_report(
    result: BuildResult,
    collected: Collector,
    source: Mapping[str, Any],
    options: PreprocessOptions,
    folder: Path,
    *,
    classes: tuple[str, str],
) -> None:
    """Write the report of what was built, and print a summary.

    Args:
        result: What was built.
        collected: What was kept of each image.
        source: Where the images come from: source.json of data/raw.
        options: Section preprocess of the params.
        folder: Is replaced.
        classes: Names of the labels 0 and 1, for the page and the pictures.

    Raises:
        InputError: A finding's level is "stop". The report is written all the same, because it
            holds what to look at.
    """
    start = time.perf_counter()
    report = _build(result, collected, source, options)
    with replacing_folder(folder) as partial:
        write_bytes(partial / "contact.png", pictures.contact_sheet(collected.roles, classes))
        write_bytes(partial / "means.png", pictures.mean_images(collected.roles, classes))
        write_text(partial / PAGE, page.render_page(report, classes))
        write_table(partial / UNREADABLE, ["path", "reason"], map(asdict, result.unreadable))
        write_json(partial / REPORT, _plain(report))
    for line in page.summary_lines(report):
        print_text(f"audit: {line}")
    seconds = time.perf_counter() - start
    print_text(f"audit: {seconds:.1f} s, {folder / PAGE}; `pneumonia data audit` prints it")
    findings.raise_on_stop(report["findings"], str(folder / PAGE))


def _plain(report: Report) -> dict[str, Any]:
    """Return the report as JSON takes it."""
    merged = report.get("merged_patients")
    return {**report, **({"merged_patients": asdict(merged)} if merged else {})}


def _build(
    result: BuildResult,
    collected: Collector,
    source: Mapping[str, Any],
    options: PreprocessOptions,
) -> Report:
    duplicates = summary.list_duplicates(result)
    patients = summary.summarize_patients(result)
    probes = probe(collected.roles, seed=options.seed)
    report: Report = {
        "format": FORMAT,
        "data": result.manifest["digest"],
        "source": {"name": short_name(source), "synthetic": source["synthetic"]},
        "test": result.manifest["test"],
        "roles": summary.count_roles(collected.roles),
        "source_splits": summary.count_source_splits(result.images),
        "cautions": source.get("cautions", {}),
        "unreadable": [asdict(image) for image in result.unreadable],
        "duplicates": duplicates,
        "merged_groups": result.merged_groups,
        "groups_not_dealt": result.groups_not_dealt,
        "repeats": [asdict(image) for image in result.repeats],
        "patients": patients,
        "sizes": summary.summarize_sizes(collected.roles),
        "grey_levels": summary.summarize_grey_levels(collected.roles),
        "probes": probes,
        "findings": findings.find_problems(duplicates, patients, probes, options.audit),
    }
    if "merged_patients" in source:
        report["merged_patients"] = MergedPatients(**source["merged_patients"])
    return report
