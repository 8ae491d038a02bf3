"""Stage `fetch`: radiographs as received, and an index of them, into data/raw."""

from stages.engine.console import print_note, print_text
from stages.engine.files import read_json, replacing_folder, write_json
from stages.engine.stage import run
from stages.settings import fetch_inputs, paths, section
from stages.sources.dispatch import open_source
from stages.sources.index import SOURCE_FILE, facts_without_ids
from stages.sources.options import FetchOptions
from stages.sources.writer import write_raw


def main() -> None:
    """Bring the images of the source that params name, whole or not at all."""
    options = section.load(FetchOptions, "fetch")
    fetch_inputs.require_recorded(options)
    classes, part = fetch_inputs.classes(), fetch_inputs.body_part()
    with replacing_folder(paths.RAW) as folder:
        images, source = open_source(options, folder, classes=classes, body_part=part)
        count = write_raw(folder, images, source)
        section.require_unchanged(options, "fetch")
        fetch_inputs.require_recorded(options)  # still
        facts = read_json(folder / SOURCE_FILE)
    # Kept by git, and not beside the shards, whose identity is pixels, records and options: a name,
    # a licence or a pin that changes makes no other data set. Ids of patients don't go into git.
    write_json(paths.SOURCE, facts_without_ids(facts))
    for caution, number in facts.get("cautions", {}).items():
        print_note(f"warning: {number} of {count} images: {caution}")
    if source.merged_patients is not None:
        print_note(f"warning: {source.merged_patients}")
    pinned = "" if source.pinned else " (not pinned: no model made from it can be promoted)"
    checksum = source.sha256 or "none: made here"
    print_text(f"{count} images from {source.file or source.name}, sha256 {checksum}{pinned}")


if __name__ == "__main__":
    run(main, "fetch", paths.RAW / "index.csv")
