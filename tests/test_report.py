"""The quality report: data there and back, the schema as documented, the page, the pictures."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import image
from numpy.typing import NDArray
from reports import HOSTILE, layers, make_report

from pansharpkit.errors import MetadataError, OptionError
from pansharpkit.grid import Window
from pansharpkit.registration import Registration
from pansharpkit.report import (
    Histogram,
    MethodSummary,
    QualityReport,
    TileQuality,
    json_schema,
    tiles_of_map,
)
from pansharpkit.report.histograms import histogram
from pansharpkit.report.indices import ordered
from pansharpkit.report.png import size_of, to_png
from pansharpkit.report.printed import both, duration, grouped, number, text
from pansharpkit.report.quicklook import (
    Layers,
    Stretch,
    busiest,
    limits_of,
    magnify,
    rgb_bands,
    scene_pictures,
    shrink,
    stretch,
    view_pictures,
)
from pansharpkit.report.render import render_html
from pansharpkit.report.tilemaps import tile_maps

SCHEMA_FILE = Path(__file__).parent.parent / "docs" / "reference" / "report.schema.json"


# --- data


def test_json_and_back() -> None:
    report = make_report()
    assert QualityReport.from_json(report.to_json()) == report
    bare = replace(report, registration=None, per_tile=(), indices={}, intervals={})
    assert QualityReport.from_json(bare.to_json()) == bare


def test_json_never_holds_what_json_cannot() -> None:
    report = replace(
        make_report(),
        indices={"hqnr": math.nan, "psnr_db": math.inf},
        intervals={"hqnr": (math.nan, 1.0)},
        per_tile=(TileQuality(0, 0, 1, 1, math.nan),),
        method=MethodSummary("gsa", {"weight": math.nan}),
    )

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    found = json.loads(report.to_json(), parse_constant=refuse)
    assert found["indices"] == {"hqnr": None, "psnr_db": None}
    assert found["intervals"] == {"hqnr": [None, 1.0]}
    again = QualityReport.from_json(report.to_json())
    assert again.per_tile[0].q is None
    assert again.method.options == {"weight": None}


def test_fields_of_later_minor_versions_are_ignored() -> None:
    found = json.loads(make_report().to_json())
    found |= {"schema_version": "1.7", "novelty": 1}
    assert QualityReport.from_json(json.dumps(found)).schema_version == "1.7"


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("{", "not JSON"),
        ("[]", "version missing"),
        ('{"schema_version": "2.0"}', "schema version 2.0"),
        ('{"schema_version": "1.0"}', "protocol: Field required"),
    ],
)
def test_what_is_no_report(broken: str, message: str) -> None:
    with pytest.raises(MetadataError, match=message) as caught:
        QualityReport.from_json(broken)
    assert caught.value.exit_code == 4


@pytest.mark.skipif(
    not SCHEMA_FILE.parent.parent.is_dir(), reason="the documentation is not part of the package"
)
def test_committed_schema_is_up_to_date() -> None:
    expected = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    assert json.loads(SCHEMA_FILE.read_text("utf-8")) == json.loads(expected), (
        f"write json.dumps(pansharpkit.report.json_schema(), indent=2) to {SCHEMA_FILE}"
    )


def test_schema_describes_every_field_of_the_report() -> None:
    fields = json_schema()["properties"]
    assert isinstance(fields, dict)
    assert set(fields) == set(json.loads(make_report().to_json()))
    assert fields["n_pixels"]["description"] == "Valid pixels that took part."


@pytest.mark.parametrize("most", [1, 3, 40])
def test_tiles_cover_the_raster_and_keep_its_mean(most: int) -> None:
    values = np.random.default_rng(0).random((7, 5))
    size = (7 * 32 - 5, 5 * 32 - 31)
    tiles = tiles_of_map(values, 32, size, most, {"d_s": 1 - values})
    covered = np.zeros(size, int)
    for tile in tiles:
        covered[tile.row : tile.row + tile.height, tile.col : tile.col + tile.width] += 1
    assert (covered == 1).all()
    assert len(tiles) <= most**2 + 2 * most
    if most == 1:
        assert tiles[0].q == pytest.approx(values.mean())
        assert tiles[0].indices == {"d_s": pytest.approx(1 - values.mean())}


# --- numbers in print


def test_printed_numbers() -> None:
    assert number(-0.12345, 3) == "−0.123"
    assert number(math.inf) == "–"
    assert both((2.0, 2.0)) == "2"
    assert both((0.5, -0.0688)) == "0.5 rows, −0.069 columns"
    assert grouped(1234567) == "1\u202f234\u202f567"
    assert [duration(59.99), duration(185)] == ["59.99 s", "3 min 05 s"]
    assert text({"a": [1, 2.5, None], "b": "x"}) == "a 1, 2.5, –, b x"


def test_headline_comes_first() -> None:
    assert ordered(["zz", "d_s", "hqnr", "aa"]) == ["hqnr", "d_s", "aa", "zz"]


# --- the page


class Page(HTMLParser):
    """Collects what a browser would see, and checks that elements are closed in order."""

    VOID = frozenset({"meta", "link", "img", "br"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = self.script = ""
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.script += data
        elif self._open and self._open[-1] != "style":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_page_shows_everything() -> None:
    page = Page(render_html(make_report(), scene_pictures(layers())))
    for expected in (
        "out.tif", "gsa", "MS lies 0.62 PAN pixels", "HQNR", "0.9312", "0.9241 … 0.9383",
        "homemade", "a shared definition", "no rounding", "B3 Green", "1\u202f234", "landsat8_oli",
        "+0.11 rows and −0.61 columns", "R² 0.988", "0.962 as georeferenced", "0.40 % masked",
        "0.364, −0.19", "1 min 15 s", "ab" * 32, "pansharpkit fuse pan.tif", "EPSG:32630",
        "Close-up", "numpy", "2.4.6 · BSD", "In every map dark is bad", "Consistency error",
        "0 – 399, 0 – 399", "drifts by 0.0060",
    ):  # fmt: skip
        assert expected in page.text, expected
    assert page.text.index("Warning") < page.text.index("HQNR") < page.text.index("Bands")
    assert re.search(r"\b(nan|inf|None)\b", page.text) is None
    assert len(page.all("img")) == 9 + 3
    assert len([svg for svg in page.all("svg") if svg["role"] == "img"]) == 4


def test_a_table_of_hundreds_of_bands_is_folded_and_small_errors_keep_their_digits() -> None:
    bands = {f"b{i}": {"rmse": 0.00471 + i * 1e-6} for i in range(100)}
    page = render_html(replace(make_report(), per_band=bands, clipped={}), {})
    assert "All 100 bands as a table</summary>" in page
    assert "0.00471" in page
    few = render_html(replace(make_report(), per_band={"b": {"rmse": 12.345}}, clipped={}), {})
    assert "12.35" in few or "12.34" in few
    assert "bands as a table" not in few


def test_page_needs_nothing_from_elsewhere() -> None:
    html = render_html(make_report(), scene_pictures(layers()))
    page = Page(html)
    assert "http:" not in html
    assert "https:" not in html
    assert "url(" not in html.replace("url(#", "")
    assert "@import" not in html
    assert page.all("iframe") == page.all("object") == []
    assert page.all("script") == [{}]
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in {"src", "href", "xlink:href"}:
                assert value.startswith(("data:", "#")), (tag, name, value[:40])
    policies = [meta["content"] for meta in page.all("meta") if "http-equiv" in meta]
    digest = base64.b64encode(hashlib.sha256(page.script.encode()).digest()).decode()
    assert policies == [
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    ]


def test_every_picture_has_words_and_a_size() -> None:
    page = Page(render_html(make_report(), scene_pictures(layers())))
    assert {img["alt"] for img in page.all("img")} >= {"Fused: whole scene", "PAN: detail"}
    assert all(int(img["width"]) > 0 and int(img["height"]) > 0 for img in page.all("img"))
    assert all(svg["aria-label"] for svg in page.all("svg") if "role" in svg)
    assert any(meta.get("name") == "viewport" for meta in page.all("meta"))


def test_hostile_names_stay_text() -> None:
    report = make_report(HOSTILE, "b")
    scene = report.scene
    report = replace(
        report,
        warnings=(HOSTILE,),
        indices={**report.indices, HOSTILE: 1.0},
        tile_index=HOSTILE,
        definitions={"hqnr": HOSTILE, HOSTILE: HOSTILE},
        method=MethodSummary(HOSTILE, {HOSTILE: HOSTILE}, {HOSTILE: [HOSTILE]}),
        scene=replace(scene, sensor=HOSTILE, fused=replace(scene.fused, name=HOSTILE)),
        provenance=replace(report.provenance, command=HOSTILE, inputs={HOSTILE: None}),
    )
    report = replace(
        report,
        per_tile=tuple(replace(tile, indices={HOSTILE: 1.0}) for tile in report.per_tile),
        histograms=(Histogram(HOSTILE, 0, 1, (1, 2), (2, 1)),),
        views={HOSTILE: (0, 0, 10, 10)},
    )
    pictures = {f"{HOSTILE}/{HOSTILE}": to_png(np.zeros((2, 2, 3), np.uint8))}
    page = Page(render_html(report, pictures))
    assert page.all("script") == [{}]
    assert HOSTILE not in page.script
    assert {img["src"][:10] for img in page.all("img")} == {"data:image"}
    assert page.text.count("<script>alert('1')</script>") >= 10


def test_page_of_a_poor_report() -> None:
    """Nothing measured, nothing drawn: the page says so and still stands."""
    report = replace(
        make_report(),
        indices={},
        intervals={},
        per_band={},
        per_tile=(TileQuality(0, 0, 5, 5, None),),
        clipped={},
        registration=None,
        definitions={},
        warnings=(),
        method=MethodSummary("exp"),
    )
    page = Page(render_html(report, {}))
    assert "not measured" in page.text
    assert "Before and after" not in page.text
    assert "Warning" not in page.text
    unsure = replace(
        report, registration=Registration(0.0, 0.0, 0.0, 0.0, False, (), 12, 0.0), indices={"q": 1}
    )
    assert "not reliable" in Page(render_html(unsure, {})).text


def test_pages_are_the_same_from_every_thread_and_leave_matplotlib_alone() -> None:
    report, before = make_report(), dict(mpl.rcParams)
    with ThreadPoolExecutor(4) as pool:
        pages = set(pool.map(lambda _: render_html(report, {}), range(4)))
    assert len(pages) == 1
    assert dict(mpl.rcParams) == before


def test_what_is_no_picture() -> None:
    with pytest.raises(OptionError, match="overview/ms"):
        render_html(make_report(), {"overview/ms": b"<svg/>"})


# --- pictures


def decoded(png: bytes) -> NDArray[np.uint8]:
    pixels = image.imread(io.BytesIO(png), format="png")
    pixels = pixels[..., np.newaxis].repeat(3, axis=2) if pixels.ndim == 2 else pixels
    return np.rint(pixels[..., :3] * 255).astype(np.uint8)


def test_png_keeps_pixels() -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (7, 5, 3)).astype(np.uint8)
    assert (decoded(to_png(rgb)) == rgb).all()


@pytest.mark.parametrize("channels", [3, 4])
def test_png_of_smooth_grey_and_transparent_pixels(channels: int) -> None:
    pixels = np.add.outer(np.arange(200), np.arange(100))[..., np.newaxis].repeat(channels, 2)
    pixels = (pixels % 256).astype(np.uint8)
    if channels == 4:
        pixels[..., 3] = 7
    png = to_png(pixels)
    assert len(png) < 2000
    found = np.rint(image.imread(io.BytesIO(png), format="png") * 255)
    assert found.shape == ((200, 100) if channels == 3 else (200, 100, 4))
    assert (found.reshape(200, 100, -1) == pixels[..., : found[0, 0].size]).all()


def test_histograms_share_bins_and_leave_gaps_out() -> None:
    before = np.random.default_rng(3).normal(100, 5, (40, 50))
    after = before + 20
    before[0] = np.nan
    found = histogram("red", before, after)
    assert found is not None
    assert (found.low, found.high) == (
        pytest.approx(before[1:].min(), abs=5),
        pytest.approx(after[1:].max(), abs=5),
    )
    assert 1940 <= sum(found.before) <= 1950
    centres = np.linspace(found.low, found.high, 2 * len(found.before) + 1)[1::2]
    means = [np.average(centres, weights=counts) for counts in (found.before, found.after)]
    assert np.diff(means) == pytest.approx(20, abs=0.5)
    assert histogram("red", before * np.nan, after) is None
    assert histogram("red", np.ones((3, 3)), np.ones((3, 3))) is None


def test_stretch_takes_limits_from_valid_pixels() -> None:
    values = np.arange(1.0, 101).reshape(1, 10, 10)
    values[0, 0, 0] = 60000
    valid = np.ones((10, 10), bool)
    valid[0, 0] = False
    limits = limits_of(values, valid)
    assert limits.tolist() == [[pytest.approx(3.96), pytest.approx(98.04)]]
    rgb = stretch(values, valid, limits)
    assert rgb.shape == (10, 10, 3)
    assert rgb[0, 0].tolist() == [200] * 3
    assert rgb[0, 1].tolist() == [0] * 3
    assert rgb[9, 9].tolist() == [255] * 3
    assert (np.diff(rgb[..., 0].ravel()[1:].astype(int)) >= 0).all()


def test_before_and_after_share_the_stretch() -> None:
    whole = layers()
    how = Stretch.of(whole)
    pictures = view_pictures("overview", replace(whole, fused=whole.ms), how)
    assert pictures["overview/ms"] == pictures["overview/fused"]
    brighter = view_pictures("overview", replace(whole, fused=whole.ms + 900), how)
    assert brighter["overview/ms"] == pictures["overview/ms"]
    assert decoded(brighter["overview/fused"]).mean() > decoded(pictures["overview/ms"]).mean()


@pytest.mark.parametrize("values", [np.full((3, 4, 4), 7.0), np.full((1, 4, 4), np.nan)])
def test_stretch_of_constant_or_missing_pixels(values: NDArray[np.floating]) -> None:
    valid = np.isfinite(values).all(axis=0)
    assert stretch(values, valid).shape == (4, 4, 3)
    with pytest.raises(OptionError, match="channels"):
        stretch(np.zeros((2, 4, 4)), valid)


def test_shrink_averages_valid_pixels() -> None:
    values = np.array([[[1.0, 3, 5], [5, 7, 9], [2, 2, 50]]])
    valid = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 0]], bool)
    found = shrink(values, valid, 2)
    np.testing.assert_array_equal(found, [[[4, np.nan], [2, np.nan]]])


def test_scene_pictures_of_a_large_and_of_a_tiny_scene() -> None:
    large = scene_pictures(layers(700, 1300))
    assert set(large) == {
        f"{view}/{layer}"
        for view in ("overview", "detail-1", "detail-4")
        for layer in ("ms", "fused", "pan")
    }
    assert decoded(large["overview/ms"]).shape == (234, 434, 3)
    assert decoded(large["detail-1/fused"]).shape == (400, 400, 3)
    assert size_of(large["detail-4/pan"]) == (400, 400)
    assert decoded(large["detail-4/fused"]).shape == (400, 400, 3)
    one = np.ones((3, 1, 1))
    tiny = scene_pictures(Layers(one, one, one[0], np.zeros((1, 1), bool)))
    assert decoded(tiny["detail-4/ms"]).shape == (4, 4, 3)


def test_magnify() -> None:
    rgb = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert (magnify(rgb, 3)[::3, ::3] == rgb).all()
    assert (magnify(rgb, 3)[5, 5] == rgb[1, 1]).all()


def test_busiest_part_is_valid_and_detailed() -> None:
    pan = np.zeros((200, 300))
    pan[100:150, 200:250] = np.random.default_rng(0).random((50, 50))
    valid = np.ones(pan.shape, bool)
    window = busiest(pan, valid, 50)
    assert window == Window(100, 200, 50, 50)
    valid[90:160, 190:260] = False
    assert valid[busiest(pan, valid, 50).slices].all()


@pytest.mark.parametrize(
    ("names", "wavelengths", "expected"),
    [
        (["B2 Blue", "B3 Green", "B4 Red", "B5 NIR"], (), (2, 1, 0)),
        (["Red", "Green", "Blue"], (), (0, 1, 2)),
        (["coastal", "blue", "green", "yellow", "red", "red edge", "nir"], (), (4, 2, 1)),
        (["a", "b", "c", "d"], (865, 655, 561, 482), (1, 2, 3)),
        (["a", "b", "c"], (1600, 2200, None), (2, 1, 0)),
        (["B2_Blue", "B3_Green", "B4_Red"], (None, None, None), (2, 1, 0)),
        (["only"], (), (0, 0, 0)),
    ],
)
def test_choice_of_bands(
    names: list[str], wavelengths: tuple[float | None, ...], expected: tuple[int, int, int]
) -> None:
    assert rgb_bands(names, wavelengths) == expected


def test_a_map_of_one_value_is_neither_good_nor_bad() -> None:
    report = make_report("red")
    tiles = tuple(replace(tile, q=0.9, indices={}) for tile in report.per_tile)
    maps = tile_maps(replace(report, per_tile=tiles))
    assert maps is not None
    png = base64.b64decode(maps.maps[0].uri.partition(",")[2])
    drawn = (255 * image.imread(io.BytesIO(png))).round().astype(int)
    assert drawn[0, 0].tolist() == list(mpl.colormaps["viridis"](0.5, bytes=True))
