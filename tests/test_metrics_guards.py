"""The guards beside HQNR."""

from __future__ import annotations

import math

import pytest
import torch
from metric_images import noisy, texture
from torch import Tensor

from pansharpkit.metrics import Indices, Raster, full_resolution
from pansharpkit.physics import Optics, PairOptics, degrade
from pansharpkit.sampling import Sampling

SAMPLING = Sampling.edge_aligned(4)
SIZE, SMALL = (160, 160), (40, 40)
OPTICS = Optics((0.3, 0.3), 0.15)


def judge(
    fused: Tensor, pan: Tensor, ms: Tensor | None = None, estimated: PairOptics | None = None
) -> Indices:
    if ms is None:
        ms = degrade(fused, SAMPLING, SMALL, OPTICS.mtf)
    return full_resolution(
        Raster.of(fused),
        Raster.of(pan),
        Raster.of(ms),
        SAMPLING,
        OPTICS,
        red_nir=(0, 1),
        estimated=estimated,
    )


def half_flat_pan() -> Tensor:
    """A PAN that is flat on its left and textured on its right."""
    pan = texture(1, *SIZE)
    pan[..., :80] = 500 + 0.001 * (pan[..., :80] - 500)
    return pan


def test_detail_that_follows_pan_correlates() -> None:
    pan = texture(1, *SIZE)
    fused = torch.cat([2 * pan + 30, 1500 - pan])
    bands = judge(fused, pan).per_band["detail_correlation"]
    assert bands == pytest.approx((1, -1), abs=1e-9)


def test_detail_of_another_image_does_not_correlate() -> None:
    other = texture(2, *SIZE, seed=33)
    found = judge(other, texture(1, *SIZE)).values["detail_correlation"]
    assert found == pytest.approx(0, abs=0.1)


def test_a_flat_image_has_no_detail() -> None:
    flat = torch.full((2, *SIZE), 400.0, dtype=torch.float64)
    values = judge(flat, texture(1, *SIZE)).values
    assert values["detail_correlation"] == 0
    assert values["ripple_percent"] == pytest.approx(0, abs=1e-9)


def test_ripple_is_the_rms_of_waves_in_flat_areas() -> None:
    """A fine wave of known amplitude, and much stronger texture where PAN has texture."""
    pan = half_flat_pan()
    wave = 20 * torch.cos(math.pi * torch.arange(160) * 0.9).double()
    fused = torch.full((2, *SIZE), 400.0, dtype=torch.float64) + wave
    fused[..., 80:] += texture(1, *SIZE)[..., 80:] - 500
    indices = judge(fused, pan)
    expected = 100 * 20 / math.sqrt(2) / float(fused.mean())
    assert indices.values["ripple_percent"] == pytest.approx(expected, rel=0.03)
    assert indices.values["pan_ripple_percent"] < 0.1  # type: ignore[operator]


def test_pan_has_its_own_ripple() -> None:
    pan = noisy(half_flat_pan(), 10)
    indices = judge(pan.expand(2, -1, -1), pan)
    assert indices.values["ripple_percent"] == pytest.approx(indices.values["pan_ripple_percent"])
    expected = 100 * 10 / float(pan.mean())
    assert indices.values["pan_ripple_percent"] == pytest.approx(expected, rel=0.2)


def test_consistency_error_is_relative_to_the_band_mean() -> None:
    fused = texture(2, *SIZE)
    ms = degrade(fused, SAMPLING, SMALL, OPTICS.mtf)
    exact = judge(fused, fused[:1], ms)
    assert exact.values["consistency_error_percent"] == pytest.approx(0, abs=1e-9)
    off = judge(fused, fused[:1], 1.25 * ms).per_band["consistency_error_percent"]
    spread = [float(band.square().mean().sqrt() / band.mean()) for band in ms]
    assert off == pytest.approx([100 * 0.2 * s for s in spread], rel=1e-9)


