"""Stage `fetch`: radiographs as received, and an index of them, into data/raw."""

import sys
from collections.abc import Iterator
from pathlib import Path

from stages.engine.files import read_json, replacing_folder
from stages.engine.stage import run
from stages.settings import params, paths
from stages.sources import kermany
from stages.sources.anonymise import anonymous
from stages.sources.archives import archive
from stages.sources.index import SOURCE, ReceivedImage, Source, write_raw
from stages.sources.options import FetchOptions
from stages.sources.phantom import generate


def main() -> None:
    """Bring the images of the source that params name, whole or not at all."""
    options = params.load().fetch
    with replacing_folder(paths.RAW) as folder:
        images, source = _received(options, folder)
        count = write_raw(folder, images, source)
        cautions = read_json(folder / SOURCE).get("cautions", {})
    for caution, number in cautions.items():
        print(f"warning: {number} of {count} images: {caution}", file=sys.stderr)
    pinned = "" if source.pinned else " (not pinned: `pneumonia pin` has a change noticed)"
    print(f"{count} images from {source.name}, sha256 {source.sha256 or 'none: made here'}{pinned}")


def _received(options: FetchOptions, folder: Path) -> tuple[Iterator[ReceivedImage], Source]:
    """Images and source; what else the source knows goes to `folder`."""
    if options.source == "phantom":
        return generate.keep_truth(folder, generate.images(options.phantom)), generate.SOURCE
    if options.source == "kermany":
        images, source = kermany.receive(options.url, options.sha256, scratch=folder)
    else:
        table = paths.from_root(options.labels) if options.labels else None
        path = paths.from_root(options.path or "")
        images, source = archive.receive(path, options.sha256, table=table, scratch=folder)
    return anonymous(images, hash_names=options.hash_names), source


if __name__ == "__main__":
    run(main, "fetch", paths.RAW / "index.csv")
