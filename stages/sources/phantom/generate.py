"""The phantom source: images in the order of their paths, and the ground truth of each."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Final

import numpy as np

from stages.engine.parallel import map_in_order
from stages.engine.tables import write_table
from stages.sources import chest_tasks, names
from stages.sources.phantom.anatomy import draw_child, draw_pose
from stages.sources.phantom.cohort import PlannedImage, plan
from stages.sources.phantom.encode import encode_jpeg, encode_png
from stages.sources.phantom.options import PhantomOptions
from stages.sources.phantom.render import render
from stages.sources.phantom.sites import SITES
from stages.sources.received import ReceivedImage, Source
from stages.sources.stored_zip import StoredZip

TRUTH: Final = "truth.csv"
MASKS: Final = "masks.zip"

SOURCE: Final = Source(
    name="phantom",
    file="",
    version="1",
    licence="Apache-2.0, as the generator",
    citation="Synthetic: drawn by this pipeline's own generator; no patient was imaged",
    sha256="",
    pinned=True,
    synthetic=True,
    task=chest_tasks.PHANTOM,
)


@dataclass(frozen=True)
class Truth:
    """Facts that are known of a phantom and not of a real image: a row of truth.csv.

    Attributes:
        path: As in the index.
        site: A, B or C.
        kind: "normal", "bacterial" or "viral".
        grade: 0 normal, 1 subtle, 2 moderate, 3 obvious.
        child: Index of the patient; with the seed it gives the same anatomy again.
        image: Index among the patient's images.
        inspiration: See `Pose`.
        turn: See `Pose`.
        thymus_mm: Overlap of the wider lobe, see `Child`.
        lesion_percent: Share of the image's pixels in the mask.
    """

    path: str
    site: str
    kind: str
    grade: int
    child: int
    image: int
    inspiration: float
    turn: float
    thymus_mm: float
    lesion_percent: float


@dataclass(frozen=True)
class PhantomImage(ReceivedImage):
    """An image with its ground truth; `mask` is a one-bit PNG of its size, None if normal."""

    truth: Truth
    mask: bytes | None


def receive(options: PhantomOptions) -> tuple[Iterator[PhantomImage], Source]:
    """Return the cohort's images and their source; `keep_truth` writes their truth."""
    return images(options), SOURCE


def images(options: PhantomOptions, *, workers: int | None = None) -> Iterator[PhantomImage]:
    """Yield the cohort's images in the order of their paths; bytes depend on `options` alone."""
    planned = plan(options)
    yield from map_in_order(
        make_image, planned, workers=workers, label="drawing phantoms", total=len(planned)
    )


def make_image(planned: PlannedImage) -> PhantomImage:
    """Make one image, a function of its plan alone."""
    view, site = planned.view, SITES[planned.site]
    taken = render(view, planned.site)
    data = encode_jpeg(taken.pixels, scale=site.jpeg_scale, icc=site.icc, colour=taken.colour)
    child = draw_child(view.seed, view.patient)
    pose = draw_pose(view.seed, view.patient, view.image)
    truth = Truth(
        path=planned.path,
        site=planned.site,
        kind=view.kind,
        grade=view.grade,
        child=view.patient,
        image=view.image,
        inspiration=round(pose.inspiration, 3),
        turn=round(pose.turn, 3),
        thymus_mm=round(max(child.thymus_mm), 1),
        lesion_percent=round(100 * int(np.count_nonzero(taken.mask)) / taken.mask.size, 2),
    )
    return PhantomImage(
        path=planned.path,
        data=data,
        **asdict(names.parse(planned.path)),
        truth=truth,
        mask=encode_png(taken.mask) if view.grade else None,
    )


def keep_truth(folder: Path, received: Iterable[ReceivedImage]) -> Iterator[ReceivedImage]:
    """Yield images unchanged; of phantoms, write masks.zip meanwhile and truth.csv after the last.

    The mask of an image is named `<path>.png`; normal images have none.
    """
    rows: list[Truth] = []
    with StoredZip(folder / MASKS) as masks:
        for image in received:
            if isinstance(image, PhantomImage):
                if image.mask is not None:
                    masks.add(f"{image.path}.png", image.mask)
                rows.append(replace(image.truth, path=image.path))
            yield image
    write_table(folder / TRUTH, [field.name for field in fields(Truth)], map(asdict, rows))
