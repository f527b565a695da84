"""STAC items, collection and catalogue of an archive, as pystac and the schemas see them."""

from __future__ import annotations

import io
import json
import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pystac
import pytest
from affine import Affine
from archive_scenes import HOSTILE, UTM30, entry, failed, profile, record, write_scene
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import image
from pyproj import Geod
from pystac.errors import STACValidationError
from rasterio.crs import CRS
from stac_schemas import check_catalogue, check_item

from pansharpkit.archive.stac import catalogue
from pansharpkit.archive.stac import item as stac
from pansharpkit.archive.stac.footprint import box_of, footprint, union
from pansharpkit.archive.thumbnail import SIDE, thumbnail
from pansharpkit.errors import FileReadError, MetadataError
from pansharpkit.grid import Grid
from pansharpkit.writer import sha256_of

NOON = datetime(2015, 6, 30, 10, 49, 14, tzinfo=UTC)


def grid(epsg: int | None, transform: Affine, size: tuple[int, int] = (1000, 1000)) -> Grid:
    return Grid(*size, transform, None if epsg is None else CRS.from_epsg(epsg))


ANTIMERIDIAN = grid(32660, Affine(100, 0, 700_000, 0, -100, 1_000_000), (2000, 2000))
NORTH_POLE = grid(3413, Affine(1000, 0, -500_000, 0, -1000, 500_000))
SOUTH_POLE = grid(3031, Affine(1000, 0, -500_000, 0, -1000, 500_000))
WORLD = grid(4326, Affine(1, 0, -180, 0, -1, 90), (180, 360))

# --- items


def test_an_item_is_valid_and_says_what_the_raster_says(tmp_path: Path) -> None:
    made = write_scene(tmp_path)
    path = stac.write_item(made, entry("scene", acquired=NOON), tmp_path)
    item = check_item(json.loads(path.read_text()))
    assert path == tmp_path / "scene" / "scene.json"
    assert item.datetime == NOON
    assert item.properties["proj:code"] == "EPSG:32630"
    assert item.properties["proj:shape"] == [48, 64]
    assert item.properties["proj:transform"] == [15, 0, 605_000, 0, -15, 4_745_000]
    assert item.properties["proj:bbox"] == [605_000, 4_744_280, 605_960, 4_745_000]
    assert item.properties["gsd"] == 15
    assert item.properties["processing:software"] == {"pansharpkit": "0.1.0", "gdal": "3.10.3"}
    assert "gsa" in item.properties["processing:lineage"]
    assert "ms.tif" in item.properties["processing:lineage"]
    assert item.properties["pansharpkit:hqnr"] == 0.93
    assert "pansharpkit:r2" not in item.properties  # has no value


def test_an_item_describes_its_bands(tmp_path: Path) -> None:
    scaled = profile(scales=(2e-5,) * 4, offsets=(-0.1,) * 4, area_or_point="Point")
    item = stac.item_of(write_scene(tmp_path, made=scaled), entry("scene"), tmp_path)
    bands = check_item(item).assets["fused"].extra_fields["bands"]
    assert bands[0] == {
        "name": "B2 Blue",
        "data_type": "uint16",
        "nodata": 0,
        "raster:sampling": "point",
        "raster:spatial_resolution": 15,
        "raster:scale": 2e-5,
        "raster:offset": -0.1,
        "eo:common_name": "blue",
        "eo:center_wavelength": 0.482,
        "eo:full_width_half_max": 0.06,
    }
    assert "eo:center_wavelength" not in bands[3]


def test_common_names_are_those_of_the_sensor_in_the_words_of_stac(tmp_path: Path) -> None:
    tags = {**profile().tags, "PANSHARPKIT_OPTIONS": '{"sensor": "landsat8_oli"}'}
    made = profile(band_names=("B2", "B6", "B7"), wavelengths_nm=(), fwhm_nm=(), tags=tags)
    item = stac.item_of(write_scene(tmp_path, made=made), entry("scene"), tmp_path)
    bands = check_item(item).assets["fused"].extra_fields["bands"]
    assert [band["eo:common_name"] for band in bands] == ["blue", "swir16", "swir22"]
    assert all(0.4 < band["eo:center_wavelength"] < 2.4 for band in bands)
    assert item["properties"]["pansharpkit:sensor"] == "landsat8_oli"  # type: ignore[index, call-overload]


