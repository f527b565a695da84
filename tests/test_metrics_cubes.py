"""Judging a cube by its two sides."""

from __future__ import annotations

import math

import pytest
import torch

from pansharpkit.errors import OptionError
from pansharpkit.metrics import Raster
from pansharpkit.metrics.cubes import cube_resolution
from pansharpkit.model import ObservationModel, Psf
from pansharpkit.physics import Optics, degrade, spread_by
from pansharpkit.sampling import Sampling

SRF = torch.tensor([[0.5, 0.5, 0, 0, 0], [0, 0, 0.2, 0.3, 0.5]], dtype=torch.float64)
GAINS = (0.3, 0.3, 0.25, 0.3, 0.28)
SAMPLING = Sampling.edge_aligned(3)


def scene(
    size: tuple[int, int] = (108, 90),
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Optics]:
    """Return a true cube, its guide and its target."""
    generator = torch.Generator().manual_seed(3)
    base = torch.rand(2, *size, generator=generator, dtype=torch.float64)
    mix = torch.rand(5, 2, generator=generator, dtype=torch.float64) + 0.2
    truth = 100 * torch.tensordot(mix, base, dims=1) + 50
    coarse = degrade(truth, SAMPLING, (size[0] // 3, size[1] // 3), GAINS)
    return truth, torch.tensordot(SRF, truth, dims=1), coarse, Optics(GAINS, 0.3)


def test_the_truth_is_perfect_on_both_sides() -> None:
    truth, guide, coarse, optics = scene()
    found = cube_resolution(
        Raster.of(truth), Raster.of(guide), Raster.of(coarse), SAMPLING, optics, SRF
    )
    assert found.values["r_q2n"] == pytest.approx(1, abs=1e-9)
    assert found.values["r_sam_deg"] == pytest.approx(0, abs=1e-6)
    assert found.values["r_ergas"] == pytest.approx(0, abs=1e-9)
    assert found.values["consistency_error_percent"] == pytest.approx(0, abs=1e-9)
    assert found.values["guide_correlation"] == pytest.approx(1)
    assert found.values["guide_error_percent"] == pytest.approx(0, abs=1e-4)
    assert found.values["detail_correlation"] == pytest.approx(1)
    assert found.n_pixels == 108 * 90
    assert found.masked_fraction == 0
    assert all(len(bands) == 5 for bands in found.per_band.values())


def test_known_errors_are_measured() -> None:
    truth, guide, coarse, optics = scene()
    off = truth.clone()
    off[1] += 7.0  # the mean of a constant is kept by any PSF
    found = cube_resolution(
        Raster.of(off), Raster.of(guide), Raster.of(coarse), SAMPLING, optics, SRF
    )
    bands = found.per_band["consistency_error_percent"]
    assert bands[1] == pytest.approx(100 * 7 / float(coarse[1].mean()))
    assert max(b for i, b in enumerate(bands) if i != 1 and b is not None) < 1e-9
    assert found.per_band["rmse"][1] == pytest.approx(7)
    assert found.values["guide_correlation"] == pytest.approx(1)


def test_blurred_bands_lose_the_guides_detail() -> None:
    truth, guide, coarse, optics = scene()
    smooth = torch.nn.functional.avg_pool2d(truth[None], 3, 1, 1, count_include_pad=False)[0]
    found = cube_resolution(
        Raster.of(smooth), Raster.of(guide), Raster.of(coarse), SAMPLING, optics, SRF
    )
    mixed = torch.tensordot(SRF, smooth, dims=1)
    expected = [
        float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])
        for a, b in zip(mixed, guide, strict=True)
    ]
    assert found.values["guide_correlation"] == pytest.approx(sum(expected) / 2)
    assert found.values["detail_correlation"] < found.values["guide_correlation"]
    left = [
        100 * float(g.std(correction=0)) * math.sqrt(1 - r * r) / float(g.mean())
        for g, r in zip(guide, expected, strict=True)
    ]
    assert found.values["guide_error_percent"] == pytest.approx(sum(left) / 2)


def test_the_result_does_not_depend_on_the_window() -> None:
    truth, guide, coarse, optics = scene((160, 128))
    noisy = truth + torch.randn(truth.shape, generator=torch.Generator().manual_seed(1))
    mask = torch.ones(truth.shape[1:], dtype=torch.bool)
    mask[20:33, 50:71] = False
    coarse = degrade(truth, SAMPLING, (53, 42), GAINS)
    whole, parts = (
        cube_resolution(
            Raster.of(noisy, mask), Raster.of(guide), Raster.of(coarse), SAMPLING, optics, SRF,
            window=window,
        )
        for window in (512, 32)
    )  # fmt: skip
    for name, value in whole.values.items():
        assert value is not None, name
        assert parts.values[name] == pytest.approx(value, rel=1e-9), name
    assert whole.masked_fraction == pytest.approx(13 * 21 / (160 * 128))


def test_a_known_psf_stands_in_for_the_gains() -> None:
    truth, guide, _, optics = scene()
    psf = Psf(((0.1, 0.1, 0.0), (0.1, 0.4, 0.1), (0.0, 0.1, 0.1)), (0.3, -0.2))
    coarse = spread_by(truth, SAMPLING, (36, 30), psf)
    rows = tuple(tuple(row) for row in SRF.tolist())
    known = Optics(GAINS, 0.3, model=ObservationModel(rows, psf))
    rasters = Raster.of(truth), Raster.of(guide), Raster.of(coarse), SAMPLING
    exact = cube_resolution(*rasters, known, SRF).values["consistency_error_percent"]
    other = cube_resolution(*rasters, optics, SRF).values["consistency_error_percent"]
    assert exact == pytest.approx(0, abs=1e-9)
    assert other is not None
    assert other > 1


def test_bands_of_no_level_or_no_pixel_give_no_number() -> None:
    truth, guide, coarse, optics = scene()
    truth, coarse = truth.clone(), coarse.clone()
    truth[4], coarse[4] = 0.0, 0.0
    found = cube_resolution(
        Raster.of(truth), Raster.of(guide), Raster.of(coarse), SAMPLING, optics, SRF
    )
    assert found.per_band["consistency_error_percent"][4] is None
    nothing = torch.zeros(truth.shape[1:], dtype=torch.bool)
    found = cube_resolution(
        Raster.of(truth, nothing), Raster.of(guide), Raster.of(coarse), SAMPLING, optics, SRF
    )
    assert set(found.values.values()) == {None}
    assert found.per_band == {}


def test_sizes_and_bands_that_do_not_fit_are_refused() -> None:
    truth, guide, coarse, optics = scene()
    rasters = Raster.of(truth), Raster.of(guide), Raster.of(coarse), SAMPLING, optics
    with pytest.raises(OptionError, match="makes 2 bands of 4"):
        cube_resolution(*rasters, SRF[:, :4])
    with pytest.raises(OptionError, match="one grid"):
        cube_resolution(Raster.of(truth[:, :90]), *rasters[1:], SRF)
    with pytest.raises(OptionError, match="4 bands"):
        cube_resolution(Raster.of(truth[:4]), *rasters[1:], SRF)
