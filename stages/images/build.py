"""Raw films to finished shards: the whole of preprocess but its params and places."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stages.images import matched, splits, tail
from stages.images.options import PreprocessOptions
from stages.images.prepared import Prepared, prepare_all
from stages.images.shards import Record, ShardWriter
from stages.sources.folder import replacing_folder
from stages.sources.index import StoredFilm, write_table

UNREADABLE = "unreadable.csv"


def build(
    films: Sequence[StoredFilm],
    source: dict[str, Any],
    options: PreprocessOptions,
    folder: Path,
    *,
    workers: int | None = None,
) -> dict[str, Any]:
    """Write the shards of `films` to `folder`, whole or not at all, and return the manifest.

    Raises InputError where films, splits or too many broken files don't allow it.
    """
    with (
        replacing_folder(folder) as partial,
        ShardWriter(partial, options.image_px) as writer,
    ):
        with Prepared(partial / "prepared.npy", options.image_px) as prepared:
            prepare_all(films, options, prepared, workers=workers)
            rows = [film.row for film in prepared.films]
            roles = splits.assign(rows, options)
            if options.tail_fraction:
                roles = tail.set_aside(prepared, roles, options)
            for role in (splits.TRAIN, splits.VAL, splits.TEST):
                _add(writer, role, prepared, _of(role, roles))
            if options.tail_fraction:
                ill = [index for index in _of(splits.VAL, roles) if rows[index].label]
                _add(writer, tail.ROLE, prepared, [*_of(tail.ROLE, roles), *ill])
            facts: dict[str, Any] = {
                "options": asdict(options),
                "source": source,
                "test": "official" if splits.has_official_test(rows) else "cut by patient",
                "unreadable": len(prepared.unreadable),
            }
            if options.matched_donors:
                facts[matched.ROLE] = _add_matched(writer, prepared, roles, options, workers)
        write_table(partial / UNREADABLE, ["path", "reason"], map(asdict, prepared.unreadable))
        return writer.finish(facts)


def _of(role: str, roles: Sequence[str]) -> list[int]:
    return [index for index, found in enumerate(roles) if found == role]


def _add(writer: ShardWriter, role: str, prepared: Prepared, indices: Iterable[int]) -> None:
    for index in indices:
        writer.add(role, Record.of(prepared.films[index].row), prepared.pixels(index))


def _add_matched(
    writer: ShardWriter,
    prepared: Prepared,
    roles: Sequence[str],
    options: PreprocessOptions,
    workers: int | None,
) -> dict[str, Any]:
    """Write val_matched; return how it was made and the AUROC of each nuisance scalar."""
    val = [prepared.films[index] for index in _of(splits.VAL, roles)]
    train = [prepared.films[index] for index in _of(splits.TRAIN, roles)]
    normals = [film for film in val if not film.row.label]
    ill = [film for film in val if film.row.label]
    donors = [film for film in train if film.row.label]
    scalars, labels = [], []
    for film in matched.films(normals, ill, donors, options, workers=workers):
        writer.add(matched.ROLE, film.record, film.pixels)
        scalars.append(film.scalars)
        labels.append(film.record.label)
    road = "native" if matched.is_native([*val, *donors]) else "pixels"
    return {"road": road, "nuisance_auroc": matched.check(scalars, labels)}
