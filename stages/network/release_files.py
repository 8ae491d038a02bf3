"""The files of a report that a release takes along: reference.json and probe.zip."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from stages.engine.answers import AnswerImages
from stages.engine.arrays import GrayImage
from stages.engine.files import canonical_json, replacing, write_json
from stages.images.options import PixelOptions
from stages.images.prepare import prepare
from stages.images.shards import Shards
from stages.metrics.reference import reference
from stages.network import probe
from stages.sources.phantom.probe_images import probe_images
from stages.sources.stored_zip import StoredZip


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


def write_probe(
    path: Path,
    files: Iterable[tuple[str, bytes]],
    prepare: Callable[[bytes], GrayImage],
    answer: AnswerImages,
) -> None:
    """Write a probe, the same bytes for the same files and answers.

    Args:
        path: The zip file to write, without compression.
        files: Name and bytes of each image file.
        prepare: From an image file to the network's input.
        answer: Of the model.
    """
    given = dict(sorted(files))
    content = {"format": probe.FORMAT, "answers": probe.numbers(given, prepare, answer)}
    with replacing(path) as temporary, StoredZip(temporary) as archive:
        archive.add(probe.ANSWERS, canonical_json(content).encode())
        for name, data in given.items():
            archive.add(probe.FOLDER + name, data)
