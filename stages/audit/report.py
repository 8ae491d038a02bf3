"""The audit of the data: written by preprocess, printed by `pneumonia audit`."""

import argparse
import sys
import time

from stages.audit import findings, pictures
from stages.audit.page import page, summary
from stages.engine.files import read_json, write_bytes, write_json, write_text
from stages.images.build import Built
from stages.images.options import PreprocessOptions
from stages.settings import params, paths
from stages.sources.stored_zip import replacing_folder

ACCOUNT = "findings.json"
PAGE = "audit.md"


def write(built: Built, options: PreprocessOptions) -> None:
    """Write the account of what was built, print it short, and stop where params say so.

    The account is written also where it stops: it is what one then needs to see.
    Raises InputError.
    """
    started = time.perf_counter()
    found = findings.account(built, options.audit, seed=options.seed)
    with replacing_folder(paths.AUDIT) as folder:
        write_bytes(folder / "contact.png", pictures.contact_sheet(built.census.roles))
        write_bytes(folder / "means.png", pictures.mean_images(built.census.roles))
        write_text(folder / PAGE, page(found))
        write_json(folder / ACCOUNT, found)
    for line in summary(found):
        print(f"audit: {line}")
    seconds = time.perf_counter() - started
    print(f"audit: {seconds:.1f} s, {paths.AUDIT / PAGE}; `pneumonia audit` shows it")
    findings.stop(found, str(paths.AUDIT / PAGE))


def show(arguments: argparse.Namespace) -> int:
    """Print the account; a note on stderr where the shards are not those that it tells of."""
    params.load()
    found = read_json(paths.AUDIT / ACCOUNT)
    if arguments.json:
        print((paths.AUDIT / ACCOUNT).read_text(encoding="utf-8"), end="")
    else:
        print((paths.AUDIT / PAGE).read_text(encoding="utf-8"), end="")
    manifest = paths.SHARDS / "manifest.json"
    if not manifest.exists() or read_json(manifest)["digest"] != found["data"]:
        print(f"{paths.SHARDS} does not hold the films of this audit", file=sys.stderr)
    return 0
