"""Stage `preprocess`: decode and split the images of data/raw, and audit them."""

import time

from stages.audit import report
from stages.audit.collector import Collector
from stages.engine.classes import CLASS_KEYS
from stages.engine.console import print_text
from stages.engine.stage import run
from stages.images.build import build_shards
from stages.images.options import PreprocessOptions
from stages.settings import paths, section, words
from stages.sources.index import open_raw


def main() -> None:
    """Write data/audit, and data/shards once the audit has approved of them."""
    options = section.load(PreprocessOptions, "preprocess")
    images, source = open_raw(paths.RAW)
    classes = words.task(source).classes
    started = time.perf_counter()
    collected = Collector()
    result = build_shards(
        images,
        options,
        paths.SHARDS,
        on_image=collected.add,
        approve=lambda built: report.write_report(
            built, collected, source, options, paths.AUDIT, classes=classes
        ),
    )
    section.require_unchanged(options, "preprocess")
    seconds = time.perf_counter() - started
    for role, count in result.manifest["counts"].items():
        images_by_class = ", ".join(
            f"{count[key]} {name}" for key, name in zip(CLASS_KEYS, classes, strict=True)
        )
        print_text(f"{role}: {images_by_class}, {count['patients']} patients")
    if result.unreadable:
        print_text(f"{len(result.unreadable)} images set aside: {paths.AUDIT / report.UNREADABLE}")
    print_text(f"{len(images)} images in {seconds:.1f} s ({len(images) / seconds:.0f}/s)")


if __name__ == "__main__":
    run(main, "preprocess", paths.SHARDS / "manifest.json")
