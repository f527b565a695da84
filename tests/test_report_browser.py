"""The report as a browser shows it: by mouse, finger and keyboard, on a phone, on paper."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM, Browser
from reports import HOSTILE, layers, make_report

from pansharpkit.report import MethodSummary
from pansharpkit.report.images import ImagesReport
from pansharpkit.report.images_page import render_images
from pansharpkit.report.quicklook import scene_pictures
from pansharpkit.report.render import render_html

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
CLIP = 'getComputedStyle(document.querySelector(".swipe .after img")).clipPath'
FIRST = 'document.querySelector(".divider")'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    profile = Path(tempfile.mkdtemp(prefix="browser-"))
    found = Browser(profile)
    yield found
    found.close()
    shutil.rmtree(profile, ignore_errors=True)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page on which every text that a file can bring along is hostile."""
    report = make_report(HOSTILE, "B3 Green", "B4 Red")
    tiles = tuple(replace(tile, indices={**tile.indices, HOSTILE: 0.5}) for tile in report.per_tile)
    report = replace(
        report,
        per_tile=tiles,
        warnings=(HOSTILE,),
        indices={**report.indices, HOSTILE: 1.0},
        method=MethodSummary(HOSTILE, {HOSTILE: HOSTILE}),
        histograms=(replace(report.histograms[0], name=HOSTILE), *report.histograms[1:]),
        provenance=replace(report.provenance, command=HOSTILE, inputs={HOSTILE: None}),
    )
    path = tmp_path_factory.mktemp("page") / "a report.html"
    path.write_text(render_html(report, scene_pictures(layers(300, 400))), encoding="utf-8")
    return path


def box(browser: Browser, selector: str) -> dict[str, float]:
    """Bring an element into view and return where it is."""
    found = browser.run(
        f"(() => {{const e = document.querySelector({selector!r});"
        "e.scrollIntoView({block: 'center', behavior: 'instant'});"
        "const {left, top, width, height} = e.getBoundingClientRect();"
        "return {left, top, width, height}})()"
    )
    assert isinstance(found, dict)
    return found


def at(found: dict[str, float], across: float, down: float) -> tuple[float, float]:
    return found["left"] + across * found["width"], found["top"] + down * found["height"]