def test_ndvi_drift() -> None:
    red, nir = texture(1, *SIZE), texture(1, *SIZE, seed=8) + 700
    fused = torch.cat([red, nir])
    ms = degrade(fused, SAMPLING, SMALL, OPTICS.mtf)
    assert judge(fused, red, ms).values["ndvi_drift"] == pytest.approx(0, abs=1e-12)
    moved = ms.clone()
    moved[0] *= 1.1
    before, after = ((m[1] - m[0]) / (m[1] + m[0]) for m in (ms, moved))
    expected = float((before - after).abs().mean())
    assert judge(fused, red, moved).values["ndvi_drift"] == pytest.approx(expected, rel=1e-9)


def test_ndvi_needs_its_bands() -> None:
    fused = texture(2, *SIZE)
    indices = full_resolution(
        Raster.of(fused), Raster.of(fused[:1]), Raster.of(fused[:, ::4, ::4]), SAMPLING, OPTICS
    )
    assert indices.values["ndvi_drift"] is None
    assert "ndvi_drift" not in indices.intervals


def test_overshoot_counts_pixels_beyond_their_surroundings() -> None:
    ms = texture(2, *SMALL)
    nearest = ms.repeat_interleave(4, dim=1).repeat_interleave(4, dim=2)
    flat = torch.full((1, *SIZE), 500.0, dtype=torch.float64)
    assert judge(nearest, flat, ms).values["overshoot_percent"] == 0
    spiky = nearest.clone()
    spiky[0, ::8, ::8] = 5000
    spiky[0, 4::8, 4::8] = -5000
    bands = judge(spiky, flat, ms).per_band["overshoot_percent"]
    assert bands == (pytest.approx(100 * 2 / 64), 0)


def test_contrast_of_pan_is_no_overshoot() -> None:
    """A bright line in PAN may be as bright in the fused image."""
    pan = torch.full((1, *SIZE), 500.0, dtype=torch.float64)
    pan[:, 80] = 1000
    ms = torch.full((2, *SMALL), 300.0, dtype=torch.float64)
    low = torch.full((2, *SIZE), 300.0, dtype=torch.float64)
    line = low.clone()
    line[:, 80] = 450
    assert judge(line, pan, ms).values["overshoot_percent"] == 0
    line[:, 80] = 900
    assert judge(line, pan, ms).values["overshoot_percent"] == pytest.approx(100 / 160)
    away = low.clone()
    away[:, 20] = 450
    assert judge(away, pan, ms).values["overshoot_percent"] == pytest.approx(100 / 160)


def test_estimated_optics_explain_what_the_preset_does_not() -> None:
    fused = texture(2, *SIZE)
    bent = PairOptics((0.45, 0.2), ((0.4, -0.3), (-0.2, 0.5)), (1.0, 1.0), (0.0, 0.0))
    ms = bent.degraded(fused, SAMPLING, SMALL)
    known = judge(fused, fused[:1], ms, bent).values
    assert known["consistency_error_estimated_percent"] == pytest.approx(0, abs=1e-9)
    assert known["ndvi_drift_estimated"] == pytest.approx(0, abs=1e-12)
    assert known["consistency_error_percent"] > 0.1  # type: ignore[operator]


def test_without_estimated_optics_there_is_no_error_by_them() -> None:
    fused = texture(2, *SIZE)
    indices = judge(fused, fused[:1])
    assert indices.values["consistency_error_estimated_percent"] is None
    assert indices.values["ndvi_drift_estimated"] is None
    assert indices.definitions["estimated"] == "none"


def test_error_by_estimated_optics_does_not_depend_on_the_window() -> None:
    fused = texture(2, *SIZE)
    bent = PairOptics((0.45, 0.2), ((0.4, -0.3), (-0.2, 0.5)), (1.0, 1.0), (0.0, 0.0))
    ms = Raster.of(degrade(fused, SAMPLING, SMALL, OPTICS.mtf))
    found = [
        full_resolution(
            Raster.of(fused), Raster.of(fused[:1]), ms, SAMPLING, OPTICS,
            estimated=bent, window=side,
        ).values["consistency_error_estimated_percent"]
        for side in (32, 160)
    ]  # fmt: skip
    assert found[0] == pytest.approx(found[1], rel=1e-9)
