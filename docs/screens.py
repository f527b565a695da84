"""Photograph a quality report as a browser shows it, on a desk and on a phone.

    python docs/screens.py [REPORT.html]

The report is by default the one that `pansharpkit demo -o demo_output` writes for the default
method. Chromium is needed; the pictures of docs/how-to/report.md are always of the same size.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
ASSETS = ROOT / "docs" / "assets"
REPORT = ROOT / "demo_output" / "pamplona_mtf-glp-fs.report.html"
LARGEST = 300_000
sys.path.append(str(ROOT / "tests"))

from browser import Browser  # noqa: E402  (the tests drive the report by it as well)


@dataclass(frozen=True)
class Screen:
    """How large a picture is taken, and of which part of the page."""

    name: str
    width: int
    height: int
    ratio: float
    """Pixels of the picture per pixel of the page."""
    heading: str = ""
    """Text of the heading that is scrolled to the top; the top of the page without."""
    scheme: str = "light"


SCREENS = (
    Screen("report-desk.jpg", 1200, 1000, 1),
    Screen("report-maps.jpg", 1200, 900, 1, "Quality over the scene", "dark"),
    Screen("report-phone.jpg", 390, 844, 2, "Before and after"),
)


def photograph(browser: Browser, page: Path, screen: Screen) -> Image.Image:
    """Return what a screen shows of a page."""
    browser.open(page, screen.width, screen.height, prefers_color_scheme=screen.scheme)
    browser.call("Emulation.setDeviceMetricsOverride", width=screen.width, height=screen.height,
                 deviceScaleFactor=screen.ratio, mobile=screen.width < 600)  # fmt: skip
    headings = "[...document.querySelectorAll('h2')]"
    browser.run(
        f"{headings}.filter(h => h.textContent.trim() === {screen.heading!r})"
        ".forEach(h => h.scrollIntoView({behavior: 'instant'}))"
    )
    browser.run("new Promise(done => requestAnimationFrame(() => setTimeout(done, 200)))")
    return Image.open(io.BytesIO(browser.picture(whole=False))).convert("RGB")


def save(picture: Image.Image, path: Path) -> None:
    """Write a picture as good as fits."""
    for quality in range(92, 50, -4):
        picture.save(path, quality=quality, optimize=True, progressive=True)
        if path.stat().st_size < LARGEST:
            return
    raise SystemExit(f"{path} is larger than {LARGEST} bytes at any reasonable quality")


def main(arguments: Sequence[str]) -> None:
    """Take all pictures."""
    report = Path(arguments[0]) if arguments else REPORT
    profile = Path(tempfile.mkdtemp(prefix="browser-"))
    browser = Browser(profile)
    try:
        for screen in SCREENS:
            save(photograph(browser, report.resolve(), screen), ASSETS / screen.name)
    finally:
        browser.close()
        shutil.rmtree(profile, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
