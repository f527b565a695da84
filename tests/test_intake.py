"""Which band is which, when files do not say it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from rasters import make_pair, write_geotiff
from scenes import MS, PAN, demo_source

from pansharpkit.errors import SensorError
from pansharpkit.intake import SceneRequest, open_scene


def request(folder: Path, names: tuple[str, ...] | None, **changes: object) -> SceneRequest:
    """Return a request for the demo scene, its MS bands described by `names`."""
    pan, ms = demo_source(PAN), demo_source(MS)
    paths = []
    for source, described in ((pan, ("PAN",)), (ms, names)):
        values = source.values[:, :120, :120]
        paths.append(
            write_geotiff(
                folder / source.label, values, source.grid.transform, source.grid.crs,
                nodata=0, names=described or (),
            )
        )  # fmt: skip
    return dataclasses.replace(SceneRequest(tuple(str(path) for path in paths)), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "names",
    [
        ("B2", "B3", "B4", "B5"),
        ("B2 Blue", "B3 Green", "B4 Red", "B5 NIR"),
        ("blue", "green", "red", "nir"),
        None,
    ],
)
def test_four_bands_of_landsat_are_recognised(
    tmp_path: Path, names: tuple[str, ...] | None
) -> None:
    scene = open_scene(request(tmp_path, names, sensor="landsat8_oli"))
    assert scene.sensor.names == ("B2", "B3", "B4", "B5")
    assert bool(scene.notices) == (names is None)


def test_the_order_of_the_file_is_kept(tmp_path: Path) -> None:
    scene = open_scene(request(tmp_path, ("B5", "B4", "B3", "B2"), sensor="L8"))
    assert scene.sensor.names == ("B5", "B4", "B3", "B2")


def test_band_names_can_be_given(tmp_path: Path) -> None:
    names = ("nir", "red", "green", "blue")
    scene = open_scene(request(tmp_path, None, sensor="L8", band_names=names))
    assert scene.sensor.names == ("B5", "B4", "B3", "B2")
    with pytest.raises(SensorError, match="4 bands, --band-names gives 2"):
        open_scene(request(tmp_path, None, band_names=("red", "nir")))


def test_bands_that_cannot_be_told_apart_are_asked_for(tmp_path: Path) -> None:
    first = request(tmp_path, None, sensor="L8")
    three = tmp_path / "three.tif"
    ms = demo_source(MS)
    write_geotiff(three, ms.values[:3, :120, :120], ms.grid.transform, ms.grid.crs)
    with pytest.raises(SensorError, match="--band-names"):
        open_scene(dataclasses.replace(first, inputs=(first.inputs[0], str(three))))


def test_as_many_bands_as_the_sensor_has_are_taken_in_its_order(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, bands=8)
    scene = open_scene(SceneRequest((str(pair.pan), str(pair.ms)), sensor="worldview2"))
    assert len(scene.sensor.bands) == 8
    assert "order of worldview2" in scene.notices[0]


def test_without_a_sensor_colours_come_from_the_names(tmp_path: Path) -> None:
    scene = open_scene(request(tmp_path, ("B2 Blue", "B3 Green", "B4 Red", "B5 NIR")))
    assert scene.sensor.id == "generic"
    assert [band.common_name for band in scene.sensor.bands] == ["blue", "green", "red", "nir"]
    assert np.unique(scene.sensor.mtf).tolist() == [0.3]


def test_single_band_files_without_distinct_names_are_numbered(tmp_path: Path) -> None:
    first = request(tmp_path, None, sensor="L8")
    ms = demo_source(MS)
    paths = []
    for band in range(4):
        (tmp_path / str(band)).mkdir()
        values = ms.values[band : band + 1, :120, :120]
        path = tmp_path / str(band) / "ms.tif"
        paths.append(write_geotiff(path, values, ms.grid.transform, ms.grid.crs))
    several = (first.inputs[0], *(str(path) for path in paths))
    scene = open_scene(dataclasses.replace(first, inputs=several))
    assert scene.target.names == ("band 1", "band 2", "band 3", "band 4")
    assert scene.sensor.names == ("B2", "B3", "B4", "B5")
