"""The overview of an archive: page and table over a ledger, whatever it holds."""

from __future__ import annotations

import csv
import re
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from archive_scenes import HOSTILE, entry, failed, record, write_scene

from pansharpkit.archive.entry import SceneEntry
from pansharpkit.archive.ledger import NAME, Ledger
from pansharpkit.archive.overview import PAGE, TABLE, overview
from pansharpkit.archive.overview.listed import Listed, headline, worst_first
from pansharpkit.archive.overview.page import MOST_ROWS, error_groups
from pansharpkit.archive.overview.scenemap import Frame, Place, scene_map
from pansharpkit.archive.overview.scenetable import COLUMNS
from pansharpkit.archive.overview.shades import Shades
from pansharpkit.archive.record import SceneRecord
from pansharpkit.archive.stac import item as stac
from pansharpkit.errors import FileReadError

Scenes = Iterable[tuple[SceneEntry, SceneRecord | None]]


def square(lon: float, lat: float, side: float = 1.0) -> tuple[tuple[float, float], ...]:
    corners = ((0, 0), (1, 0), (1, 1), (0, 1), (0, 0))
    return tuple((lon + x * side, lat + y * side) for x, y in corners)


def fill(out: Path, scenes: Scenes) -> Path:
    """Write scenes into a new ledger; those without a record still wait."""
    scenes = list(scenes)
    out.mkdir(exist_ok=True)
    with Ledger(out / NAME) as ledger:
        ledger.enter(found for found, _ in scenes)
        for found, made in scenes:
            if made is not None:
                ledger.start(found, "digest", {})
                ledger.finish(made)
    return out


def listing(name: str, state: str = "done", error: str = "", **indices: float) -> Listed:
    kind = "FileReadError" if error else ""
    return Listed(name, state, "gsa", 1.0, indices, kind, error, (), "", (), None)


