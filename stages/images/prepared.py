"""Every film of the raw folder prepared once, on all cores, into one scratch file."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import cv2
import joblib
import numpy as np
from numpy.typing import NDArray

from stages.engine.errors import InputError
from stages.engine.parallel import map_in_order
from stages.images.options import PixelOptions, PreprocessOptions
from stages.images.pixel_file import PixelFile
from stages.images.resize import prepare
from stages.sources.index import StoredFilm


@dataclass(frozen=True)
class Unreadable:
    """A film that was set aside, and why."""

    path: str
    reason: str


class Prepared:
    """The readable films, in the order of their paths, with their pixels on disk."""

    def __init__(self, path: Path, image_px: int) -> None:
        self._pixels = PixelFile(path, image_px)
        self.films: list[StoredFilm] = []
        self.unreadable: list[Unreadable] = []

    def add(self, film: StoredFilm, outcome: NDArray[np.uint8] | str) -> None:
        """Keep a film's pixels, or the reason why there are none."""
        if isinstance(outcome, str):
            self.unreadable.append(Unreadable(film.row.path, outcome))
        else:
            self._pixels.append(outcome)
            self.films.append(film)

    def regroup(self, groups: Sequence[str]) -> None:
        """Give each film another split_group."""
        self.films = [
            film if film.row.split_group == group
            else replace(film, row=replace(film.row, split_group=group))
            for film, group in zip(self.films, groups, strict=True)
        ]  # fmt: skip

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """Pixels of `films[index]`, uint8 (image_px, image_px)."""
        return self._pixels.row(index)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pixels.close()
        self._pixels.path.unlink()


def prepare_all(
    films: Sequence[StoredFilm],
    options: PreprocessOptions,
    into: Prepared,
    *,
    workers: int | None = None,
) -> None:
    """Decode and resize `films` into `into`; memory does not grow with their number.

    Raises InputError where more can't be read than params allow, and ValueError where a film
    got lost on the way.
    """
    items = zip(films, itertools.repeat(options.pixels))
    with threads():
        outcomes = map_in_order(_outcome, items, workers=workers, label="decode", total=len(films))
        for film, outcome in zip(films, outcomes, strict=True):
            into.add(film, outcome)
    _refuse_too_many(into.unreadable, len(films), options)


def threads() -> joblib.parallel_config:
    """Prefer threads to processes: OpenCV works outside Python's lock, so they scale alike, start
    at once and copy nothing. A hint only, which a cluster's back-end overrides."""
    return joblib.parallel_config(prefer="threads")


def _outcome(item: tuple[StoredFilm, PixelOptions]) -> NDArray[np.uint8] | str:
    film, options = item
    cv2.setNumThreads(1)  # many films at a time do better than many threads on one
    data = film.read()
    try:
        return prepare(data, options)
    except InputError as error:
        return str(error)


def _refuse_too_many(bad: Sequence[Unreadable], films: int, options: PreprocessOptions) -> None:
    share = options.max_unreadable_share
    if len(bad) <= max(options.max_unreadable_films, share * films):
        return
    shown = "\n  ".join(f"{film.path}: {film.reason}" for film in bad[:20])
    more = f"\n  ... and {len(bad) - 20} more" if len(bad) > 20 else ""
    raise InputError(
        f"data/raw: expected at most {options.max_unreadable_films} films, or {share:.1%} of "
        f"them, that can't be read, received {len(bad)} of {films}:\n  {shown}{more}\n"
        "mend the source, or raise preprocess.max_unreadable_films or _share"
    )