def test_an_item_of_unknown_bands_leaves_the_extension_out(tmp_path: Path) -> None:
    made = profile(band_names=("a", "b"), wavelengths_nm=(), fwhm_nm=(), dtype="float32",
                   nodata=math.nan)  # fmt: skip
    item = stac.item_of(write_scene(tmp_path, made=made), entry("scene"), tmp_path)
    read = check_item(item)
    assert stac.EO not in read.stac_extensions
    assert read.assets["fused"].extra_fields["bands"][0]["nodata"] == "nan"


def test_checksums_and_sizes_are_those_of_the_files(tmp_path: Path) -> None:
    made = write_scene(tmp_path)
    item = check_item(json.loads(stac.write_item(made, entry("scene"), tmp_path).read_text()))
    item.set_self_href(str(tmp_path / "scene" / "scene.json"))
    assert set(item.assets) == {"fused", "quality", "quality-page", "thumbnail"}
    for asset in item.assets.values():
        path = Path(asset.get_absolute_href() or "")
        assert asset.extra_fields["file:checksum"] == "1220" + sha256_of(path)
        assert asset.extra_fields["file:size"] == path.stat().st_size
    assert item.assets["fused"].media_type == pystac.MediaType.COG
    assert item.assets["thumbnail"].roles == ["thumbnail"]
    assert item.assets["quality"].roles == ["metadata"]
    (validation,) = item.get_links("processing-validation")
    assert (tmp_path / "scene" / str(validation.target)).read_text() == "report of scene"


