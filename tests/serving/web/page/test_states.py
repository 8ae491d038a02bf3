"""What the page says when the service is busy, slow, dead, or answers by another version."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.serving.access import keys
from stages.serving.options import ServeOptions
from tests.serving.browser import (
    HEALTHY,
    ILL,
    answered,
    bright_is_ill,
    choose,
    opened,
    text,
)
from tests.serving.running import running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def test_a_candidate_and_cautions_have_banners(
    page: "Page", other_version: Callable[..., None]
) -> None:
    other_version(alias="candidate", cautions=("the alias was moved by hand",))
    page.reload()
    page.locator("#banners li").wait_for()
    banners = text(page, "#banners")
    assert "synthetic images (phantoms) alone" in banners
    assert "the candidate, not the champion" in banners
    assert "The alias was moved by hand." in banners


def test_a_picture_by_another_version_is_not_laid_over_an_answer(
    page: "Page", other_version: Callable[..., None]
) -> None:
    choose(page, ILL, HEALTHY)
    answered(page, 2)
    page.locator(".thumb img").nth(1).wait_for()
    other_version(model_digest="n" * 64)
    page.locator(".card summary").first.click()
    page.get_by_text("There is no map. Another version of the model answers by now").wait_for()
    assert page.locator(".map").count() == 0


def test_format_1_answers_without_pictures(
    page: "Page", other_version: Callable[..., None]
) -> None:
    other_version(format=1, threshold=None, prior=None, domain_limit=None, figures={}, version=None)
    choose(page, ILL)
    answered(page, 1)
    assert "A version of this format shows no pictures." in text(page, ".words")
    assert "by the threshold of the model" in text(page, ".words")
    assert page.locator("figure").count() == 0


def test_a_slow_service_is_called_slow(page: "Page") -> None:
    page.clock.install()
    page.reload()
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    page.route("**/v1/images", hold)
    choose(page, ILL)
    page.get_by_text("asking …").wait_for()
    page.clock.fast_forward(7000)
    page.get_by_text("still asking; the service is slow").wait_for()
    held[0].continue_()
    answered(page, 1)


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
