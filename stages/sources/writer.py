"""Write the raw folder: images as received, one row of facts for each, and their source.

An image with an unreadable header is kept like any other, with its header facts left empty:
fetch records what was received, preprocess judges it.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from stages.engine import checksums
from stages.engine.errors import UnusableImage
from stages.engine.files import sha256_bytes, write_json
from stages.engine.tables import TableWriter, write_table
from stages.sources.header import Header, read_header
from stages.sources.index import COLUMNS, IMAGES_FILE, INDEX_FILE, SOURCE_FILE, IndexRow, read_rows
from stages.sources.received import ReceivedImage, Source
from stages.sources.stored_zip import StoredZip

_CHECKSUMMED = (INDEX_FILE, SOURCE_FILE, "truth.csv")


def write_raw(folder: Path, images: Iterable[ReceivedImage], source: Source) -> int:
    """Write `images` and `source` to `folder`, then the index (sorted by path), then checksums.

    `source.json` also counts the images' cautions (`Header.cautions`), if there are any, and has
    the patients whom the source spells in several ways.

    Returns:
        The number of images.

    Raises:
        ValueError: Two images have the same path.
    """
    cautions: Counter[str] = Counter()
    partial_index = folder / f"{INDEX_FILE}.partial"
    with (
        StoredZip(folder / IMAGES_FILE) as archive,
        partial_index.open("w", newline="", encoding="utf-8") as handle,
    ):
        table = TableWriter(handle, COLUMNS)
        count, last_path, in_order = 0, "", True
        for image in images:
            header = _header(image.data, source.task.get("body_part"))
            cautions.update(header.cautions if header else ())
            archive.add(image.path, image.data)
            table.write(asdict(_row(image, header)))
            in_order = in_order and last_path < image.path
            count, last_path = count + 1, image.path
    if not in_order:
        _sort(partial_index)
    facts = {**asdict(source), "images": count}
    if source.merged_patients is None:
        del facts["merged_patients"]
    if cautions:
        facts["cautions"] = dict(sorted(cautions.items()))
    write_json(folder / SOURCE_FILE, facts)
    partial_index.rename(folder / INDEX_FILE)
    # The zip needs no digest of its own: the index holds one for each image.
    checksums.write(
        folder, [path for path in sorted(folder.iterdir()) if path.name in _CHECKSUMMED]
    )
    return count


def _sort(index: Path) -> None:
    """Sort an index by path. Most sources yield images in order, so rows rarely need memory."""
    rows = sorted(read_rows(index), key=lambda row: row.path)
    write_table(index, COLUMNS, map(asdict, rows))


def _header(data: bytes, body_part: str | None) -> Header | None:
    try:
        return read_header(data, body_part)
    except UnusableImage:
        return None


def _row(image: ReceivedImage, header: Header | None) -> IndexRow:
    return IndexRow(
        path=image.path,
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
    )
