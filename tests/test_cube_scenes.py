"""Scenes of a guide and a cube: sensors, response, registration, and the pair one scale down."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from cube_pairs import CENTRES, FINE, MS, RATIO, SIZE, WIDTH_NM, CubePair, cube_pair, write
from rasterio.crs import CRS

from pansharpkit import registration
from pansharpkit.degraded import degraded_scene
from pansharpkit.errors import InputError, SensorError
from pansharpkit.evaluate import estimated_optics
from pansharpkit.grid import Grid
from pansharpkit.intake import SceneRequest, open_scene
from pansharpkit.matching import cube_sensor
from pansharpkit.model import ObservationModel, Psf
from pansharpkit.modelled import modelled
from pansharpkit.readers import ReadOptions, open_product
from pansharpkit.requested import BY_GUIDE, MethodRequest, seen_bands
from pansharpkit.scene import Scene
from pansharpkit.sensor import generic_sensor, load_sensor
from pansharpkit.sensor.coverage import pan_coverage
from pansharpkit.source import ArraySource
from pansharpkit.spectra import Spectra


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> CubePair:
    return cube_pair(tmp_path_factory.mktemp("pair"))


def opened(pair: CubePair, guide: str = "ms", sensor: str | None = "sentinel2a_msi") -> Scene:
    inputs = (str(getattr(pair, guide)), str(pair.cube))
    return open_scene(SceneRequest(inputs, guide_sensor=sensor))


def test_sensor_and_response_of_a_cube_and_ms(pair: CubePair) -> None:
    scene = opened(pair)
    assert [band.center_nm for band in scene.sensor.bands] == list(CENTRES)
    assert {band.fwhm_nm for band in scene.sensor.bands} == {WIDTH_NM}
    assert scene.guide_sensor is not None
    assert scene.guide_sensor.names == MS
    assert scene.model is not None
    rows = np.array(scene.model.srf)
    assert rows.shape == (4, 40)
    np.testing.assert_allclose(rows.sum(axis=1), 1)
    assert CENTRES[int(rows[1].argmax())] == pytest.approx(560, abs=15)


def test_a_cube_knows_which_bands_pan_sees(pair: CubePair) -> None:
    scene = opened(pair, "pan", "eo1_ali")
    seen = [CENTRES[i] for i in seen_bands(scene)]
    assert min(seen) > 450
    assert max(seen) < 720
    assert scene.sensor.pan_mtf == 0.11
    assert all(band.pan_coverage == 0 for band in scene.sensor.bands if (band.center_nm or 0) > 750)


@pytest.mark.parametrize(
    ("center", "expected"), [(300.0, 0), (399.0, 0.45), (550.0, 1), (701.0, 0.45), (900.0, 0)]
)
def test_pan_without_a_table_is_a_box(center: float, expected: float) -> None:
    prisma = load_sensor("prisma")
    assert pan_coverage(prisma, center, 10.0) == pytest.approx(expected, abs=0.06)
    assert pan_coverage(prisma, center, None) == pan_coverage(prisma, center, 10.0)
    assert pan_coverage(generic_sensor(1), center, 10.0) is None


def test_gains_come_from_the_nearest_band_of_the_preset() -> None:
    grid = Grid(2, 2, FINE, CRS.from_epsg(32633))
    source = ArraySource(grid, np.zeros((3, 2, 2)), ("a", "b", "c"))
    ali = load_sensor("eo1_ali")
    sensor, said = cube_sensor(source, Spectra((2230.0, 565.0, 3000.0)), ali)
    assert sensor.mtf == (0.25, 0.28, 0.30)  # B10, B4, none
    assert [band.mtf_is_default for band in sensor.bands] == [False, False, True]
    assert "do not ascend" in said[0]
    assert cube_sensor(source, None, None)[0].names == ("a", "b", "c")
    with pytest.raises(SensorError, match="3 bands"):
        cube_sensor(source, None, ali)


def test_the_response_is_fitted_to_the_guides_numbers(pair: CubePair) -> None:
    scene = opened(pair)
    assert scene.model is not None
    tripled = replace(scene, model=ObservationModel(
        tuple(tuple(3 * weight for weight in row) for row in scene.model.srf)
    ))  # fmt: skip
    fitted = modelled(tripled).model
    assert fitted is not None
    np.testing.assert_allclose(fitted.srf, scene.model.srf, rtol=0.02)


def _scaled_rows(model: ObservationModel, factor: float) -> ObservationModel:
    return ObservationModel(tuple(tuple(factor * weight for weight in row) for row in model.srf))


def test_the_response_of_a_file_is_fitted_and_doubted_like_that_of_presets(pair: CubePair) -> None:
    scene = opened(pair)
    assert scene.model is not None
    file = Path("model.json")
    good = modelled(scene, file)
    assert good.notices == scene.notices
    assert good.model == scene.model
    other_units = modelled(replace(scene, model=_scaled_rows(scene.model, 100)), file)
    np.testing.assert_allclose(other_units.model.srf, scene.model.srf, rtol=0.02)
    said = other_units.notices[len(scene.notices) :]
    assert len(said) == 1
    assert said[0].startswith("the response of ms.tif comes from model.json, times 0.01 (B02), ")
    for wrong in (_scaled_rows(scene.model, -1), ObservationModel(scene.model.srf[::-1])):
        said = modelled(replace(scene, model=wrong), file).notices
        assert "what model.json says of B02, " in said[-1]
    off = Psf(((1 / 16,) * 4,) * 4, (9.0, 0.0))
    said = modelled(replace(scene, model=ObservationModel(scene.model.srf, off)), file).notices
    assert "explains little of it" in said[-1]


def test_registration_of_a_cube_finds_a_shift(pair: CubePair, tmp_path: Path) -> None:
    assert registration.measure(opened(pair)).distance < 0.1
    moved = FINE @ Affine.translation(2, -3)  # columns, rows of the guide
    with_names = tuple(f"band {i} ({c:g} nm)" for i, c in enumerate(CENTRES, 1))
    coarse = open_scene(SceneRequest((str(pair.ms), str(pair.cube)))).target
    values, _ = coarse.read(coarse.grid.window)
    path = write(
        tmp_path / "moved.tif", values.astype(float), with_names,
        moved @ Affine.scale(RATIO), CENTRES,
    )  # fmt: skip
    found = registration.measure(open_scene(SceneRequest((str(pair.ms), str(path)))))
    assert found.reliable
    assert (found.shift_rows, found.shift_cols) == pytest.approx((3, -2), abs=0.2)


def test_one_scale_down_each_guide_band_has_its_own_blur(pair: CubePair) -> None:
    scene = opened(pair)
    coarse, truth = degraded_scene(scene)
    assert (truth.height, truth.width) == (SIZE[0] // RATIO, SIZE[1] // RATIO)
    assert coarse.reduced
    assert coarse.guide.names == MS
    assert coarse.guide_sensor is scene.guide_sensor
    assert coarse.model == scene.model
    window = coarse.guide.grid.window
    values, valid = coarse.guide.read(window)
    assert valid.all()
    # what the guide's bands show of the truth is what the response makes of it, up to their blur
    target, _ = scene.target.read(truth)
    assert scene.model is not None
    made = np.tensordot(np.array(scene.model.srf), target.astype(float), axes=1)
    assert np.abs(values - made).mean() < 0.02 * made.mean()


def test_one_scale_down_a_known_psf_blurs_the_cube(pair: CubePair) -> None:
    scene = opened(pair)
    assert scene.model is not None
    box = Psf(((1 / 16,) * 4,) * 4, (0.5, -0.5))
    coarse, truth = degraded_scene(replace(scene, model=replace(scene.model, psf=box)))
    fine, _ = scene.target.read(truth)
    values, _ = coarse.target.read(coarse.target.grid.window)
    assert coarse.sampling.phase == (1.5, 1.5)
    expected = fine[:, 4:8, 8:12].mean(axis=(1, 2))
    np.testing.assert_allclose(values[:, 1, 2], expected, rtol=1e-4)
    assert coarse.model is not None
    assert coarse.model.psf is not None
    assert coarse.model.psf.shift == (0.0, 0.0)


def test_the_default_depends_on_the_guide() -> None:
    asked = MethodRequest(BY_GUIDE)
    assert asked.for_guide(1).name == "mtf-glp-fs"
    assert asked.for_guide(4).name == "fuse"
    assert MethodRequest("gsa-hs").for_guide(4).name == "gsa-hs"
    assert asked.stand_in().create() is not None


def test_what_two_rasters_are(pair: CubePair, tmp_path: Path) -> None:
    few = write(tmp_path / "few.tif", np.ones((6, 24, 20)) * np.arange(1, 25)[:, None],
                tuple("abcdef"), FINE @ Affine.scale(RATIO))  # fmt: skip
    assert len(open_product([str(pair.ms), str(few)]).guide.names) == 4  # 6 of 4 is enough
    five = write(tmp_path / "five.tif", np.ones((5, 24, 20)) * np.arange(1, 25)[:, None],
                 tuple("abcde"), FINE)  # fmt: skip
    with pytest.raises(InputError, match="1 band, found 4"):
        open_product([str(pair.ms), str(five)])
    product = open_product([str(pair.pan), str(pair.cube)], ReadOptions(bands=("450-700nm",)))
    assert product.spectra is not None
    assert product.spectra.extent_nm == (458, 696)


def test_estimated_optics_are_for_pan_alone(pair: CubePair) -> None:
    assert len(estimated_optics(opened(pair, "pan", "eo1_ali")).mtf) == len(CENTRES)
