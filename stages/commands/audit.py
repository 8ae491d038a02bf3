"""The command `pneumonia audit`: print what preprocess found out about the images."""

import argparse
import sys

from stages.audit.report import ACCOUNT, PAGE
from stages.engine.files import read_json
from stages.settings import params, paths


def show(arguments: argparse.Namespace) -> int:
    """Print the account; warn on stderr where the shards are not those that it describes."""
    params.load()
    found = read_json(paths.AUDIT / ACCOUNT)
    path = paths.AUDIT / (ACCOUNT if arguments.json else PAGE)
    print(path.read_text(encoding="utf-8"), end="")
    manifest = paths.SHARDS / "manifest.json"
    if not manifest.exists() or read_json(manifest)["digest"] != found["data"]:
        print(f"{paths.SHARDS} does not hold the images of this audit", file=sys.stderr)
    return 0
