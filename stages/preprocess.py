"""Stage `preprocess`: data/raw to data/shards, films to pixels in their roles, and their audit."""

import functools
import time

from stages.audit import report
from stages.engine.stage import run
from stages.images.build import build
from stages.settings import params, paths
from stages.sources.index import open_raw


def main() -> None:
    """Decode, split and pack every film of data/raw; audit what came of it before it counts."""
    options = params.load().preprocess
    films, source = open_raw(paths.RAW)
    started = time.perf_counter()
    judge = functools.partial(report.write, options=options)
    manifest = build(films, source, options, paths.SHARDS, judge=judge).manifest
    seconds = time.perf_counter() - started
    for role, count in manifest["counts"].items():
        print(
            f"{role}: {count['normal']} normal, {count['pneumonia']} pneumonia, "
            f"{count['patients']} patients"
        )
    if manifest["unreadable"]:
        print(f"{manifest['unreadable']} films set aside: {paths.SHARDS / 'unreadable.csv'}")
    print(f"{len(films)} films in {seconds:.1f} s ({len(films) / seconds:.0f}/s)")


if __name__ == "__main__":
    run(main, "preprocess", paths.SHARDS / "manifest.json")
