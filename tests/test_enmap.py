"""EnMAP products composed in DLR's layout, and the real GeoTIFFs where they are at hand."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hs_products import ENMAP, PLACE, centers, cube, enmap_xml, write_enmap, write_envi
from rasters import write_geotiff

from pansharpkit.errors import FileReadError, GridError, InputError, MetadataError
from pansharpkit.grid import Window
from pansharpkit.readers import ReadOptions, open_cube
from pansharpkit.readers.cubes.cube import cube_files, is_cube

DATA = os.environ.get("PANSHARPKIT_DATA")


def layers(**flags: tuple[slice, slice]) -> dict[str, np.ndarray]:
    """Return quality layers of zeros, one or three where a flag lies."""
    found = {}
    for name, place in flags.items():
        found[name] = np.zeros((20, 24), np.uint8)
        found[name][place] = 3 if name == "CIRRUS" else 1
    return found


@pytest.mark.parametrize("by", ["folder", "parent", "metadata", "image", "tar"])
def test_a_product_opens_by_any_of_its_names(tmp_path: Path, by: str) -> None:
    metadata = write_enmap(tmp_path / "delivery" / "scene", cube())
    name = {
        "folder": metadata.parent,
        "parent": tmp_path / "delivery",
        "metadata": metadata,
        "image": metadata.with_name(f"{ENMAP.format('L2A')}-SPECTRAL_IMAGE.TIF"),
        "tar": tmp_path / "delivery.tar.gz",
    }[by]
    if by == "tar":
        with tarfile.open(name, "w:gz") as tar:
            tar.add(metadata.parent, "scene")
    assert is_cube(name)
    found = open_cube(name)
    assert found.sensor_id == "enmap"
    assert found.spectra is not None
    assert found.spectra.centers_nm == centers(12)
    assert found.spectra.fwhm_nm == (6.5,) * 12
    assert found.scaling == ((1e-4, 0.0),) * 12
    assert found.source.names[0] == "band 1 (450 nm)"
    assert found.source.grid.transform == PLACE
    assert found.metadata == {
        "startTime": "2022-07-24T10:45:26.123Z",
        "level": "L2A",
        "sunElevationAngle": "55.5",
    }
    assert found.notices == ()
    assert found.clouds is None
    got, valid = found.source.read(Window(2, 3, 4, 5))
    np.testing.assert_array_equal(got, cube()[:, 2:6, 3:8])
    assert valid.all()


def test_dead_bands_holes_and_negatives(tmp_path: Path) -> None:
    values = cube()
    values[[6, 7, 8]] = -32768
    values[:, :, :10] = -32768
    values[1, 3, 15] = -120
    found = open_cube(write_enmap(tmp_path, values))
    assert len(found.source.names) == 9
    assert "band 7" not in " ".join(found.source.names)
    assert found.spectra is not None
    assert len(found.spectra) == 9
    assert found.scaling is not None
    assert len(found.scaling) == 9
    assert "bands 7-9 (695-777 nm) left out: no data" in found.notices[0]
    got, valid = found.source.read(found.source.grid.window)
    assert valid.sum() == 20 * 14
    assert got[1, 3, 15] == -120
    assert (got[:, valid] != -32768).all()


def test_nodata_is_that_of_the_level_where_the_image_declares_none(tmp_path: Path) -> None:
    values = cube()
    values[:, :4] = 0
    found = open_cube(write_enmap(tmp_path, values.astype(np.uint16), "L1C", nodata=None))
    assert found.source.nodata == 0
    assert not found.source.read(Window(0, 0, 4, 24))[1].any()


def test_quality_layers_become_one_cloud_mask(tmp_path: Path) -> None:
    places = {
        "CLOUD": (slice(0, 2), slice(0, 3)),
        "CLOUDSHADOW": (slice(5, 6), slice(0, 3)),
        "CIRRUS": (slice(8, 9), slice(4, 9)),
        "HAZE": (slice(10, 20), slice(0, 24)),
    }
    quality = layers(**places)
    quality["CIRRUS"][12:, 12:] = 1  # thin cirrus stays in
    found = open_cube(write_enmap(tmp_path, cube(), quality=quality))
    assert found.clouds is not None
    assert found.clouds.grid == found.source.grid
    got, _ = found.clouds.read(found.source.grid.window)
    expected = np.zeros((20, 24), np.uint8)
    for name in ("CLOUD", "CLOUDSHADOW", "CIRRUS"):
        expected[places[name]] = 1
    np.testing.assert_array_equal(got[0], expected)


def test_clear_layers_mask_nothing_and_a_broken_one_is_said(tmp_path: Path) -> None:
    quality = {"CLOUD": np.zeros((20, 24), np.uint8), "CIRRUS": np.ones((5, 5), np.uint8)}
    metadata = write_enmap(tmp_path, cube(), quality=quality)
    broken = metadata.with_name(f"{ENMAP.format('L2A')}-QL_QUALITY_CLOUDSHADOW.TIF")
    broken.write_bytes(b"II*\0junk")
    found = open_cube(metadata)
    assert found.clouds is None
    said = " ".join(found.notices)
    assert "clouds are not masked by QL_QUALITY_CLOUDSHADOW" in said
    assert "clouds are not masked by QL_QUALITY_CIRRUS" in said


def test_bands_that_were_not_expected_are_left_out(tmp_path: Path) -> None:
    numbers = ",".join(str(i) for i in range(1, 12))
    found = open_cube(write_enmap(tmp_path, cube(), expected=numbers))
    assert found.notices[0].endswith("band 12 (900 nm) left out: marked bad")


@pytest.mark.parametrize("numbers", ["1,a,3", "1,2,2,3", "1,2,99", "1-12", "9" * 5000])
def test_lists_of_channels_that_are_none_are_ignored(tmp_path: Path, numbers: str) -> None:
    found = open_cube(write_enmap(tmp_path, cube(), expected=numbers))
    assert len(found.source.names) == 12
    assert "lists of expected channels are ignored" in found.notices[0]


def test_what_the_image_declares_missing_counts_before_the_level(tmp_path: Path) -> None:
    values = cube().astype(np.uint16)
    values[:, :4] = 65535
    found = open_cube(write_enmap(tmp_path, values, "L1C", nodata=65535))
    assert found.source.nodata == 65535
    assert not found.source.read(Window(0, 0, 4, 24))[1].any()


def test_long_metadata_are_read(tmp_path: Path) -> None:
    metadata = write_enmap(tmp_path, cube())
    many = "<deadPixel>1</deadPixel>" * 150_000
    metadata.write_text(metadata.read_text().replace("</specific>", f"{many}</specific>"))
    assert len(open_cube(metadata).source.names) == 12


def test_level_1b_is_refused_with_its_reason(tmp_path: Path) -> None:
    metadata = write_enmap(tmp_path, cube(), "L1B")
    with pytest.raises(GridError, match="VNIR and SWIR do not show the same ground yet; order"):
        open_cube(metadata)


def test_one_detector_of_level_1b_is_refused_as_well(tmp_path: Path) -> None:
    metadata = write_enmap(tmp_path, cube(), "L1B")
    image = metadata.with_name(f"{ENMAP.format('L1B')}-SPECTRAL_IMAGE.TIF")
    vnir = image.rename(image.with_name(f"{ENMAP.format('L1B')}-SPECTRAL_IMAGE_VNIR.TIF"))
    with pytest.raises(GridError, match="is EnMAP level L1B"):
        open_cube(vnir)


def test_an_incomplete_product_says_what_is_missing(tmp_path: Path) -> None:
    metadata = write_enmap(tmp_path, cube())
    image = metadata.with_name(f"{ENMAP.format('L2A')}-SPECTRAL_IMAGE.TIF")
    image.rename(tmp_path / "elsewhere.dat")
    with pytest.raises(FileReadError, match=r"SPECTRAL_IMAGE\.TIF is missing"):
        open_cube(metadata)
    write_envi(image.with_suffix(".BSQ"), cube())
    with pytest.raises(FileReadError, match=r"only GeoTIFF and JPEG 2000 are read"):
        open_cube(metadata)
    (tmp_path / "elsewhere.dat").rename(image)
    metadata.unlink()
    with pytest.raises(FileReadError, match=r"its METADATA\.XML is missing"):
        open_cube(image)


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ('number="3"', 'number="99"', MetadataError, "not numbered 1 to 12"),
        ('number="3"', 'number="x"', MetadataError, "a band has the number 'x'"),
        ("<FWHMOfBand>6.5</FWHMOfBand>", "", MetadataError, "has no FWHMOfBand"),
        ("0.0001", "nan", MetadataError, "is not a finite number"),
        ("bandCharacterisation", "bands", MetadataError, "lists no bands"),
        ("</level_X>", "", MetadataError, "cut off"),
    ],
)
def test_broken_metadata_are_one_clear_line(
    tmp_path: Path, old: str, new: str, error: type[InputError], message: str
) -> None:
    metadata = write_enmap(tmp_path, cube())
    metadata.write_text(metadata.read_text().replace(old, new))
    with pytest.raises(error, match=message) as caught:
        open_cube(metadata)
    assert "\n" not in str(caught.value)


def test_wavelengths_that_are_none_are_named(tmp_path: Path) -> None:
    metadata = write_enmap(tmp_path, cube())
    metadata.write_text(metadata.read_text().replace(">450.0<", ">0<"))
    with pytest.raises(MetadataError, match=r"METADATA\.XML: .*found 0 nm; get"):
        open_cube(metadata)


def test_metadata_of_another_image_are_refused(tmp_path: Path) -> None:
    metadata = write_enmap(tmp_path, cube())
    metadata.write_text(enmap_xml("L2A", 13))
    with pytest.raises(InputError, match=r"has 12 bands, .* lists 13"):
        open_cube(metadata)


def test_two_products_in_a_folder_are_not_guessed_between(tmp_path: Path) -> None:
    write_enmap(tmp_path / "a", cube())
    write_enmap(tmp_path / "b", cube(), "L1C")
    with pytest.raises(InputError, match="holds several cubes"):
        open_cube(tmp_path)


def test_files_of_a_product_are_those_of_its_folder(tmp_path: Path) -> None:
    metadata = write_enmap(tmp_path, cube())
    assert set(cube_files(tmp_path)) == set(tmp_path.iterdir())
    assert cube_files(metadata) == (metadata,)


def test_a_plain_raster_is_not_surely_a_cube(tmp_path: Path) -> None:
    assert not is_cube(write_geotiff(tmp_path / "a.tif", cube(), PLACE))
    assert not is_cube(tmp_path / "none")


@pytest.mark.skipif(DATA is None, reason="PANSHARPKIT_DATA names no folder of real scenes")
@pytest.mark.parametrize(("name", "share"), [("rect", 1.0), ("mosaic_holes", 0.6)])
def test_real_cubes(name: str, share: float) -> None:
    path = Path(str(DATA)) / "hs_enmap_potsdam" / f"enmap_potsdam_{name}.tif"
    found = open_cube(path)
    assert found.sensor_id == "enmap"
    assert found.notices == (f"{path.name}: bands 130-135 (1331-1391 nm) left out: no data",)
    assert found.spectra is not None
    assert len(found.spectra) == len(found.source.names) == 218
    assert found.spectra.extent_nm == (418.24, 2445.53)
    assert not found.spectra.ascending  # the detectors overlap
    got, valid = found.source.read(found.source.grid.window)
    assert valid.mean() == pytest.approx(share, abs=1e-6)
    assert got[:, valid].min() == -496
    swir = open_cube(path, ReadOptions(bands=("2000-2500nm",)))
    assert all(c > 2000 for c in swir.spectra.centers_nm)  # type: ignore[union-attr]


@pytest.mark.skipif(DATA is None, reason="PANSHARPKIT_DATA names no folder of real scenes")
def test_real_pixels_in_the_layout_of_a_product(tmp_path: Path) -> None:
    plain = Path(str(DATA)) / "hs_enmap_potsdam" / "enmap_potsdam_mosaic_holes.tif"
    with rasterio.open(plain) as dataset:
        values = dataset.read()
        nm = [float(text.split("(")[1].split()[0]) for text in dataset.descriptions]
    metadata = write_enmap(tmp_path, values)
    metadata.write_text(enmap_xml("L2A", 224, nm))
    one, other = open_cube(metadata), open_cube(plain)
    assert one.spectra is not None
    assert other.spectra is not None
    assert one.spectra.centers_nm == other.spectra.centers_nm
    window = Window(40, 30, 60, 70)
    for first, second in zip(one.source.read(window), other.source.read(window), strict=True):
        np.testing.assert_array_equal(first, second)
