"""The page in a real browser, on a service with a fake detector."""

import contextlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from stages.serving import keys
from stages.serving.options import ServeOptions
from stages.serving.seams import FixedModel
from tests.dicoms import SECRET, dicom_file
from tests.serving.browser import (
    CHROMIUM,
    SAMPLES,
    WHY_NOT,
    Upload,
    bright_is_ill,
    choose,
    chromium,
    grey_png,
    opened,
    violations,
)
from tests.serving.running import Running, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=WHY_NOT)

ILL, HEALTHY, BRIGHT = (Upload(f"{n}.png", grey_png(n)) for n in (90, 55, 190))
NO_IMAGE = Upload("notes.txt", b"no image at all")


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def service() -> Iterator[Running]:
    with running(bright_is_ill()) as started:
        yield started


@pytest.fixture
def page(browser: "Browser", service: Running) -> Iterator["Page"]:
    """The page, which may log nothing but the statuses of refusals."""
    with opened(browser, service.port) as page:
        yield page


def text(page: "Page", selector: str) -> str:
    return page.locator(selector).inner_text()


def answered(page: "Page", count: int) -> None:
    """Wait until the page says that all of so many images are done."""
    noun = "image" if count == 1 else "images"
    page.locator("#summary", has_text=re.compile(rf"^{count} {noun}:")).wait_for()


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


def test_the_keyboard_is_enough(page: "Page") -> None:
    def tab_to(selector: str) -> None:
        for _ in range(25):
            page.keyboard.press("Tab")
            if page.evaluate("s => document.activeElement.matches(s)", selector):
                return
        raise AssertionError(f"{selector} is not reached")

    page.on("filechooser", lambda _: None)  # takes the dialog's place from now on
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the answers"
    tab_to("#files")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files([one.payload for one in (ILL, HEALTHY)])
    answered(page, 2)
    tab_to(".card summary")
    page.keyboard.press("Enter")
    page.locator(".slider input").wait_for()
    tab_to(".slider input")
    page.keyboard.press("ArrowLeft")
    assert page.locator(".layers img.map").evaluate("i => getComputedStyle(i).opacity") == "0.69"
    tab_to(".card summary")
    page.keyboard.press("Space")
    assert page.locator(".card details[open]").count() == 2


def test_names_are_text_and_stay_in_the_browser(page: "Page") -> None:
    name = f"<img src=x onerror=alert(1)> {SECRET}.png"
    sent: list[Any] = []
    page.on("request", lambda request: sent.append((request.url, request.all_headers())))
    choose(page, Upload(name, ILL.content))
    page.locator(".slider input").wait_for()
    assert text(page, ".card .name") == name
    assert page.locator("img[onerror]").count() == 0
    posted = [one for one in sent if "/v1/images" in one[0]]
    assert len(posted) == 3  # the answer, what was judged, and the map
    assert not re.search(r"DOE|onerror|\.png", str(posted))


def test_nothing_is_stored(page: "Page") -> None:
    choose(page, ILL)
    page.locator(".slider input").wait_for()
    assert page.context.cookies() == []
    stored = (
        "async () => [localStorage.length, sessionStorage.length, (await caches.keys()).length]"
    )
    assert page.evaluate(stored) == [0, 0, 0]
    assert page.evaluate("async () => (await indexedDB.databases()).length") == 0


def test_axe_finds_nothing_in_light_and_dark_wide_and_narrow(page: "Page") -> None:
    choose(page, ILL)
    page.locator(".slider input").wait_for()
    choose(page, HEALTHY, BRIGHT, NO_IMAGE)
    answered(page, 4)
    page.locator("#access summary").click()
    for scheme, width in itertools.product(("light", "dark"), (1280, 360)):
        page.emulate_media(color_scheme=cast(Any, scheme))
        page.set_viewport_size({"width": width, "height": 800})
        assert violations(page) == [], (scheme, width)
        beyond = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(beyond) <= 0, (scheme, width)


def test_the_api_page_lists_every_route(browser: "Browser", service: Running) -> None:
    with opened(browser, service.port, "/api") as page:
        page.get_by_role("heading", name="POST /v1/images/overlay").wait_for()
        headings = " ".join(page.locator("h2").all_inner_texts())
        for route in ("POST /v1/images", "GET /v1/model", "GET /readyz"):
            assert route in headings
        assert "Retry-After" in text(page, "#routes")
        page.set_viewport_size({"width": 360, "height": 800})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=cast(Any, scheme))
            assert violations(page) == [], scheme


def test_a_candidate_and_cautions_have_banners(page: "Page", service: Running) -> None:
    follower = cast(FixedModel, service.service.follower)
    usual = follower.current
    follower.current = bright_is_ill(alias="candidate", cautions=("the alias was moved by hand",))
    try:
        page.reload()
        page.locator("#banners li").wait_for()
        banners = text(page, "#banners")
    finally:
        follower.current = usual
    assert "synthetic images (phantoms) alone" in banners
    assert "the candidate, not the champion" in banners
    assert "The alias was moved by hand." in banners


def test_a_dead_service_is_named_and_its_images_can_be_asked_again(browser: "Browser") -> None:
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(contextlib.ExitStack())
        port = first.enter_context(running(bright_is_ill())).port
        page = stack.enter_context(opened(browser, port))
        page.locator("#status[data-state=ready]").wait_for()
        first.close()
        choose(page, ILL, HEALTHY)
        answered(page, 2)
        assert text(page, "#summary") == "2 images: 2 without an answer."
        assert "The service does not answer" in text(page, "#banners [role=alert]")
        assert text(page, "#status") == "No answer from the service"
        stack.enter_context(running(bright_is_ill(), options=ServeOptions(port=port, workers=1)))
        page.get_by_role("button", name="Try all 2 again").click()
        page.get_by_text("2 images: 1 pneumonia, 1 normal.").wait_for()
        assert page.locator("#banners [role=alert]").count() == 0


def test_a_busy_service_is_asked_again(page: "Page") -> None:
    busy = {"schema": 1, "error": {"kind": "busy", "message": "busy", "action": ""}}
    times = []

    def refuse_once(route: Any) -> None:
        times.append(route.request.url)
        if len(times) > 1:
            route.continue_()
            return
        route.fulfill(status=503, json=busy, headers={"Retry-After": "1"})

    page.route("**/v1/images", refuse_once)
    choose(page, ILL)
    page.get_by_text("the service is busy; trying again").wait_for()
    answered(page, 1)
    assert len(times) == 2
    page.unroute("**/v1/images")


def test_a_key_is_asked_for_and_kept_in_memory_alone(browser: "Browser", tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    key = keys.add(file, "viewer", ["images"])
    options = ServeOptions(port=0, workers=1, keys=file)
    with (
        running(bright_is_ill(), options=options) as service,
        opened(browser, service.port) as page,
    ):
        alert = page.get_by_role("alert")
        alert.get_by_text("asks for a key").wait_for()
        assert page.evaluate("document.activeElement.id") == "key"
        page.keyboard.type("schl\u00fcssel \u2026")  # no header can hold it
        page.keyboard.press("Tab")
        alert.get_by_text("not valid here").wait_for()
        assert page.evaluate("document.activeElement.id") != "key"
        page.get_by_label("Key of this service").fill(key)
        page.keyboard.press("Tab")
        page.locator("#status[data-state=ready]").wait_for()
        choose(page, ILL)
        answered(page, 1)
        page.reload()
        alert.get_by_text("asks for a key").wait_for()
