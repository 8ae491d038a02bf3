"""Each kind of file is decoded to the right pixels, or refused with a reason."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from stages.engine.errors import InputError
from stages.images import decode as module
from stages.images.decode import decode
from tests.images.kinds import KINDS, PNG, outcome, resized, rows

DOCS = Path(__file__).parents[2] / "docs" / "data.md"
BEGIN, END = "<!-- images:begin -->\n", "<!-- images:end -->"


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.wanted is not None])
def test_kinds_that_are_decoded(kind: str) -> None:
    pixels = decode(KINDS[kind].data)
    wanted = KINDS[kind].wanted
    assert wanted is not None
    assert pixels.dtype == np.uint8
    assert pixels.shape == wanted.shape
    assert np.abs(pixels.astype(int) - wanted).max() <= KINDS[kind].tolerance


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.wanted is None])
def test_kinds_that_are_refused_with_a_reason(kind: str) -> None:
    with pytest.raises(InputError) as caught:
        decode(KINDS[kind].data)
    assert f"refused: {caught.value}" == outcome(KINDS[kind].data)


def test_the_table_in_the_documentation_is_current() -> None:
    page = DOCS.read_text(encoding="utf-8")
    table = page[page.index(BEGIN) + len(BEGIN) : page.index(END)]
    assert table.splitlines() == rows()


def test_sixteen_bits_are_rounded() -> None:
    samples = np.linspace(0, 65535, 24 * 40).reshape(24, 40).astype(np.uint16)
    pixels = decode(cv2.imencode(".png", samples)[1].tobytes())
    assert np.array_equal(pixels, np.floor(samples / 257 + 0.5).astype(np.uint8))


@pytest.mark.parametrize("name", [name for name in KINDS if name.startswith("JPEG")])
def test_jpeg_pixels_equal_those_of_opencv(name: str) -> None:
    if KINDS[name].wanted is not None:
        theirs = cv2.imdecode(np.frombuffer(KINDS[name].data, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert np.array_equal(decode(KINDS[name].data), np.asarray(theirs))


def test_a_huge_image_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(module, "_decode_with_opencv", never)
    monkeypatch.setattr(module, "_decode_jpeg", never)
    with pytest.raises(InputError, match="20000 x 20000"):
        decode(resized(PNG, 20_000, 20_000))
