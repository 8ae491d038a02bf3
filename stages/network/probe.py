"""The probe of a model: a few image files with its answers, in probe.zip.

Whoever loads the model answers them first: the same answers to the last bit mean that this machine
computes what evaluation computed, and the first images are then no slower than the others.
`release_files` writes it.
"""

import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stages.engine.answers import AnswerImages
from stages.engine.arrays import GrayImage
from stages.engine.errors import InputError

FORMAT = 1
ANSWERS = "answers.json"
FOLDER = "images/"
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
        found = numbers(self.files, prepare, answer)
        return [name for name, numbers in self.answers.items() if found[name] != numbers]


def read_probe(path: Path) -> Probe:
    """Read a probe.

    Raises:
        InputError: The file is missing, damaged, or of another format.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            content = json.loads(archive.read(ANSWERS))
            if content["format"] != FORMAT:
                raise ValueError(f"format {content['format']!r}")
            answers = content["answers"]
            return Probe({name: archive.read(FOLDER + name) for name in answers}, answers)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: expected a probe of format {FORMAT}, received something else ({error}); "
            "run `dvc repro evaluate` to make it again"
        ) from None


def numbers(
    files: Mapping[str, bytes], prepare: Callable[[bytes], GrayImage], answer: AnswerImages
) -> dict[str, dict[str, float]]:
    """Return the numbers of each file's answer as Python floats, which JSON keeps to the bit."""
    found = answer(np.stack([prepare(data) for data in files.values()]))
    columns = [getattr(found, number).astype(np.float64).tolist() for number in _NUMBERS]
    return {
        name: dict(zip(_NUMBERS, numbers, strict=True))
        for name, numbers in zip(files, zip(*columns, strict=True), strict=True)
    }
