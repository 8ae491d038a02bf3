"""Stage `preprocess`: decode and split the images of data/raw, and audit them."""

import time

from stages.audit import report
from stages.audit.collector import Collector
from stages.engine.classes import CLASS_KEYS
from stages.engine.console import print_text
from stages.engine.stage import run
from stages.images.build import build_shards
from stages.images.frozen_roles import read_frozen_roles
from stages.images.options import PreprocessOptions
from stages.images.pixel_memory import open_memory
from stages.settings import paths, section, words
from stages.sources.index import open_raw
from stages.sources.source_file import listed


def main() -> None:
    """Write data/audit, and data/shards once the audit has approved of them."""
    options = section.load(PreprocessOptions, "preprocess")
    images, source = open_raw(paths.RAW)
    frozen = read_frozen_roles(paths.ROLES)
    classes = words.task(source).classes
    started = time.perf_counter()
    collected = Collector()
    with open_memory(paths.PIXELS, options.pixels, paths.LOCK) as memory:
        result = build_shards(
            images,
            options,
            paths.SHARDS,
            frozen=frozen,
            judges=[each["name"] for each in listed(source) if each["use"] == "judge"],
            memory=memory,
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
    for line in frozen.describe(
        here=result.frozen_groups, new=result.new_groups, new_sources=result.new_sources
    ):
        print_text(line)
    if result.unreadable:
        print_text(f"{len(result.unreadable)} images set aside: {paths.AUDIT / report.UNREADABLE}")
    print_text(
        f"{len(images)} images in {seconds:.1f} s ({len(images) / seconds:.0f}/s), "
        f"{len(images) - memory.found} decoded, {memory.found} from {paths.PIXELS}"
    )


if __name__ == "__main__":
    run(main, "preprocess", paths.SHARDS / "manifest.json")
