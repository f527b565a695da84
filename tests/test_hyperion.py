"""Hyperion products composed in the layout of USGS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from hs_products import HYPERION, PLACE, cube, write_hyperion
from rasters import write_geotiff

from pansharpkit.errors import FileReadError, GridError, InputError, MetadataError
from pansharpkit.grid import Window
from pansharpkit.readers import ReadOptions, open_cube
from pansharpkit.readers.cubes.cube import is_cube
from pansharpkit.readers.derived import StackedSource, bands_of
from pansharpkit.sensor import load_sensor
from pansharpkit.source import BandsOf

NUMBERS = [*range(8, 58), *range(77, 225)]


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a product with a hole and a band that is dead beside those never calibrated."""
    values = cube(11)
    values[:, :3] = 0
    folder = tmp_path_factory.mktemp("hyperion")
    write_hyperion(folder, values)
    write_geotiff(folder / f"{HYPERION}_B120_L1T.TIF", np.zeros_like(values[0]), PLACE)
    return folder


def test_calibrated_bands_become_one_cube(product: Path) -> None:
    assert is_cube(product)
    found = open_cube(product)
    numbers = [n for n in NUMBERS if n != 120]
    bands = load_sensor("hyperion").bands
    assert found.sensor_id == "hyperion"
    assert found.spectra is not None
    assert found.spectra.centers_nm == tuple(bands[n - 1].center_nm for n in numbers)
    assert found.spectra.fwhm_nm == tuple(bands[n - 1].fwhm_nm for n in numbers)
    assert found.source.names[0] == f"band 8 ({bands[7].center_nm:g} nm)"
    assert found.scaling == tuple((1 / 40 if n <= 70 else 1 / 80, 0.0) for n in numbers)
    assert found.metadata == {"ENTITY_ID": f"{HYPERION}_1T", "ACQUISITION_DATE": "2004-05-02"}
    assert "never calibrated" in found.notices[0]
    said = f"{HYPERION}: band 120 ({bands[119].center_nm:.0f} nm) left out: no data"
    assert found.notices[1] == said
    got, valid = found.source.read(Window(1, 2, 9, 5))
    expected = np.stack([cube(11)[n % 11] for n in numbers])[:, 1:10, 2:7]
    np.testing.assert_array_equal(got[:, 2:], expected[:, 2:])
    assert valid[2:].all()
    assert not valid[:2].any()


def test_bands_are_chosen_and_only_these_are_read(product: Path) -> None:
    found = open_cube(product / f"{HYPERION}_MTL_L1T.TXT", ReadOptions(bands=("430-500nm",)))
    assert found.spectra is not None
    assert found.spectra.extent_nm[1] < 500
    assert len(found.source.names) == len(found.spectra) == 7


def test_a_product_with_holes_in_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileReadError, match="2 band files are missing, the first is band 20;"):
        open_cube(write_hyperion(tmp_path, cube(5, 4, 5), without=(1, 20, 90)))


@pytest.mark.parametrize("scale", ["0", "none"])
def test_scales_that_make_no_sense_are_refused(tmp_path: Path, scale: str) -> None:
    with pytest.raises(MetadataError, match="SCALING_FACTOR_SWIR = "):
        open_cube(write_hyperion(tmp_path, cube(5, 4, 5), SCALING_FACTOR_SWIR=scale))


def test_bands_on_another_grid_are_refused(tmp_path: Path) -> None:
    metadata = write_hyperion(tmp_path, cube(5, 4, 5))
    place = PLACE @ Affine.translation(1, 0)
    write_geotiff(tmp_path / f"{HYPERION}_B100_L1T.TIF", cube(1, 4, 5)[0], place)
    with pytest.raises(GridError, match="1 pixels apart"):
        open_cube(metadata)


def test_bands_of_a_stack_keep_their_order_and_read_no_others(product: Path) -> None:
    stacked = open_cube(product).source.source  # type: ignore[attr-defined]
    assert isinstance(stacked, StackedSource)
    chosen = bands_of(stacked, (5, 0, 1))
    assert isinstance(chosen, StackedSource)
    assert len(chosen.parts) == 3
    assert chosen.names == tuple(stacked.names[i] for i in (5, 0, 1))
    twice = bands_of(StackedSource((stacked, BandsOf(stacked, (2,))), "twice"), (0, 1))
    assert twice.names == stacked.names[:2]
    window = Window(4, 4, 3, 3)
    np.testing.assert_array_equal(chosen.read(window)[0], stacked.read(window)[0][[5, 0, 1]])


def test_band_files_without_metadata_are_no_several_cubes(tmp_path: Path) -> None:
    write_hyperion(tmp_path / "scene", cube()).unlink()
    with pytest.raises(InputError, match="holds rasters, but no metadata of a cube"):
        open_cube(tmp_path / "scene")
