"""Write the raw folder: images as received, one row of facts for each, and their sources.

An image with an unreadable header is kept like any other, with its header facts left empty:
fetch records what was received, preprocess judges it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from stages.engine import checksums
from stages.engine.errors import UnusableImage
from stages.engine.files import sha256_bytes, write_json
from stages.engine.tables import TableWriter, write_table
from stages.sources.header import Header, read_header
from stages.sources.index import COLUMNS, INDEX_FILE, SOURCE_FILE, IndexRow, iterate_rows
from stages.sources.parts import MAX_PART_BYTES, ImageParts
from stages.sources.received import NamedSource, ReceivedImage
from stages.sources.same_patients import Joined, SamePatients
from stages.sources.source_counts import SourceCounts

_CHECKSUMMED = (INDEX_FILE, SOURCE_FILE, "truth.csv")


def write_raw(
    folder: Path,
    images: Iterable[ReceivedImage],
    sources: Sequence[NamedSource],
    *,
    same_patients: SamePatients | None = None,
    max_part_bytes: int = MAX_PART_BYTES,
) -> int:
    """Write `images` and `sources` to `folder`, then the index (sorted by path), then checksums.

    `source.json` also counts the images' cautions (`Header.cautions`), if there are any, and has
    the patients that a source spells in several ways.

    Args:
        folder: An existing empty folder.
        images: As their sources deliver them, each with the name of its source.
        sources: What is known of the sources, in the order of params.
        same_patients: Ids that are one person: the images get the smallest id of each.
        max_part_bytes: What the images of one archive may take up together (`sources.parts`).

    Returns:
        The number of images.

    Raises:
        InputError: `same_patients` has an id that no image has.
        ValueError: Two images have the same path.
    """
    facts = SourceCounts(sources, keep_groups=same_patients is not None)
    body_parts = {source.name: source.origin.task.get("body_part") for source in sources}
    partial_index = folder / f"{INDEX_FILE}.partial"
    with (
        ImageParts(folder, max_part_bytes, [source.name for source in sources]) as parts,
        partial_index.open("w", newline="", encoding="utf-8") as handle,
    ):
        table = TableWriter(handle, COLUMNS)
        count, last_path, in_order = 0, "", True
        for image in images:
            header = _header(image.data, body_parts.get(image.source))
            facts.add(image, header)
            parts.add(image.source, image.path, image.data)
            table.write(asdict(_row(image, header)))
            in_order = in_order and last_path < image.path
            count, last_path = count + 1, image.path
    joined = same_patients.join(facts.groups) if same_patients else Joined()
    write_json(folder / SOURCE_FILE, facts.to_json())
    _complete_index(partial_index, folder / INDEX_FILE, parts, joined, in_order=in_order)
    partial_index.unlink()
    # The parts need no digests of their own: the index holds one for each image.
    checksums.write(
        folder, [path for path in sorted(folder.iterdir()) if path.name in _CHECKSUMMED]
    )
    return count


def _complete_index(
    partial: Path, index: Path, parts: ImageParts, joined: Joined, *, in_order: bool
) -> None:
    """Write the index, sorted by path, with each image's place and person: known at the end.

    Most sources yield images in order, so that rows rarely need memory.
    """
    rows: Iterable[IndexRow] = iterate_rows(partial)
    if not in_order:
        rows = sorted(rows, key=lambda row: row.path)
    write_table(index, COLUMNS, (_completed(row, parts, joined) for row in rows))


def _completed(row: IndexRow, parts: ImageParts, joined: Joined) -> Mapping[str, object]:
    return {
        **asdict(row),
        **parts.place_of(row.source, row.path),
        "patient": joined.patients.get(row.patient, row.patient),
        "split_group": joined.groups.get(row.split_group, row.split_group),
    }


def _header(data: bytes, body_part: str | None) -> Header | None:
    try:
        return read_header(data, body_part)
    except UnusableImage:
        return None


def _row(image: ReceivedImage, header: Header | None) -> IndexRow:
    return IndexRow(
        path=image.path,
        source=image.source,
        sha256=sha256_bytes(image.data),
        bytes=len(image.data),
        width=header.width if header else None,
        height=header.height if header else None,
        label=image.label,
        kind=image.kind,
        patient=image.patient,
        split_group=image.split_group,
        source_split=image.source_split,
        jpeg_table_mean=header.jpeg_table_mean if header else None,
        icc=int(header.icc) if header else None,
        mode=header.mode if header else "",
        part="",
        offset=0,
    )
