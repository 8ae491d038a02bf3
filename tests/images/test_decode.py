"""What each kind of file gets: the right pixels, or a named reason."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from stages.engine.errors import InputError
from stages.images import decode as module
from stages.images.decode import decode
from tests.images.kinds import KINDS, PNG, got, resized, rows

DOCS = Path(__file__).parents[2] / "docs" / "data.md"
BEGIN, END = "<!-- images:begin -->\n", "<!-- images:end -->"


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.wanted is not None])
def test_right_pixels(kind: str) -> None:
    pixels = decode(KINDS[kind].data)
    wanted = KINDS[kind].wanted
    assert wanted is not None
    assert pixels.dtype == np.uint8
    assert pixels.shape == wanted.shape
    assert np.abs(pixels.astype(int) - wanted).max() <= KINDS[kind].tolerance


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.wanted is None])
def test_named_reasons(kind: str) -> None:
    with pytest.raises(InputError) as caught:
        decode(KINDS[kind].data)
    assert f"refused: {caught.value}" == got(KINDS[kind].data)


def test_the_documents_table_is_what_each_kind_gets() -> None:
    page = DOCS.read_text(encoding="utf-8")
    told = page[page.index(BEGIN) + len(BEGIN) : page.index(END)]
    assert told.splitlines() == rows()


def test_sixteen_bits_are_rounded() -> None:
    samples = np.linspace(0, 65535, 24 * 40).reshape(24, 40).astype(np.uint16)
    pixels = decode(cv2.imencode(".png", samples)[1].tobytes())
    assert np.array_equal(pixels, np.floor(samples / 257 + 0.5).astype(np.uint8))


@pytest.mark.parametrize("name", [name for name in KINDS if name.startswith("JPEG")])
def test_the_pixels_of_a_jpeg_are_opencvs(name: str) -> None:
    if KINDS[name].wanted is not None:
        theirs = cv2.imdecode(np.frombuffer(KINDS[name].data, np.uint8), cv2.IMREAD_GRAYSCALE)
        assert np.array_equal(decode(KINDS[name].data), np.asarray(theirs))


def test_a_huge_image_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(module, "_decoded", never)
    monkeypatch.setattr(module, "_jpeg", never)
    with pytest.raises(InputError, match="20000 x 20000"):
        decode(resized(PNG, 20_000, 20_000))
