"""Stage `preprocess`: data/raw to data/shards, images to pixels in their roles, and their audit."""

import time

from stages.audit import report
from stages.audit.census import Census
from stages.engine.classes import CLASS_NAMES
from stages.engine.files import write_json
from stages.engine.stage import run
from stages.images.build import build_shards
from stages.images.options import PreprocessOptions
from stages.settings import paths, section
from stages.sources.index import open_raw


def main() -> None:
    """Decode, split and pack every image of data/raw; audit what came of it before it counts."""
    options = section.load(PreprocessOptions, "preprocess")
    images, source = open_raw(paths.RAW)
    started = time.perf_counter()
    census = Census()
    built = build_shards(
        images,
        options,
        paths.SHARDS,
        on_image=census.see,
        approve=lambda result: report.write(result, census, source, options, paths.AUDIT),
    )
    # Not beside the shards, whose identity is pixels, records and options: a name, a licence or a
    # pin that changes makes no other data set.
    write_json(paths.SOURCE, source)
    seconds = time.perf_counter() - started
    for role, count in built.manifest["counts"].items():
        images_by_class = ", ".join(f"{count[name]} {name}" for name in CLASS_NAMES)
        print(f"{role}: {images_by_class}, {count['patients']} patients")
    if built.unreadable:
        print(f"{len(built.unreadable)} images set aside: {paths.AUDIT / report.UNREADABLE}")
    print(f"{len(images)} images in {seconds:.1f} s ({len(images) / seconds:.0f}/s)")


if __name__ == "__main__":
    run(main, "preprocess", paths.SHARDS / "manifest.json")
