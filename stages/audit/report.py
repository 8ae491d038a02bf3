"""The audit of the data: preprocess writes it, `pneumonia data audit` prints it."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stages.audit import findings, pictures
from stages.audit.census import Census
from stages.audit.page import page, summary
from stages.engine.files import replacing_folder, write_bytes, write_json, write_text
from stages.engine.tables import write_table
from stages.images.build import BuildResult
from stages.images.options import PreprocessOptions

ACCOUNT = "findings.json"
PAGE = "audit.md"
UNREADABLE = "unreadable.csv"


def write(
    built: BuildResult,
    census: Census,
    source: Mapping[str, Any],
    options: PreprocessOptions,
    audit: Path,
) -> None:
    """Write the account of what was built to the folder `audit`, and print a summary.

    source: Where the images come from (source.json of data/raw).

    Raises:
        InputError: A finding's level is "stop". The account is written all the same: it is what
            one then needs to see.
    """
    started = time.perf_counter()
    found = findings.account(built, census, source, options.audit, seed=options.seed)
    with replacing_folder(audit) as folder:
        write_bytes(folder / "contact.png", pictures.contact_sheet(census.roles))
        write_bytes(folder / "means.png", pictures.mean_images(census.roles))
        write_text(folder / PAGE, page(found))
        write_table(folder / UNREADABLE, ["path", "reason"], map(asdict, built.unreadable))
        write_json(folder / ACCOUNT, found)
    for line in summary(found):
        print(f"audit: {line}")
    seconds = time.perf_counter() - started
    print(f"audit: {seconds:.1f} s, {audit / PAGE}; `pneumonia data audit` shows it")
    findings.stop(found, str(audit / PAGE))
