"""Raw films to finished shards: the whole of preprocess but its params and places."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.audit.census import Census
from stages.images import duplicates, splits
from stages.images.duplicates import Pair
from stages.images.options import PreprocessOptions
from stages.images.prepared import Prepared, prepare_all
from stages.images.shards import Record, ShardWriter
from stages.images.shift import matched, tail
from stages.sources.index import StoredFilm, write_table
from stages.sources.stored_zip import replacing_folder

UNREADABLE = "unreadable.csv"


@dataclass(frozen=True)
class Built:
    """The shards' manifest, and what was seen of the films on the way."""

    manifest: dict[str, Any]
    census: Census


def build(
    films: Sequence[StoredFilm],
    source: dict[str, Any],
    options: PreprocessOptions,
    folder: Path,
    *,
    workers: int | None = None,
    judge: Callable[[Built], None] | None = None,
) -> Built:
    """Write the shards of `films` to `folder`, whole or not at all.

    judge: looks at what was built before it takes `folder`'s place, and may refuse it by raising.

    Raises InputError where films, splits or too many broken files don't allow it.
    """
    with (
        replacing_folder(folder) as partial,
        ShardWriter(partial, options.image_px) as writer,
    ):
        with Prepared(partial / "prepared.npy", options.image_px) as prepared:
            prepare_all(films, options, prepared, workers=workers)
            pairs, merged_groups = _merge_duplicates(prepared)
            rows = [film.row for film in prepared.films]
            roles = splits.assign(rows, options)
            if options.tail_fraction:
                roles = tail.set_aside(prepared, roles, options)
            census = Census(rows, roles, pairs, merged_groups, prepared.unreadable)

            def add(role: str, record: Record, pixels: NDArray[np.uint8]) -> None:
                census.see(role, writer.add(role, record, pixels), pixels)

            def add_all(role: str, indices: Iterable[int]) -> None:
                for index in indices:
                    add(role, Record.of(rows[index]), prepared.pixels(index))

            for role in (splits.TRAIN, splits.VAL, splits.TEST):
                add_all(role, _of(role, roles))
            if options.tail_fraction:
                ill = [index for index in _of(splits.VAL, roles) if rows[index].label]
                add_all(tail.ROLE, [*_of(tail.ROLE, roles), *ill])
            facts: dict[str, Any] = {
                "options": options.of_shards,
                "source": source,
                "test": "official" if splits.has_official_test(rows) else "cut by patient",
                "unreadable": len(prepared.unreadable),
            }
            if options.matched_donors:
                facts[matched.ROLE] = _add_matched(add, prepared, roles, options, workers)
        write_table(partial / UNREADABLE, ["path", "reason"], map(asdict, prepared.unreadable))
        built = Built(writer.finish(facts), census)
        if judge:
            judge(built)
        return built


def _merge_duplicates(prepared: Prepared) -> tuple[list[Pair], int]:
    """Make one group of groups that share a film, so that no cut parts them; the pairs, and the
    number of groups that there are less."""
    pairs = duplicates.find(prepared)
    groups = [film.row.split_group for film in prepared.films]
    together = duplicates.merged(groups, pairs)
    prepared.regroup(together)
    return pairs, len(set(groups)) - len(set(together))


def _of(role: str, roles: Sequence[str]) -> list[int]:
    return [index for index, found in enumerate(roles) if found == role]


def _add_matched(
    add: Callable[[str, Record, NDArray[np.uint8]], None],
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
        add(matched.ROLE, film.record, film.pixels)
        scalars.append(film.scalars)
        labels.append(film.record.label)
    road = "native" if matched.is_native([*val, *donors]) else "pixels"
    return {"road": road, "nuisance_auroc": matched.check(scalars, labels)}