def test_an_item_leads_to_its_inputs(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    inputs = tuple(str(tmp_path / "in" / name) for name in ("pan 1%.tif", "ms.tif"))
    made = write_scene(tmp_path / "out")
    item = stac.item_of(made, entry("scene", inputs=inputs), tmp_path / "out")
    links = check_item(item).get_links("derived_from")
    assert [link.target for link in links] == ["../../in/pan%201%25.tif", "../../in/ms.tif"]
    (tmp_path / "in" / "a.json").write_text("{}")
    found = entry("scene", inputs=inputs, source=f"{tmp_path}/in/a.json, item a, item b")
    link, *files = check_item(stac.item_of(made, found, tmp_path / "out")).get_links("derived_from")
    assert (link.target, link.media_type) == ("../../in/a.json", "application/geo+json")
    assert len(files) == 2
    for source in (str(tmp_path / "in" / "a.json"), "/absent.json, item a", "manifest.csv, line 3"):
        found = entry("scene", inputs=inputs, source=source)
        item = check_item(stac.item_of(made, found, tmp_path / "out"))
        assert len(item.get_links("derived_from")) == 2
    remote = entry("scene", inputs=("s3://bucket/pan.tif",))
    (link,) = check_item(stac.item_of(made, remote, tmp_path / "out")).get_links("derived_from")
    assert link.target == "s3://bucket/pan.tif"


def test_a_date_is_no_moment_and_none_is_made_up(tmp_path: Path) -> None:
    made = write_scene(tmp_path)
    day = entry("scene", acquired=datetime(2015, 6, 30, tzinfo=UTC))
    found = check_item(stac.item_of(made, day, tmp_path)).properties
    assert found["datetime"] is None
    assert found["start_datetime"] == "2015-06-30T00:00:00Z"
    assert found["end_datetime"] == "2015-06-30T23:59:59Z"
    found = check_item(stac.item_of(made, entry("scene"), tmp_path)).properties
    assert found["datetime"] is None
    assert found["pansharpkit:undated"] is True
    assert found["start_datetime"].startswith("1900")
    assert found["end_datetime"] == found["created"]


def test_the_date_that_a_landsat_product_hands_down_counts(tmp_path: Path) -> None:
    tags = {"DATE_ACQUIRED": "2015-06-30", "SCENE_CENTER_TIME": "10:49:14.1234560Z"}
    made = write_scene(tmp_path, made=profile(tags=tags))
    found = check_item(stac.item_of(made, entry("scene"), tmp_path))
    assert found.datetime == NOON.replace(microsecond=123456)


def test_an_item_without_crs_has_neither_geometry_nor_box(tmp_path: Path) -> None:
    nowhere = Grid(48, 64, Affine.identity(), None)
    made = write_scene(tmp_path, made=profile(nowhere))
    item = stac.item_of(made, entry("scene"), tmp_path)
    read = check_item(item)
    assert item["geometry"] is None
    assert "bbox" not in item
    assert read.properties["proj:code"] is None
    assert read.properties["proj:shape"] == [48, 64]
    assert "gsd" not in read.properties


def test_a_crs_without_code_is_written_out(tmp_path: Path) -> None:
    crs = CRS.from_proj4("+proj=laea +lat_0=10 +lon_0=20 +ellps=GRS80 +units=km")
    made = write_scene(tmp_path, made=profile(Grid(20, 30, Affine(0.03, 0, 5, 0, -0.03, 9), crs)))
    found = check_item(stac.item_of(made, entry("scene"), tmp_path)).properties
    assert found["proj:code"] is None
    assert found["proj:wkt2"].startswith("PROJCRS[")
    assert found["gsd"] == 30


def test_degrees_are_given_in_metres(tmp_path: Path) -> None:
    made = write_scene(
        tmp_path, made=profile(Grid(20, 30, Affine(1e-4, 0, 10, 0, -1e-4, 60), CRS.from_epsg(4326)))
    )
    found = check_item(stac.item_of(made, entry("scene"), tmp_path)).properties
    assert found["gsd"] == pytest.approx(math.sqrt(11.141 * 5.580), rel=1e-3)


def test_what_is_hostile_stays_text(tmp_path: Path) -> None:
    made = write_scene(tmp_path, made=profile(band_names=("1", "2", "3", HOSTILE)))
    item = stac.item_of(made, entry("scene", inputs=(f"/in/{HOSTILE}",)), tmp_path)
    read = check_item(item)
    assert "\n" not in read.assets["fused"].extra_fields["bands"][3]["name"]
    assert not {*'<>"\n '} & {*read.get_links("derived_from")[0].target}


def test_a_scene_without_raster_has_no_item(tmp_path: Path) -> None:
    with pytest.raises(MetadataError, match="no raster"):
        stac.item_of(failed("scene"), entry("scene"), tmp_path)
    with pytest.raises(FileReadError, match=r"scene\.tif"):
        stac.item_of(record("scene"), entry("scene"), tmp_path)


def test_records_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    made = record("scene", write_scene(tmp_path).output, report_json="../../etc/passwd")
    with pytest.raises(MetadataError, match="leads out"):
        stac.item_of(made, entry("scene"), tmp_path)


def test_the_schemas_do_refuse(tmp_path: Path) -> None:
    item = stac.item_of(write_scene(tmp_path), entry("scene"), tmp_path)
    properties = item["properties"]
    assert isinstance(properties, dict)
    for name, value in (("proj:shape", [1]), ("proj:epsg", 32630), ("datetime", "yesterday"),
                        ("processing:software", "all")):  # fmt: skip
        with pytest.raises(STACValidationError):
            check_item({**item, "properties": {**properties, name: value}})


# --- where a raster lies


def test_an_outline_follows_the_edges_and_runs_anticlockwise() -> None:
    found = footprint(grid(32630, Affine(30, 0, 405_000, 0, -30, 4_745_000), (7000, 7000)))
    assert found is not None
    (ring,) = found.rings
    assert ring[0] == ring[-1]
    lon, lat = np.array(ring).T
    assert np.sum(lon[:-1] * lat[1:] - lon[1:] * lat[:-1]) > 0
    # The middle of the southern edge, which is a curve in degrees, lies on the outline.
    from pyproj import Transformer

    to_degrees = Transformer.from_crs(32630, 4326, always_xy=True)
    x, y = to_degrees.transform(405_000 + 105_000, 4_745_000 - 210_000)
    below = lat < lat.mean()
    order = np.argsort(lon[below])
    assert np.interp(x, lon[below][order], lat[below][order]) == pytest.approx(y, abs=2e-6)
    straight = to_degrees.transform(405_000, 4_745_000 - 210_000)[1]
    assert abs(straight - y) > 1e-3


def test_four_corners_are_enough_in_degrees() -> None:
    found = footprint(grid(4326, Affine(0.01, 0, 10, 0, -0.01, 50), (100, 200)))
    assert found is not None
    assert found.box == (10, 49, 12, 50)
    assert len(found.rings[0]) == 5


def test_the_antimeridian_parts_a_footprint() -> None:
    found = footprint(ANTIMERIDIAN)
    assert found is not None
    west, south, east, north = found.box
    assert west > 178
    assert east < -179
    assert found.to_geojson()["type"] == "MultiPolygon"
    lons = [np.array(ring)[:, 0] for ring in found.rings]
    assert sorted((lon.min() > 0, lon.max() <= 180) for lon in lons) == [
        (False, True),
        (True, True),
    ]
    assert all(lon.max() - lon.min() < 3 for lon in lons)
    assert box_of(found.rings) == pytest.approx((west, south, east, north))


@pytest.mark.parametrize(("where", "pole"), [(NORTH_POLE, 90), (SOUTH_POLE, -90)])
def test_a_pole_inside_is_covered(where: Grid, pole: int) -> None:
    found = footprint(where)
    assert found is not None
    assert found.box[0] == -180
    assert found.box[2] == 180
    assert pole in found.box
    assert all(abs(lat) > 83 for ring in found.rings for _, lat in ring)
    assert sum(np.ptp(np.array(ring)[:, 0]) for ring in found.rings) == pytest.approx(360)


@pytest.mark.parametrize(
    "where", [ANTIMERIDIAN, NORTH_POLE, SOUTH_POLE, WORLD], ids=["180", "north", "south", "world"]
)
def test_items_all_over_the_globe_are_valid(tmp_path: Path, where: Grid) -> None:
    coarse = Grid(10, 10, where.transform @ Affine.scale(where.width / 10, where.height / 10),
                  where.crs)  # fmt: skip
    item = stac.item_of(write_scene(tmp_path, made=profile(coarse)), entry("scene"), tmp_path)
    check_item(item)
    assert item["bbox"] == pytest.approx(footprint(where).box)  # type: ignore[union-attr]


@settings(max_examples=25)
@given(
    zone=st.integers(1, 60),
    east=st.floats(200_000, 800_000),
    north=st.floats(100_000, 8_900_000),
    size=st.tuples(st.integers(1, 3000), st.integers(1, 3000)),
    angle=st.floats(0, 90),
)
def test_footprints_have_the_area_of_their_rasters(
    zone: int, east: float, north: float, size: tuple[int, int], angle: float
) -> None:
    turned = Affine.translation(east, north) @ Affine.rotation(angle) @ Affine.scale(30, -30)
    where = grid(32600 + zone, turned, size)
    found = footprint(where)
    assert found is not None
    areas = [Geod(ellps="WGS84").polygon_area_perimeter(*zip(*r, strict=True))[0]
             for r in found.rings]  # fmt: skip
    assert all(area > 0 for area in areas)
    scale = 0.9996 * 0.9996  # of UTM at its central meridian; at its edges it is 1.002
    assert sum(areas) == pytest.approx(900 * size[0] * size[1] / scale, rel=0.008)
    points = np.array([point for ring in found.rings for point in ring])
    west, south, east, north = found.box
    assert np.abs(points).max(axis=0).tolist() <= [180, 90]
    assert south == points[:, 1].min()
    assert north == points[:, 1].max()
    assert (west > east) == (len(found.rings) == 2)


def test_no_footprint_without_crs_or_off_the_earth() -> None:
    assert footprint(grid(None, Affine.identity())) is None
    assert footprint(grid(32630, Affine(1e9, 0, 0, 0, -1e9, 0))) is None


def test_boxes_unite_the_short_way() -> None:
    assert union([]) is None
    assert union([(-10, 0, 10, 5), (20, -5, 30, 0)]) == (-10, -5, 30, 5)
    assert union([(170, 0, 175, 5), (-178, 2, -170, 9)]) == (170, 0, -170, 9)
    assert union([(175, 0, -175, 1), (-179, 2, -170, 9)]) == (175, 0, -170, 9)
    assert union([(-180, -90, 180, 90)]) == (-180, -90, 180, 90)
    assert union([(10, 0, 10, 0)]) == (10, 0, 10, 0)


# --- collection and catalogue


def test_a_catalogue_leads_to_every_item_with_relative_links(tmp_path: Path) -> None:
    names = ["a", "b", "ç"]
    for i, name in enumerate(names):
        made = write_scene(tmp_path, name)
        made = record(name, made.output, indices={"hqnr": 0.9 + i / 100}, method=f"m{i}")
        stac.write_item(made, entry(name, acquired=NOON.replace(year=2015 + i)), tmp_path)
    path = catalogue.write_catalogue(tmp_path, catalogue.stored_items(tmp_path, names))
    items = check_catalogue(path)
    assert [item.id for item in items] == names
    assert {item.collection_id for item in items} == {stac.COLLECTION_ID}
    collection = json.loads((tmp_path / "collection.json").read_text())
    assert collection["summaries"]["pansharpkit:hqnr"] == {"minimum": 0.9, "maximum": 0.92}
    assert collection["summaries"]["pansharpkit:method"] == ["m0", "m1", "m2"]
    assert collection["extent"]["temporal"]["interval"] == [
        ["2015-06-30T10:49:14Z", "2017-06-30T10:49:14Z"]
    ]
    hrefs = [link["href"] for link in collection["links"]]
    assert all(href.startswith("./") for href in hrefs)
    moved = tmp_path.with_name("moved")
    tmp_path.rename(moved)
    assert len(check_catalogue(moved / "catalog.json")) == 3
    moved.rename(tmp_path)


def test_an_empty_archive_has_a_valid_catalogue(tmp_path: Path) -> None:
    assert check_catalogue(catalogue.write_catalogue(tmp_path, [])) == []


def test_a_collection_does_not_guess_dates_and_places(tmp_path: Path) -> None:
    made = write_scene(tmp_path, made=profile(Grid(48, 64, Affine.identity(), None)))
    stac.write_item(made, entry("scene"), tmp_path)
    catalogue.write_catalogue(tmp_path, catalogue.stored_items(tmp_path, ["scene"]))
    check_catalogue(tmp_path / "catalog.json")
    collection = json.loads((tmp_path / "collection.json").read_text())
    assert collection["extent"]["temporal"]["interval"] == [[None, None]]
    assert "1 of 1" in collection["description"]


def test_broken_items_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, text in (("cut", '{"id"'), ("list", "[]"), ("poor", "{}")):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.json").write_text(text)
    found = list(catalogue.stored_items(tmp_path, ["cut", "list", "poor", "missing"]))
    assert found == []
    assert len(caplog.messages) == 4


# --- thumbnails


def pixels(jpeg: bytes) -> np.ndarray:
    assert jpeg.startswith(b"\xff\xd8\xff")
    return image.imread(io.BytesIO(jpeg), format="jpg")


def test_a_thumbnail_is_small_and_leaves_gaps_dark(tmp_path: Path) -> None:
    write_scene(tmp_path)
    found = pixels(thumbnail(tmp_path / "scene" / "scene.tif"))
    assert found.shape == (48, 64, 3)
    assert found[0].max() < 60
    assert found[30, 60].min() > 150


def test_a_huge_raster_has_a_thumbnail_of_the_same_size(tmp_path: Path) -> None:
    import rasterio

    path = tmp_path / "huge.tif"
    options = {"tiled": True, "blockxsize": 512, "blockysize": 512, "sparse_ok": True,
               "bigtiff": "yes"}  # fmt: skip
    with rasterio.open(path, "w", driver="GTiff", width=30_000, height=15_000, count=1,
                       dtype="uint16", nodata=0, crs="EPSG:32630",
                       transform=Affine(1, 0, 9, 0, -1, 9), **options) as raster:  # fmt: skip
        window = rasterio.windows.Window(0, 0, 512, 512)
        raster.write(np.arange(1, 513, dtype=np.uint16) * np.ones((1, 512, 1), np.uint16),
                     window=window)  # fmt: skip
    found = pixels(thumbnail(path))
    assert found.shape == (SIDE // 2, SIDE, 3)
    assert found[:8, 7].min() > 150
    assert found[16:, 16:].max() < 60


def test_a_thumbnail_of_nothing_and_of_a_line(tmp_path: Path) -> None:
    flat = Grid(1, 2000, UTM30.transform, UTM30.crs)
    write_scene(tmp_path, "line", profile(flat))
    assert pixels(thumbnail(tmp_path / "line" / "line.tif")).shape == (1, SIDE, 3)
    with pytest.raises(FileReadError):
        thumbnail(tmp_path / "absent.tif")
