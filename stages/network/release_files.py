"""The files of a report that a release takes along: reference.json and probe.zip."""

from functools import partial
from pathlib import Path

from stages.engine.files import write_json
from stages.images.options import PixelOptions
from stages.images.prepare import prepare
from stages.images.shards import Shards
from stages.metrics.answers import AnswerImages
from stages.metrics.reference import reference
from stages.network.probe import write_probe
from stages.sources.phantom.probe_images import probe_images


def write_release_files(report: Path, shards: Shards, answer: AnswerImages) -> None:
    """Write the two files, from the roles that the model was made with; test is none of them.

    Args:
        report: Folder of the report.
        shards: The data set.
        answer: Of the model.
    """
    names = [name for name in shards.roles if name.startswith(("train", "val"))]
    write_json(report / "reference.json", reference(map(shards.role, names), answer))
    facts = shards.manifest
    pixels = PixelOptions(image_px=facts["image_px"], aspect=facts["options"]["aspect"])
    prepared = partial(prepare, options=pixels)
    write_probe(report / "probe.zip", probe_images(), prepared, answer)
