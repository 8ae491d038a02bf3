"""Stage `preprocess`: data/raw to data/shards, films to pixels in their roles, and their audit."""

import functools
import time

from stages import audit, layout, params
from stages.engine.stage import run
from stages.images.build import build
from stages.sources.index import open_raw


def main() -> None:
    """Decode, split and pack every film of data/raw; audit what came of it before it counts."""
    options = params.load().preprocess
    films, source = open_raw(layout.RAW)
    started = time.perf_counter()
    judge = functools.partial(audit.write, options=options)
    manifest = build(films, source, options, layout.SHARDS, judge=judge).manifest
    seconds = time.perf_counter() - started
    for role, count in manifest["counts"].items():
        print(
            f"{role}: {count['normal']} normal, {count['pneumonia']} pneumonia, "
            f"{count['patients']} patients"
        )
    if manifest["unreadable"]:
        print(f"{manifest['unreadable']} films set aside: {layout.SHARDS / 'unreadable.csv'}")
    print(f"{len(films)} films in {seconds:.1f} s ({len(films) / seconds:.0f}/s)")


if __name__ == "__main__":
    run(main, "preprocess", layout.SHARDS / "manifest.json")
