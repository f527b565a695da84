"""The site is built without a warning, and works from the disk: nothing is fetched."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser

ROOT = Path(__file__).parents[1]
if not (ROOT / "docs").is_dir():
    pytest.skip("the documentation is not part of the package", allow_module_level=True)
pytest.importorskip("mkdocs")

pytestmark = pytest.mark.slow
IN_BROWSER = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
DIVIDER = "document.querySelector('.before-after').style.getPropertyValue('--at')"
FETCHED = re.compile(r"<(?:script|img|iframe)[^>]+src=\"?https?:|<link[^>]+href=\"?https?:[^>]+css")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    found = Browser(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.fixture
def start(site: Path, browser: Browser) -> Iterator[Browser]:
    """The first page, opened as a file."""
    browser.open(site / "index.html")
    yield browser
    assert [url for url in browser.requests() if not url.startswith(("file:", "data:"))] == []
    assert browser.complaints() == []


def click(browser: Browser, selector: str, across: float) -> None:
    found = browser.run(
        f"(() => {{const b = document.querySelector({selector!r}).getBoundingClientRect();"
        f"return [b.left + {across} * b.width, b.top + b.height / 2]}})()"
    )
    for kind in ("mousePressed", "mouseReleased"):
        browser.mouse(kind, *found)


def test_no_page_fetches_anything(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        assert not FETCHED.search(page.read_text(encoding="utf-8")), page


@IN_BROWSER
def test_links_of_the_first_page_lead_to_files(site: Path, start: Browser) -> None:
    links = start.run("[...document.querySelectorAll('a[href]')].map(a => a.href.split('#')[0])")
    local = {link.removeprefix("file://") for link in links if link.startswith("file:")}
    assert len(local) > 40
    assert [link for link in local if not Path(link).is_file()] == []
    assert start.run("[...document.images].every((i) => i.complete && i.naturalWidth > 0)")


@IN_BROWSER
def test_the_divider_moves(start: Browser) -> None:
    click(start, ".before-after", 0.25)
    assert start.run(f"parseFloat({DIVIDER})") == pytest.approx(25, abs=2)
    before = start.run(f"parseFloat({DIVIDER})")
    start.press("ArrowRight", 39)
    assert start.run(f"parseFloat({DIVIDER})") > before


@IN_BROWSER
def test_the_search_finds(start: Browser) -> None:
    click(start, ".md-search__input", 0.5)
    start.call("Input.insertText", text="back-projection")
    start.press("Shift", 16)
    links = "[...document.querySelectorAll('.md-search-result__link')].map((a) => a.href)"
    ends = time.monotonic() + 30
    while not (found := start.run(links)) and time.monotonic() < ends:
        time.sleep(0.1)
    assert "background/back-projection.html" in found[0]
