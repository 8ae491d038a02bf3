"""Debian's Chromium, and a service whose answers are easy to foresee."""

import io
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from stages.engine.arrays import GrayImage
from stages.network import saliency
from stages.network.detector import Answer
from stages.serving.web.samples import FOLDER
from tests.serving.fake_detector import FakeDetector
from tests.serving.running import served_model

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium")
WHY_NOT = "no Chromium: `apt-get install chromium`, as .ci/run does where it may"

SAMPLES = {path.stem: path for path in sorted(FOLDER.iterdir())}
FIGURES = {
    "test": {
        "auroc": {"value": 0.9716, "low": 0.954, "high": 0.986},
        "sensitivity": {"value": 0.9676, "low": 0.9395, "high": 0.9905},
        "specificity": {"value": 0.851, "low": 0.777, "high": 0.908},
    }
}


class BrightIsIll(FakeDetector):
    """The brighter an image, the likelier it is pneumonia; what is very bright is refused."""

    def _answer(self, image: GrayImage) -> Answer:
        bright = float(image.mean()) / 255
        if bright > 0.5:
            return Answer(None, None, 7.5, "unlike the images it was trained on: no answer")
        decision = "pneumonia" if bright >= 0.25 else "normal"
        return Answer(2 * bright, decision, 0.4, None)

    def heatmap(self, pixels: GrayImage) -> npt.NDArray[np.float32]:
        cells = np.zeros(pixels.shape, np.float32)
        cv2.circle(cells, (10, 16), 6, 1.0, -1)
        return np.asarray(cv2.GaussianBlur(cells, (9, 9), 2), np.float32)

    def overlay(self, pixels: GrayImage) -> bytes:
        return saliency.png(saliency.overlay(pixels, self.heatmap(pixels)))


def bright_is_ill(**changes: Any) -> Any:
    fields = {"intended_use": "Research on phantoms.", "figures": FIGURES, "cautions": ()}
    return served_model(BrightIsIll(), **(fields | changes))


def grey_png(level: int, *, bits: int = 8) -> bytes:
    """Return a PNG with some texture around a level, 0 to 255, of 8 or 16 bits."""
    pixels = np.clip(np.random.default_rng(level).normal(level, 12, (48, 60)), 0, 255)
    kind: Any = np.uint8 if bits == 8 else np.uint16
    stream = io.BytesIO()
    Image.fromarray((pixels * (1 if bits == 8 else 257)).astype(kind)).save(stream, "PNG")
    return stream.getvalue()


@dataclass
class Upload:
    """A file to choose."""

    name: str
    content: bytes

    @property
    def payload(self) -> Any:
        return {"name": self.name, "mimeType": "", "buffer": self.content}


ILL, HEALTHY, BRIGHT = (Upload(f"{n}.png", grey_png(n)) for n in (90, 55, 190))
NO_IMAGE = Upload("notes.txt", b"no image at all")


@contextmanager
def chromium() -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


def choose(page: "Page", *uploads: Upload | Path) -> None:
    files = [one.payload if isinstance(one, Upload) else str(one) for one in uploads]
    page.set_input_files("#files", files)


@contextmanager
def opened(browser: "Browser", port: int, path: str = "/", **options: Any) -> Iterator["Page"]:
    """Open a page of a service; it may log nothing but statuses, and ask no other address.

    Args:
        browser: Which one.
        port: Of the service.
        path: Of the page.
        options: Of Playwright's context, such as `color_scheme`.
    """
    home = f"http://127.0.0.1:{port}"
    logged: list[str] = []
    elsewhere: list[str] = []
    context = browser.new_context(**({"reduced_motion": "reduce"} | options))
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.on("console", lambda message: logged.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: logged.append(str(error)))
    page.on("request", lambda request: elsewhere.append(request.url))
    page.goto(f"{home}{path}")
    yield page
    context.close()
    harmless = ("verbose:", "error: Failed to load resource")
    assert [line for line in logged if not line.startswith(harmless)] == []
    assert [url for url in elsewhere if not url.startswith((f"{home}/", f"blob:{home}/"))] == []


def violations(page: "Page") -> list[str]:
    """Return what axe-core finds against the accessibility of a page as it is now."""
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]


def text(page: "Page", selector: str) -> str:
    return page.locator(selector).inner_text()


def answered(page: "Page", count: int) -> None:
    """Wait until the page says that all of so many images are done."""
    noun = "image" if count == 1 else "images"
    page.locator("#summary", has_text=re.compile(rf"^{count} {noun}:")).wait_for()
