"""The page by keyboard, for everybody, and without a trace."""

import itertools
import re
from typing import TYPE_CHECKING, Any, cast

from tests.dicoms import SECRET
from tests.serving.browser import (
    BRIGHT,
    HEALTHY,
    ILL,
    NO_IMAGE,
    Upload,
    answered,
    choose,
    opened,
    text,
    violations,
)
from tests.serving.running import Running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def test_the_keyboard_is_enough(page: "Page") -> None:
    def tab_to(selector: str) -> None:
        for _ in range(25):
            page.keyboard.press("Tab")
            if page.evaluate("s => document.activeElement.matches(s)", selector):
                focused = page.locator(f"{selector}:focus, #files:focus + label").last
                outline = "one => getComputedStyle(one).outlineStyle"
                assert focused.evaluate(outline) == "solid", selector
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