class Page(HTMLParser):
    """What a browser would make of the page: elements, their links, the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


def read(out: Path) -> tuple[Page, list[dict[str, str]]]:
    page, table = overview(out)
    assert (page, table) == (out / PAGE, out / TABLE)
    with table.open(encoding="utf-8", newline="") as file:
        return Page(page.read_text(encoding="utf-8")), list(csv.DictReader(file))


# --- what is shown


def test_an_archive_at_a_glance(tmp_path: Path) -> None:
    when = datetime(2015, 6, 30, tzinfo=UTC)
    found = entry("b", footprint=square(-1, 42), acquired=when)
    fill(tmp_path, [
        (entry("a"), record("a", indices={"hqnr": 0.8, "shift": 0.2})),
        (found, record("b", state="flagged", flags=("hqnr is 0.5, should be at least 0.9",),
                       indices={"hqnr": 0.5, "shift": None})),
        (entry("c"), failed("c")),
        (entry("d"), None),
    ])  # fmt: skip
    page, rows = read(tmp_path)
    assert "Worst scenes first" in page.text
    assert page.text.index("b", page.text.index("Acquired", 500)) < page.text.rindex("0.8000")
    assert "pan.tif: is empty" in page.text
    assert "b/b.report.html" in page.links
    assert [row["state"] for row in rows] == ["done", "flagged", "failed", "waiting"]
    assert rows[1]["hqnr"] == "0.5"
    assert rows[1]["acquired"] == "2015-06-30T00:00:00+00:00"
    assert (rows[1]["west"], rows[1]["north"]) == ("-1.0", "43.0")
    assert rows[2]["error"] == "pan.tif: is empty (0 bytes)"
    assert rows[3]["hqnr"] == rows[3]["seconds"] == rows[2]["output"] == ""
    assert list(rows[0]) == [*COLUMNS, "hqnr", "shift"]


def test_footprints_come_from_the_items(tmp_path: Path) -> None:
    made = write_scene(tmp_path, "a")
    stac.write_item(made, entry("a"), tmp_path)
    fill(tmp_path, [(entry("a", footprint=square(100, 0)), made)])
    page, (row,) = read(tmp_path)
    assert float(row["west"]) == pytest.approx(-1.715, abs=1e-3)
    assert "a/a.thumbnail.jpg" in page.links
    (tmp_path / "a" / "a.json").write_text('{"geometry": {"type": 5}}')
    assert read(tmp_path)[1][0]["west"] == "100.0"


def test_an_empty_ledger_and_none(tmp_path: Path) -> None:
    page, rows = read(fill(tmp_path, []))
    assert "no scenes yet" in page.text
    assert rows == []
    with pytest.raises(FileReadError, match="no ledger"):
        overview(tmp_path / "elsewhere")


def test_one_scene_without_any_value(tmp_path: Path) -> None:
    fill(tmp_path, [(entry("a"), record("a", indices={"hqnr": None}, report_html=None))])
    page, (row,) = read(tmp_path)
    assert "Worst" not in page.text
    assert "svg" not in page.tags
    assert row["state"] == "done"
    assert "hqnr" not in row


def test_values_that_are_no_numbers_are_none(tmp_path: Path) -> None:
    values = {"hqnr": float("nan"), "d_s": float("inf"), "qnr": 0.5}
    _, (row,) = read(fill(tmp_path, [(entry("a"), record("a", indices=values))]))
    assert "hqnr" not in row
    assert row["qnr"] == "0.5"


# --- hostile names


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    bad = [
        (entry("a", inputs=(HOSTILE,), source=HOSTILE), failed("a", HOSTILE)),
        (entry(HOSTILE, footprint=square(0, 0)),
         record(HOSTILE, method=HOSTILE, flags=(HOSTILE,), state="flagged",
                indices={"hqnr": 0.5, HOSTILE: 1.0}, report_html=f"a/{HOSTILE}")),
    ]  # fmt: skip
    page, rows = read(fill(tmp_path, bad))
    assert page.tags.count("script") == 1
    assert "onerror" not in page.handlers
    assert not page.handlers
    assert all(re.fullmatch(r"[\w./%-]*|data:,", link) for link in page.links)
    assert "<script>alert" in page.text
    assert "\u202e" not in page.text
    assert len(rows) == 2
    assert all("\n" not in value for row in rows for value in row.values())


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "javascript:alert(1)",
                                  "http://evil/x", "a\\b"])  # fmt: skip
def test_links_stay_in_the_folder(tmp_path: Path, path: str) -> None:
    page, (row,) = read(fill(tmp_path, [(entry("a"), record("a", report_html=path))]))
    assert [unquote(link) for link in page.links] == ["data:,", "overview.csv", "overview.csv"][
        : len(page.links)
    ]
    assert row["report"] == ""


def test_pictures_stay_in_the_folder(tmp_path: Path) -> None:
    out = fill(tmp_path / "out", [(entry("../a"), record("../a"))])
    (tmp_path / "a").mkdir()
    for place in (tmp_path / "a" / "a.json", tmp_path / "a" / "a.thumbnail.jpg"):
        place.write_text("{}")
    page, _ = read(out)
    assert page.tags.count("img") == 0


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "\t=1", "  =cmd|' /C calc'!A0"])
def test_spreadsheets_find_no_formulas(tmp_path: Path, text: str) -> None:
    _, (row,) = read(
        fill(tmp_path, [(entry("a"), record("a", host=text, indices={"ndvi_drift": -0.25}))])
    )
    assert row["host"].startswith("'")
    assert row["ndvi_drift"] == "-0.25"


def test_the_page_allows_one_script_and_no_foreign_source(tmp_path: Path) -> None:
    import base64
    import hashlib

    fill(tmp_path, [(entry("a"), record("a"))])
    html = overview(tmp_path)[0].read_text(encoding="utf-8")
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html
    assert "default-src 'none'" in html
    assert not re.search(r"(?<!data:)https?://|@import|url\(", html)


# --- ranks, colours, errors


def test_ranks_follow_the_sense_of_the_index() -> None:
    scenes = [listing("a", hqnr=0.9), listing("b", hqnr=0.4), listing("c"),
              listing("d", state="failed")]  # fmt: skip
    assert headline(scenes) == "hqnr"
    assert [scene.id for scene in worst_first(scenes, "hqnr")] == ["c", "b", "a"]
    scenes = [listing("a", ergas=1), listing("b", ergas=5)]
    assert headline(scenes) == "ergas"
    assert [scene.id for scene in worst_first(scenes, "ergas")] == ["b", "a"]
    assert headline([listing("a", r2=0.9, ripple_percent=1.0)]) == "r2"
    assert headline([listing("a"), listing("b", pan_ripple_percent=2.0)]) is None
    few = [listing("a", hqnr=0.9), *(listing(f"b{i}", ergas=1.0) for i in range(3))]
    assert headline(few) == "ergas"


def test_colours_part_the_scenes_in_fifths() -> None:
    scenes = [listing(str(i), hqnr=i / 10) for i in range(10)]
    shades = Shades.of(scenes, "hqnr")
    groups = [shades.group(scene) for scene in scenes]
    assert groups == sorted(groups)
    assert {group: groups.count(group) for group in groups} == {f"c{i}": 2 for i in range(5)}
    assert shades.legend(groups)[0] == ("c0", "0.0000 … 0.2000")
    upside = Shades.of([replace(s, indices={"ergas": s.indices["hqnr"]}) for s in scenes], "ergas")
    assert upside.group(listing("x", ergas=0.0)) == "c4"
    assert shades.group(listing("x", "failed")) == "failed"
    assert shades.group(listing("x")) == "none"
    assert shades.group(listing("x", "waiting")) == "later"


def test_scenes_that_are_alike_share_a_colour() -> None:
    scenes = [listing(str(i), hqnr=0.9) for i in range(10)]
    shades = Shades.of(scenes, "hqnr")
    assert {shades.group(scene) for scene in scenes} == {"c2"}
    assert shades.legend(["c2"]) == [("c2", "0.9000")]
    two = [listing("a", hqnr=0.1), listing("b", hqnr=0.2)]
    assert [Shades.of(two, "hqnr").group(scene) for scene in two] == ["c0", "c4"]


def test_errors_are_grouped_by_cause() -> None:
    scenes = [listing(f"s{i}", "failed", f"p{i}.tif: rows {i}-{i + 5} are damaged")
              for i in range(9)]  # fmt: skip
    scenes.append(listing("t", "failed", "q.tif: has no CRS"))
    first, second = error_groups(scenes)
    assert first.count == 9
    assert first.text == "p0.tif: rows 0-5 are damaged"
    assert first.scenes == ["s0", "s1", "s2", "s3", "s4"]
    assert first.more == 4
    assert second.count == 1


# --- the map


def test_the_map_is_continuous_over_the_antimeridian() -> None:
    places = [Place((square(178, -18),), "a", "c0"), Place((square(-179, -18),), "b", "c1"),
              Place((square(179.5, -16, 0.5), square(-180, -16, 0.5)), "c", "c2")]  # fmt: skip
    svg = scene_map(places, "map")
    xs = [float(x) for x in re.findall(r"[ML](-?[\d.]+) -?[\d.]+", svg)]
    assert min(xs) > -1
    assert max(xs) < 801
    assert "180°" in svg
    frame = Frame.around((178, -18, -178, -15))
    assert frame.width < 6


def test_frames_have_a_shape_that_fits_a_page() -> None:
    for box in ((-180.0, -90.0, 180.0, 90.0), (5.0, 5.0, 5.0, 5.0), (0.0, -80.0, 1.0, 80.0),
                (-170.0, 10.0, 170.0, 10.1), (0.0, 89.0, 359.0, 90.0)):  # fmt: skip
        frame = Frame.around(box)
        assert 239 <= frame.height <= 521
        assert frame.width <= 360
        assert frame.y(frame.north) == 0
        assert frame.y((box[1] + box[3]) / 2) == pytest.approx(frame.height / 2)


def test_the_size_of_a_map_does_not_grow_with_the_archive() -> None:
    places = [Place((square((i * 7919) % 360 - 180, (i * 104729) % 120 - 60),), str(i),
                    f"c{i // 5000}") for i in range(25_000)]  # fmt: skip
    assert len(scene_map(places, "map")) < 700_000
    assert scene_map([Place((), "a", "c0")], "map") == ""


# --- size


def copied(out: Path, times: int) -> None:
    """Let the ledger hold each of its scenes that often, under new names."""
    with sqlite3.connect(out / NAME) as database:
        names = [row[1] for row in database.execute("PRAGMA table_info(scenes)")]
        texts = {"id", "entry", "output", "report_json", "report_html"}
        values = ", ".join(f"replace({n}, id, id || ?)" if n in texts else n for n in names)
        for i in range(1, times):
            database.execute(
                f"INSERT INTO scenes SELECT {values} FROM scenes WHERE instr(id, '-') = 0",
                [f"-{i}"] * len(texts),
            )


def test_ten_thousand_scenes_make_a_page_that_opens(tmp_path: Path) -> None:
    def scene(i: int) -> tuple[SceneEntry, SceneRecord | None]:
        name = f"LC08_{i:03d}"
        found = entry(name, footprint=square(i * 7 % 350 - 175, i % 120 - 60))
        if i % 50 == 0:
            return found, failed(name, f"{name}_B8.TIF: block {i} cannot be read {'x' * 500}")
        return found, record(name, indices={"hqnr": 0.5 + i % 97 / 200, "shift": i % 13 / 10})

    copied(fill(tmp_path, map(scene, range(200))), 50)
    page, rows = read(tmp_path)
    assert (tmp_path / PAGE).stat().st_size < 1_500_000
    assert page.tags.count("tr") < MOST_ROWS + 50
    assert "overview.csv has all" in re.sub(r"\s+", " ", page.text)
    assert len(rows) == len({row["id"] for row in rows}) == 10_000
    by_name = {row["id"]: row for row in rows}
    assert float(by_name["LC08_007-33"]["hqnr"]) == 0.5 + 7 / 200
