"""The probe of a model: a few image files with its answers, in probe.zip.

Whoever loads the model answers them first: the same answers to the last bit mean that this machine
computes what evaluation computed, and the first images are then no slower than the others.
"""

import json
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.engine.arrays import GrayImage
from stages.engine.errors import InputError
from stages.engine.files import canonical_json, replacing
from stages.metrics.answers import AnswerImages
from stages.sources.stored_zip import StoredZip

FORMAT = 1
_ANSWERS = "answers.json"
_FOLDER = "images/"
_NUMBERS = ("logit", "probability", "domain_score")


@dataclass(frozen=True)
class Probe:
    """Image files by name, and the model's numbers for each, by _NUMBERS."""

    files: Mapping[str, bytes]
    answers: Mapping[str, Mapping[str, float]]

    def differing(self, prepare: Callable[[bytes], GrayImage], answer: AnswerImages) -> list[str]:
        """Return the names of the images that are answered otherwise here, if only by a bit.

        Args:
            prepare: From an image file to the network's input.
            answer: Of the same model.
        """
        found = _answers(self.files, prepare, answer)
        return [name for name, numbers in self.answers.items() if found[name] != numbers]


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
    content = {"format": FORMAT, "answers": _answers(given, prepare, answer)}
    with replacing(path) as temporary, StoredZip(temporary) as archive:
        archive.add(_ANSWERS, canonical_json(content).encode())
        for name, data in given.items():
            archive.add(_FOLDER + name, data)


def read_probe(path: Path) -> Probe:
    """Read a probe.

    Raises:
        InputError: The file is missing, damaged, or of another format.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            content = json.loads(archive.read(_ANSWERS))
            if content["format"] != FORMAT:
                raise ValueError(f"format {content['format']!r}")
            answers = content["answers"]
            return Probe({name: archive.read(_FOLDER + name) for name in answers}, answers)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: expected a probe of format {FORMAT}, received something else ({error}); "
            "run `dvc repro evaluate` to make it again"
        ) from None


def _answers(
    files: Mapping[str, bytes], prepare: Callable[[bytes], GrayImage], answer: AnswerImages
) -> dict[str, dict[str, float]]:
    """Return the numbers of each file's answer as Python floats, which JSON keeps to the bit."""
    found = answer(np.stack([prepare(data) for data in files.values()]))
    columns = [getattr(found, number).astype(np.float64).tolist() for number in _NUMBERS]
    return {
        name: dict(zip(_NUMBERS, numbers, strict=True))
        for name, numbers in zip(files, zip(*columns, strict=True), strict=True)
    }
