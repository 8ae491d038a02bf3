"""What the sources of chest X-rays state of their images, for source.json (`engine.task`)."""

from typing import Any, Final

CLASSES: Final = ("normal", "pneumonia")

_LIMITS = """\
In the real training images the file's encoding, shape and frame give the label away; read the
figures beside those of the trivial baselines."""

_NOT_COVERED = """\
Adults; lateral images; computed tomography; pneumothorax, effusion, tuberculosis and every other
finding; severity; where the lesion is (saliency maps are a check on the model, no localisation);
differences between sexes, ages and origins, which the data do not record; drift over time."""

_USE = """\
For learning and research: to demonstrate a reproducible pipeline and how a detector should be
judged. It separates frontal chest X-rays of children that look like pneumonia from those that look
normal."""

_REAL_IMAGES = """\
The real images that this pipeline is made for are CC BY 4.0: Kermany D, Zhang K, Goldbaum M (2018),
Labeled Optical Coherence Tomography (OCT) and Chest X-Ray Images for Classification, Mendeley Data
V2, doi 10.17632/rscbjbr9sj.2; Kermany et al., Cell 172(5):1122-1131, 2018."""

_KNOWN = """\
That the normal images are the side that shifts between the official splits, that acquisition
jitter on every image helps, that a validation against re-acquired (matched) normals predicts the
official test, and the rule for the operating point: these come from earlier exposure to the
official test split in aggregate, about 45 looks so far, 40 of them before the pipeline was written.
Figures on that split are optimistic to that extent."""

KERMANY: Final[dict[str, Any]] = {
    "classes": CLASSES,
    "body_part": "CHEST",
    "title": "pneumonia in chest X-rays of children",
    "population": """\
Children of 1 to 5 years, from one hospital (Guangzhou), taken antero-posterior in routine care.
Other ages, hospitals and projections are untested.""",
    "reference": """\
Two physicians graded each image, and a third one checked the test images (Kermany et al. 2018).""",
    "use": _USE,
    "limits": _LIMITS,
    "not_covered": _NOT_COVERED,
    "known": _KNOWN,
    "citation": _REAL_IMAGES,
}

BY_FILE_NAMES: Final[dict[str, Any]] = {
    "classes": CLASSES,
    "body_part": "CHEST",
    "known": f"If these are the images of Kermany et al., as their names suggest: {_KNOWN}",
}
"""Of an archive whose files are named like those of Kermany et al., in any number or version."""

PHANTOM: Final[dict[str, Any]] = {
    "classes": CLASSES,
    "body_part": "CHEST",
    "title": "pneumonia in synthetic chest X-rays of children",
    "population": """\
Nobody: computer-made phantoms of children's chests. They stand for the images of Kermany et al.,
of children of 1 to 5 years from one hospital (Guangzhou), and resemble them in part.""",
    "reference": "The generator, which drew each lesion: no label can be wrong.",
    "use": _USE,
    "limits": f"Nothing that holds for phantoms need hold for patients. {_LIMITS}",
    "not_covered": f"Every patient. And of what the phantoms stand for:\n{_NOT_COVERED}",
    "known": """\
The phantoms' test images differ from the training images the way that the real ones were known to:
that the normal images are the side that shifts, that acquisition jitter on every image helps, that
a validation against re-acquired (matched) normals predicts the test, and the rule for the operating
point come from about 45 looks at the real official test split in aggregate. Figures on phantoms are
optimistic to that extent.""",
    "citation": _REAL_IMAGES,
}
