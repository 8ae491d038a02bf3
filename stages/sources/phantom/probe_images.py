"""The images of a probe: few phantoms of a seed of their own, the same for every data set."""

from collections.abc import Iterator
from typing import Final

from stages.sources.phantom.cohort import plan
from stages.sources.phantom.generate import make_image
from stages.sources.phantom.options import PhantomOptions

PROBE_IMAGES: Final = 64
_COHORT: Final = PhantomOptions(seed=64, patients_train=96, patients_test=4, confound=0.0)
_SITES: Final = ("B", "C")
"""Their files have a third of the size of those of A."""


def probe_images() -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of PROBE_IMAGES JPEG files, half of them with pneumonia, by name.

    Independent of params: only a change of the generator changes them.
    """
    planned = [image for image in plan(_COHORT) if image.site in _SITES]
    for name, ill in (("normal", False), ("pneumonia", True)):
        of_class = [image for image in planned if (image.view.grade > 0) is ill]
        for number, image in enumerate(of_class[: PROBE_IMAGES // 2], start=1):
            yield f"{name}_{number:02}.jpeg", make_image(image).data
