"""Stage `fetch`: radiographs as received, and an index of them, into data/raw."""

import sys
from collections.abc import Iterator
from pathlib import Path

from stages.engine.files import read_json
from stages.engine.stage import run
from stages.settings import params, paths
from stages.sources import kermany
from stages.sources.anonymise import anonymous
from stages.sources.archives import archive
from stages.sources.index import SOURCE, Film, Source, write_raw
from stages.sources.options import FetchOptions
from stages.sources.phantom import generate
from stages.sources.stored_zip import replacing_folder


def main() -> None:
    """Bring the films of the source that params name, whole or not at all."""
    options = params.load().fetch
    with replacing_folder(paths.RAW) as folder:
        films, source = _received(options, folder)
        count = write_raw(folder, films, source)
        cautions = read_json(folder / SOURCE).get("cautions", {})
    for caution, number in cautions.items():
        print(f"warning: {number} of {count} films: {caution}", file=sys.stderr)
    pinned = "" if source.pinned else " (not pinned: `pneumonia pin` has a change noticed)"
    print(f"{count} films from {source.name}, sha256 {source.sha256 or 'none: made here'}{pinned}")


def _received(options: FetchOptions, folder: Path) -> tuple[Iterator[Film], Source]:
    """Films and source; what else the source knows goes to `folder`."""
    if options.source == "phantom":
        return generate.keep_truth(folder, generate.films(options.phantom)), generate.SOURCE
    if options.source == "kermany":
        films, source = kermany.receive(options.url, options.sha256, scratch=folder)
    else:
        table = paths.from_root(options.labels) if options.labels else None
        path = paths.from_root(options.path or "")
        films, source = archive.receive(path, options.sha256, table=table, scratch=folder)
    return anonymous(films, hash_names=options.hash_names), source


if __name__ == "__main__":
    run(main, "fetch", paths.RAW / "index.csv")
