"""A browser, and a service with a fake detector, for the tests of the page."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest

from stages.serving.seams import FixedModel
from tests.serving.browser import CHROMIUM, WHY_NOT, bright_is_ill, chromium, opened
from tests.serving.running import Running, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="package")
def browser() -> Iterator["Browser"]:
    if CHROMIUM is None:
        pytest.skip(WHY_NOT)
    with chromium() as started:
        yield started


@pytest.fixture(scope="package")
def service() -> Iterator[Running]:
    with running(bright_is_ill()) as started:
        yield started


@pytest.fixture
def page(browser: "Browser", service: Running) -> Iterator["Page"]:
    """The page, which may log nothing but the statuses of refusals."""
    with opened(browser, service.port) as page:
        yield page


@pytest.fixture
def other_version(service: Running) -> Iterator[Callable[..., None]]:
    """A function that lets another version answer, until the test ends."""
    follower = cast(FixedModel, service.service.follower)
    usual = follower.current

    def change(**fields: Any) -> None:
        follower.current = bright_is_ill(**fields)

    yield change
    follower.current = usual
