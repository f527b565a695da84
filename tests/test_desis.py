"""DESIS products composed in DLR's layout."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hs_products import DESIS, PLACE, centers, cube, desis_xml, write_desis

from pansharpkit.errors import FileReadError, GridError, InputError, MetadataError
from pansharpkit.grid import Window
from pansharpkit.readers import ReadOptions, open_cube
from pansharpkit.readers.cubes.cube import is_cube


@pytest.mark.parametrize("by", ["folder", "metadata", "image", "zip"])
@pytest.mark.parametrize("level", ["L1C", "L2A"])
def test_a_product_opens_by_any_of_its_names(tmp_path: Path, by: str, level: str) -> None:
    metadata = write_desis(tmp_path / "scene", cube(), level)
    name = {
        "folder": metadata.parent,
        "metadata": metadata,
        "image": metadata.with_name(f"{DESIS.format(level)}-SPECTRAL_IMAGE.tif"),
        "zip": tmp_path / "scene.zip",
    }[by]
    if by == "zip":
        with zipfile.ZipFile(name, "w") as archive:
            for file in metadata.parent.iterdir():
                archive.write(file, f"scene/{file.name}")
    assert is_cube(name)
    found = open_cube(name)
    assert found.sensor_id == "desis"
    assert found.spectra is not None
    assert found.spectra.centers_nm == centers(12)
    assert found.spectra.fwhm_nm == (3.5,) * 12
    assert found.scaling == ((1e-4, 0.0),) * 12
    assert found.source.nodata == -32768
    assert found.source.grid.transform == PLACE
    assert found.metadata["startTime"] == "2023-06-07T15:39:35.1Z"
    assert found.metadata["productType"] == level
    np.testing.assert_array_equal(found.source.read(Window(1, 2, 5, 6))[0], cube()[:, 1:6, 2:8])


def test_background_is_missing(tmp_path: Path) -> None:
    values = cube()
    values[:, 15:] = -32768
    values[11] = -32768
    found = open_cube(write_desis(tmp_path, values))
    assert len(found.source.names) == 11
    assert "band 12 (900 nm) left out: no data" in found.notices[0]
    _, valid = found.source.read(found.source.grid.window)
    assert valid[:15].all()
    assert not valid[15:].any()


def test_clouds_and_shadows_are_told_by_the_quality_layer(tmp_path: Path) -> None:
    quality = np.zeros((10, 20, 24), np.uint8)
    quality[0, :2] = 1  # shadow
    quality[1] = 1  # land
    quality[3, 3] = 1  # haze over land
    quality[5, 4:6] = 1  # cloud over land
    quality[6, 7] = 1  # cloud over water
    quality[8] = 30  # optical thickness
    found = open_cube(write_desis(tmp_path, cube(), quality=quality))
    assert found.clouds is not None
    got, _ = found.clouds.read(found.source.grid.window)
    assert np.flatnonzero(got[0].all(1)).tolist() == [0, 1, 4, 5, 7]
    assert got.sum() == 5 * 24


def test_a_quality_layer_of_too_few_bands_is_said(tmp_path: Path) -> None:
    found = open_cube(write_desis(tmp_path, cube(), quality=np.ones((2, 20, 24), np.uint8)))
    assert found.clouds is None
    assert "clouds are not masked by QL_QUALITY-2" in found.notices[0]


def test_level_1b_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GridError, match="level L1B, which is not on a map; order"):
        open_cube(write_desis(tmp_path, cube(), "L1B"))


def test_an_image_without_metadata_is_refused(tmp_path: Path) -> None:
    metadata = write_desis(tmp_path, cube())
    metadata.unlink()
    with pytest.raises(FileReadError, match=r"its METADATA\.xml is missing"):
        open_cube(tmp_path / f"{DESIS.format('L2A')}-SPECTRAL_IMAGE.tif")


def test_the_bands_of_another_list_do_not_count(tmp_path: Path) -> None:
    metadata = write_desis(tmp_path, cube())
    assert "interiorOrientation" in metadata.read_text()
    assert len(open_cube(metadata).source.names) == 12
    metadata.write_text(desis_xml("L2A", 14))
    with pytest.raises(InputError, match=r"has 12 bands, .* lists 14"):
        open_cube(metadata)
    metadata.write_text(desis_xml("L2A", 12).replace("bandCharacterisation", "other"))
    with pytest.raises(MetadataError, match="lists no bands"):
        open_cube(metadata)


def test_bands_are_chosen_by_wavelength(tmp_path: Path) -> None:
    found = open_cube(write_desis(tmp_path, cube()), ReadOptions(bands=("450-600nm",)))
    assert found.spectra is not None
    assert max(found.spectra.centers_nm) < 600
