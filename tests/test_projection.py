"""SRF matrices: exact integrals, gaps and overlaps of bands, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pansharpkit.errors import SensorError
from pansharpkit.sensor import Band, Sensor, SpectralResponse, load_sensor
from pansharpkit.sensor.projection import cover, shares_nm, srf_matrix

GOLDEN = Path(__file__).parent / "golden"
FWHM = 2 * math.sqrt(2 * math.log(2))


def _sensor(wavelength: list[float], response: list[float]) -> Sensor:
    table = SpectralResponse(np.array(wavelength), np.array([response]), ("A",))
    return Sensor("test", "test camera", (Band("A"),), srf=table)


def _gaussian(centre: float, fwhm: float) -> Sensor:
    return Sensor("test", "test camera", (Band("A", center_nm=centre, fwhm_nm=fwhm),))


def test_a_flat_response_weighs_even_bands_alike() -> None:
    sensor = _sensor([500, 500.001, 899.999, 900], [0, 1, 1, 0])
    (row,) = srf_matrix(sensor, [510 + 10 * i for i in range(39)], [8] * 39)
    inner = np.array(row[2:-2])
    np.testing.assert_allclose(inner, inner[0], rtol=1e-6)
    assert sum(row) == pytest.approx(1)


def test_narrow_bands_read_the_response_at_their_centres() -> None:
    sensor = _sensor([500, 600, 700], [0, 1, 0])
    centres = np.arange(505.0, 700, 10)
    (row,) = srf_matrix(sensor, centres.tolist(), [1e-3] * centres.size)
    expected = 1 - np.abs(centres - 600) / 100
    np.testing.assert_allclose(row, expected / expected.sum(), atol=1e-9)


def test_gaussian_through_gaussian_is_a_gaussian() -> None:
    centres = np.arange(500.0, 700, 5)
    (row,) = srf_matrix(_gaussian(600, 40), centres.tolist(), [12] * centres.size)
    expected = np.exp(-0.5 * (centres - 600) ** 2 * FWHM**2 / (40**2 + 12**2))
    np.testing.assert_allclose(row, expected / expected.sum(), atol=2e-4)


@given(
    st.lists(st.floats(0, 1), min_size=4, max_size=9).filter(lambda r: max(r) > 0.1),
    st.floats(2, 40),
)
def test_integrals_are_exact(response: list[float], width: float) -> None:
    wavelength = np.linspace(450, 850, len(response))
    centres = np.arange(400.0, 901, 10)
    (row,) = srf_matrix(_sensor(wavelength.tolist(), response), centres.tolist(), [width] * 51)
    dense = np.linspace(450, 850, 40001)
    level = np.interp(dense, wavelength, response)
    bands = np.exp(-0.5 * ((dense - centres[:, None]) * FWHM / width) ** 2)
    expected = np.trapezoid(bands * level, dense, axis=1)
    np.testing.assert_allclose(row, expected / expected.sum(), atol=2e-6)


def test_columns_keep_the_order_of_the_cube() -> None:
    sensor = load_sensor("worldview2")
    centres = np.arange(400.0, 1060, 9)
    order = np.random.default_rng(0).permutation(centres.size)
    straight = np.array(srf_matrix(sensor, centres.tolist()))
    mixed = np.array(srf_matrix(sensor, centres[order].tolist()))
    np.testing.assert_allclose(mixed, straight[:, order], atol=1e-12)
    np.testing.assert_allclose(straight.sum(axis=1), 1)


def test_bands_of_two_detectors_share_what_both_see() -> None:
    sensor = _sensor([500, 500.1, 899.9, 900], [0, 1, 1, 0])
    once = np.array(srf_matrix(sensor, np.arange(505.0, 900, 10).tolist())[0])
    centres = [*np.arange(505.0, 900, 10), *np.arange(705.0, 900, 10)]
    twice = np.array(srf_matrix(sensor, centres)[0])
    assert twice[20:40].sum() == pytest.approx(twice[40:].sum(), rel=0.1)
    assert twice[20:].sum() == pytest.approx(once[20:].sum(), abs=0.02)


def test_a_gap_belongs_to_nobody() -> None:
    sensor = _sensor([500, 500.1, 899.9, 900], [0, 1, 1, 0])
    centres = [c for c in np.arange(505.0, 900, 10) if not 600 < c < 700]
    (row,) = srf_matrix(sensor, centres)
    assert max(row) < 2 * min(row[2:-2])
    assert cover(sensor, centres)[0] == pytest.approx(0.77, abs=0.02)


def test_shares_of_the_spectrum() -> None:
    assert shares_nm([500, 530, 510, 520], [10] * 4) == pytest.approx([10, 10, 10, 10])
    assert shares_nm([500, 510, 700, 710], [10] * 4) == pytest.approx([10, 15, 15, 10])


def test_a_gap_wider_than_half_a_band_is_refused_by_name() -> None:
    centres = np.arange(400.0, 700, 10).tolist()
    message = r"no overlap.* 0 % of the response of band NIR1 of .*WorldView-2.*\(395 to 695 nm\)"
    with pytest.raises(SensorError, match=message):
        srf_matrix(load_sensor("worldview2").subset(["Red", "NIR1"]), centres)
    (share,) = cover(load_sensor("worldview2").subset(["NIR1"]), centres)
    assert share < 0.05


@pytest.mark.parametrize(
    "centres", [[500.0, None, 520.0], [500.0, math.nan, 520.0], [500.0, 0.0, 520.0]]
)
def test_a_missing_wavelength_is_named(centres: list[float | None]) -> None:
    with pytest.raises(SensorError, match="no wavelength is known for band 2 of the cube"):
        srf_matrix(_gaussian(510, 20), centres)


def test_no_wavelengths_at_all() -> None:
    with pytest.raises(SensorError, match="no wavelength"):
        srf_matrix(_gaussian(510, 20), [])


def test_widths_must_match_the_wavelengths_and_may_be_unknown() -> None:
    centres = np.arange(400.0, 700, 10).tolist()
    with pytest.raises(SensorError, match="2 widths for 30 wavelengths"):
        srf_matrix(_gaussian(510, 20), centres, [10, 10])
    known = srf_matrix(_gaussian(510, 20), centres, [10.0] * 30)
    assert srf_matrix(_gaussian(510, 20), centres, [None, *[10.0] * 29]) == known


def test_a_band_of_which_nothing_is_known() -> None:
    sensor = Sensor("test", "test camera", (Band("B1"),))
    with pytest.raises(SensorError, match="band B1 of test camera has neither"):
        srf_matrix(sensor, [500.0, 510.0])


def test_pan_on_demand() -> None:
    sensor = load_sensor("landsat8_oli")
    assert sensor.pan is not None
    (row,) = srf_matrix(sensor, np.arange(400.0, 900, 5).tolist(), bands=[sensor.pan])
    assert 0.9 < sum(row[20:57]) <= 1  # 500 to 680 nm


def test_golden_matrix_of_paris() -> None:
    """The published fixture reads Gaussians at the centres of every fourth Hyperion band."""
    inputs = np.load(GOLDEN / "hs_paris_small_inputs.npz")
    text = json.loads((GOLDEN / "golden.json").read_text())["cases"]["hs_paris_small"]["srf"]
    figures = text.split("FWHM nm ")[1].split(" (")[0].split()
    bands = tuple(
        Band(f"B{i}", center_nm=float(c), fwhm_nm=float(w))
        for i, (c, w) in enumerate((figure.split("/") for figure in figures), start=2)
    )
    found = np.array(
        srf_matrix(Sensor("oli", "nominal", bands), inputs["wavelength_nm"].tolist(), [1e-3] * 32)
    )
    norms = np.linalg.norm(found, axis=1) * np.linalg.norm(inputs["SRF"], axis=1)
    cosine = (found * inputs["SRF"]).sum(axis=1) / norms
    assert (cosine[:5] > 0.99999).all()
    assert cosine[5] > 0.97  # at the edge of a gap of 350 nm, whose width ours counts
