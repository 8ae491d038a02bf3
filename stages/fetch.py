"""Stage `fetch`: radiographs as received, and an index of them, into data/raw."""

from stages.engine.console import print_note, print_text
from stages.engine.files import read_json, replacing_folder, write_json
from stages.engine.root import from_root
from stages.engine.stage import run
from stages.settings import fetch_inputs, paths, section
from stages.sources.dispatch import open_sources
from stages.sources.index import SOURCE_FILE, facts_without_ids
from stages.sources.options import FetchOptions, FetchSection, SeveralSources
from stages.sources.same_patients import read_same_patients
from stages.sources.writer import write_raw


def main() -> None:
    """Bring the images of the sources that params name, whole or not at all."""
    options: FetchOptions | SeveralSources = section.value(FetchSection, "fetch")
    fetch_inputs.require_recorded(options)
    table = options.same_patients
    same_patients = read_same_patients(from_root(table)) if table else None
    classes, part = fetch_inputs.classes(), fetch_inputs.body_part()
    with replacing_folder(paths.RAW) as folder:
        images, sources = open_sources(options, folder, classes=classes, body_part=part)
        count = write_raw(folder, images, sources, same_patients=same_patients)
        section.require_unchanged(options, "fetch")
        fetch_inputs.require_recorded(options)  # still
        facts = read_json(folder / SOURCE_FILE)
    # Kept by git, and not beside the shards, whose identity is pixels, records and options: a name,
    # a licence or a pin that changes makes no other data set. Ids of patients don't go into git.
    write_json(paths.SOURCE, facts_without_ids(facts))
    for caution, number in facts.get("cautions", {}).items():
        print_note(f"warning: {number} of {count} images: {caution}")
    if equal := facts.get("equal_ids"):
        print_note(
            f"warning: {equal} ids of patients are given by several sources, and counted as "
            "different people; list those who are one in the table of fetch.same_patients"
        )
    for source, counted in zip(sources, facts["sources"], strict=True):
        origin, name = source.origin, f"{source.name}: " if len(sources) > 1 else ""
        if origin.merged_patients is not None:
            print_note(f"warning: {name}{origin.merged_patients}")
        pinned = "" if origin.pinned else " (not pinned: no model made from it can be promoted)"
        print_text(
            f"{name}{counted['images']} images from {origin.file or origin.name}, sha256 "
            f"{origin.sha256 or 'none: made here'}{pinned}"
        )


if __name__ == "__main__":
    run(main, "fetch", paths.RAW / "index.csv")