def test_page_is_quiet_and_alone(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.complaints() == []
    asked = {url for url in browser.requests() if not url.startswith("data:")}
    assert asked == {page.as_uri()}
    images = browser.run("[...document.images].map((i) => i.complete && i.naturalWidth > 0)")
    assert len(images) == 9 + 4
    assert all(images)


def test_hostile_names_stay_text(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.run("document.scripts.length") == 1
    assert browser.run("document.querySelectorAll('img:not([src^=\"data:\"])').length") == 0
    text = browser.run("document.body.innerText")
    assert text.count(HOSTILE) >= 8
    assert HOSTILE in browser.run("document.querySelector('.chart svg').textContent")
    assert not any(e["method"] == "Page.javascriptDialogOpening" for e in browser.events)
    browser.run("document.head.append(Object.assign(document.createElement('script'),"
                "{textContent: 'window.intruder = 1'}))")  # fmt: skip
    assert browser.run("window.intruder === undefined"), "the policy lets other scripts run"


def test_swipe_follows_the_mouse(browser: Browser, page: Path) -> None:
    browser.open(page)
    assert browser.run(CLIP) == "inset(0px 0px 0px 50%)"
    found = box(browser, ".swipe")
    browser.mouse("mousePressed", *at(found, 0.25, 0.5))
    assert browser.run(CLIP) == "inset(0px 0px 0px 25%)"
    browser.mouse("mouseMoved", *at(found, 0.6, 0.2))
    browser.mouse("mouseReleased", *at(found, 0.6, 0.2))
    assert browser.run(CLIP) == "inset(0px 0px 0px 60%)"
    assert browser.run(FIRST + ".value") == "60"
    others = browser.run("[...document.querySelectorAll('.divider')].map((d) => d.value)")
    assert others == ["60", "50", "50"]


def test_swipe_follows_a_finger(browser: Browser, page: Path) -> None:
    browser.open(page, 390, 800)
    found = box(browser, ".swipe")
    browser.call("Emulation.setTouchEmulationEnabled", enabled=True)
    browser.touch("touchStart", at(found, 0.5, 0.5))
    for across in (0.6, 0.7, 0.8):
        browser.touch("touchMove", at(found, across, 0.5))
    browser.touch("touchEnd")
    browser.call("Emulation.setTouchEmulationEnabled", enabled=False)
    assert browser.run(FIRST + ".value") == "80"
    assert browser.run(CLIP) == "inset(0px 0px 0px 80%)"


def test_swipe_by_keyboard(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.run(FIRST + ".focus()")
    for _ in range(3):
        browser.press("ArrowRight", 39)
    assert browser.run(CLIP) == "inset(0px 0px 0px 53%)"
    browser.press("End", 35)
    assert browser.run(CLIP) == "inset(0px 0px 0px 100%)"
    assert browser.run(FIRST + ".ariaValueText") == "100 % MS, upsampled, then Fused"
    browser.run("document.querySelector('.picker input').focus()")
    browser.press("ArrowRight", 39)
    shown = (
        "[...document.querySelectorAll('.swipe')].map((s) => "
        "[...s.querySelectorAll('figure:not(.off)')].map((f) => f.dataset.layer).join())"
    )
    assert set(browser.run(shown)) == {"fused,pan"}
    assert "PAN" in browser.run(FIRST + ".ariaLabel")


def test_tab_reaches_everything(browser: Browser, page: Path) -> None:
    browser.open(page)
    seen = set()
    for _ in range(40):
        browser.press("Tab", 9)
        seen.add(browser.run("document.activeElement.className || document.activeElement.type || "
                             "document.activeElement.localName"))  # fmt: skip
    assert {"divider", "radio", "field", "summary", "scroll", "command"} <= seen


def test_maps_tell_values(browser: Browser, page: Path) -> None:
    browser.open(page)
    said = "document.querySelector('.readout').textContent"
    found = box(browser, ".tilemap .field")
    browser.mouse("mouseMoved", *at(found, 0.75, 0.25))
    text = browser.run(said)
    assert text.startswith("Rows 0 to 399, columns 400 to 799: q2n".replace("q2n", "Q2n 0.8000"))
    assert "Ds 0.2000" in text
    assert "Consistency error 2.00\u202f%" in text
    marks = browser.run("[...document.querySelectorAll('.mark')].map((m) => m.style.left)")
    assert marks == ["50%"] * 4
    browser.run("document.querySelectorAll('.field')[1].focus()")
    for key, code in (("ArrowDown", 40), ("ArrowDown", 40)):
        browser.press(key, code)
    assert browser.run(said).startswith("Rows 400 to 599, columns 400 to 799: Q2n 0.7000 · Ds 0.3")
    browser.press("ArrowLeft", 37)
    assert "columns 0 to 399: Q2n – · " in browser.run(said)


def test_phone_has_no_sideways_scroll(browser: Browser, page: Path) -> None:
    for width in (320, 390, 768):
        browser.open(page, width, 800)
        assert browser.run("document.documentElement.scrollWidth") <= width


def test_long_names_push_no_value_out_of_sight(browser: Browser, tmp_path: Path) -> None:
    report = make_report("x" * 200, "B3 Green")
    indices = {**report.indices, "consistency_error_estimated_percent": 1.96}
    page = tmp_path / "long.html"
    page.write_text(render_html(replace(report, indices=indices), {}), encoding="utf-8")
    found = "[...document.querySelectorAll({!r})].every((e) => e.scrollWidth <= e.clientWidth)"
    browser.open(page, 320, 800)
    assert browser.run(found.format(".scroll:has(.indices)"))
    browser.open(page, 1300, 900)
    assert browser.run(found.format(".scroll"))


def test_an_upright_strip_fits_a_screen(browser: Browser, tmp_path: Path) -> None:
    report = make_report(*(f"band {i}" for i in range(200)))
    rows = [replace(report.per_tile[0], row=32 * row, col=0, q=0.9) for row in range(20)]
    page = tmp_path / "strip.html"
    pictures = scene_pictures(layers(600, 60))
    page.write_text(render_html(replace(report, per_tile=tuple(rows)), pictures), encoding="utf-8")
    for width in (390, 1300):
        browser.open(page, width, 900)
        tall = "[...document.querySelectorAll('.swipe, .field')].map((e) => e.offsetHeight)"
        assert 300 < max(browser.run(tall)) <= 1300
    assert "band 0, band 1, band 2, … band 199 (200 in all)" in browser.run(
        "document.body.innerText"
    )


def test_dark_and_light(browser: Browser, page: Path) -> None:
    papers = []
    for scheme in ("light", "dark"):
        browser.open(page, prefers_color_scheme=scheme)
        papers.append(browser.run("getComputedStyle(document.body).backgroundColor"))
    assert papers == ["rgb(255, 255, 255)", "rgb(20, 24, 29)"]


SHOWN = (
    "[...document.querySelectorAll('.pictures img')].map((i) => i.checkVisibility("
    "{visibilityProperty: true}) && i.width > 0 && getComputedStyle(i).clipPath == 'none')"
)


def test_paper_shows_pictures_side_by_side(browser: Browser, page: Path) -> None:
    browser.open(page, 700, prefers_color_scheme="dark")
    assert not all(browser.run(SHOWN))
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert all(browser.run(SHOWN))
    assert not browser.run(FIRST + ".checkVisibility()")
    assert browser.run("document.documentElement.scrollWidth") <= 700
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_page_stands_without_its_script(browser: Browser, page: Path) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(page)
    browser.call("Emulation.setScriptExecutionDisabled", value=False)
    assert all(browser.run(SHOWN))
    assert browser.run("document.querySelectorAll('.divider').length") == 0
    assert not browser.run("document.querySelector('.live-only').checkVisibility()")


def test_screen_readers_hear_what_each_control_is(browser: Browser, page: Path) -> None:
    browser.open(page)
    nodes: list[dict[str, Any]] = browser.call("Accessibility.getFullAXTree")["nodes"]
    named: dict[str, list[str]] = {}
    for node in nodes:
        if not node.get("ignored"):
            name = node.get("name", {}).get("value", "")
            named.setdefault(node["role"]["value"], []).append(name)
    assert "Whole scene: divider between MS, upsampled and Fused" in named["slider"]
    assert named["radio"] == ["MS, upsampled", "PAN"]
    for role in ("slider", "radio", "image", "link", "region"):
        assert all(named[role]), role
    assert any(name.startswith("Map of Ds, 2 by 2 tiles") for name in named["group"])


def test_pages_of_blends_are_alike(browser: Browser, tmp_path: Path) -> None:
    full = make_report()
    report = ImagesReport(
        "blend", (full.scene.guide, full.scene.target), ((1.0, 0.0), (1.0, 0.0)), full.scene.fused,
        full.method, {"q_abf": 0.5}, {}, 10, 0.0, {}, full.provenance,
    )  # fmt: skip
    drawn = scene_pictures(layers())
    letters = {"ms": "a", "pan": "b", "fused": "fused"}
    pictures = {f"{k.split('/')[0]}/{letters[k.split('/')[1]]}": png for k, png in drawn.items()}
    path = tmp_path / "blend.html"
    path.write_text(render_images(report, pictures), encoding="utf-8")
    browser.open(path, 390, 800)
    assert browser.complaints() == []
    browser.run(FIRST + ".focus()")
    browser.press("Home", 36)
    assert browser.run(CLIP) == "inset(0px 0px 0px 0%)"
    assert browser.run("document.querySelectorAll('.divider').length") == 3
    assert browser.run("document.documentElement.scrollWidth") <= 390
