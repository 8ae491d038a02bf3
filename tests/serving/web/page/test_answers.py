"""Answers on the page, in a real browser."""

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.dicoms import SECRET, dicom_file
from tests.serving.browser import (
    BRIGHT,
    HEALTHY,
    ILL,
    NO_IMAGE,
    SAMPLES,
    Upload,
    answered,
    choose,
    grey_png,
    text,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_an_image_is_answered_with_its_uncertainty(page: "Page") -> None:
    choose(page, ILL)
    answered(page, 1)
    assert text(page, "#summary").startswith("1 image: pneumonia, 7")
    words = text(page, ".words")
    assert re.search(r"Probability of pneumonia: 7\d%, where 50% of the patients have it", words)
    assert re.search(r"Were it 10%, the same image would mean 2\d%", words)
    assert "at or above the threshold of 50%" in words
    assert "85.1% (95% interval 77.7 to 90.8%)" in words  # specificity, since it is positive
    assert "0.40, refused above 1; more than 75% of known images" in words
    assert "pneumonia-test version 1, champion" in words
    assert "Synthetic" in words
    choose(page, HEALTHY)
    answered(page, 2)
    assert text(page, "#summary") == "2 images: 1 normal, 1 pneumonia."
    assert "96.8% (95% interval 94.0 to 99.1%)" in text(page, ".card:first-child .words")


def test_the_judged_pixels_are_shown_below_a_map_that_fades(page: "Page") -> None:
    choose(page, ILL)
    page.locator(".slider input").wait_for()
    assert "32 × 32 pixels" in text(page, "figcaption")
    picture, drawn = page.locator(".layers img").first, page.locator(".layers img.map")
    assert picture.get_attribute("src") != drawn.get_attribute("src")
    assert picture.evaluate("image => image.naturalWidth") == 32
    slider = page.get_by_label("Opacity of the map")
    slider.fill("0")
    assert drawn.evaluate("image => getComputedStyle(image).opacity") == "0"
    slider.fill("55")
    assert drawn.evaluate("image => getComputedStyle(image).opacity") == "0.55"
    assert slider.get_attribute("aria-valuetext") == "55 percent"


@pytest.mark.parametrize("kind", ["16 bits", "DICOM"])
def test_what_browsers_can_t_show_is_shown_as_it_was_judged(page: "Page", kind: str) -> None:
    samples = np.random.default_rng(0).integers(900, 2400, (80, 90)).astype(np.uint16)
    content = grey_png(90, bits=16) if kind == "16 bits" else dicom_file(samples, BitsStored=12)
    choose(page, Upload("IM0001", content))
    answered(page, 1)
    picture = page.locator(".layers img").first
    picture.wait_for()
    assert picture.evaluate("image => image.naturalWidth") == 32
    assert SECRET not in page.content()


def test_refusals_say_why_and_have_no_probability(page: "Page") -> None:
    choose(page, BRIGHT, NO_IMAGE)
    answered(page, 2)
    assert text(page, "#summary") == "2 images: 2 refused."
    unlike, unreadable = page.locator(".card").all()
    assert "unlike the images it was trained on" in unlike.inner_text()
    assert "expected a JPEG, PNG or DICOM image" in unreadable.inner_text()
    for card in (unlike, unreadable):
        card.locator("summary").click()
        assert "%" not in card.locator("summary").inner_text()
    unlike.locator(".layers img").wait_for()  # what was judged, and no map
    assert page.locator(".slider").count() == 0
    assert unreadable.locator("figure").count() == 0


def test_ten_images_are_a_list_in_their_order(page: "Page") -> None:
    levels = [55, 90, 190, 56, 91, 57, 92, 58, 93, 59]
    choose(page, *(Upload(f"{level}.png", grey_png(level)) for level in levels))
    answered(page, 10)
    assert text(page, "#summary") == "10 images: 5 normal, 4 pneumonia, 1 refused."
    cards = page.locator(".card").all()
    assert [card.locator(".name").first.inner_text() for card in cards] == [
        f"{level}.png" for level in levels
    ]
    assert page.locator("details[open]").count() == 0
    page.locator(".thumb img").nth(9).wait_for()
    page.get_by_role("button", name="Clear the list").click()
    assert text(page, "#summary") == "None yet."


def test_images_can_be_dropped_anywhere(page: "Page") -> None:
    dropped = page.evaluate_handle(
        """bytes => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(bytes)], "dropped.png"));
            return data;
        }""",
        [*ILL.content],
    )
    page.dispatch_event("h1", "dragover", {"dataTransfer": dropped})
    assert page.locator("#drop[data-over]").count() == 1
    # A browser opens what is dropped in place of the page, unless it is prevented.
    over = 'new DragEvent("dragover", {bubbles: true, cancelable: true})'
    assert page.locator("h1").evaluate(f"heading => heading.dispatchEvent({over})") is False
    page.dispatch_event("h1", "drop", {"dataTransfer": dropped})
    answered(page, 1)
    assert text(page, ".card .name") == "dropped.png"
    assert page.locator("#drop[data-over]").count() == 0


def test_more_images_than_allowed_are_left_out_and_counted(page: "Page") -> None:
    choose(page, *(Upload(f"{n}.txt", b"x") for n in range(34)))
    answered(page, 32)
    assert "the last 2 of 34 were left out" in text(page, "#left-out")


def test_samples_can_be_tried(page: "Page") -> None:
    for name in SAMPLES:
        page.locator(f"[data-sample*={name}]").click()
    answered(page, 4)
    refused = page.locator(".badge[data-kind=refused]")
    assert re.search(r"\d (normal|pneumonia).*1 refused", text(page, "#summary"))
    assert "Sample: No chest at all" in page.locator(".card", has=refused).inner_text()
