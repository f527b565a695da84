"""Maps of single blocks: what they hold, and where they lie."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from metric_images import noisy, texture

from pansharpkit.metrics import Raster, blockmaps, full_resolution
from pansharpkit.metrics.blocks import pair_quality
from pansharpkit.metrics.cubes import cube_resolution
from pansharpkit.metrics.noreference import spatial_distortions, spectral_distortion
from pansharpkit.physics import Optics, degrade
from pansharpkit.sampling import Sampling

OPTICS = Optics((0.3, 0.3, 0.28), 0.15)


def test_a_block_alone_has_the_index_of_a_scene_of_one_block() -> None:
    fused, exp = (torch.cat([texture(3, 32, 64, s), texture(1, 32, 64, s + 9)]) for s in (0, 5))
    mask = torch.ones(32, 64, dtype=torch.bool)
    mask[:, 32:52] = False
    fine, below = (pair_quality(image, mask, (32, 32)) for image in (fused, exp))
    found = blockmaps.distortions(fine, below)
    pair = [image.values[:, 0, 0].reshape(4, 4) for image in (fine, below)]
    assert found["d_lambda"][0, 0] == pytest.approx(spectral_distortion(*pair, 3), abs=1e-6)
    assert found["d_s"][0, 0] == pytest.approx(np.mean(spatial_distortions(*pair)), abs=1e-6)
    assert found["d_s"].isnan().tolist() == [[False, True]]


def test_one_band_has_no_spectral_distortion() -> None:
    pair = pair_quality(texture(2, 32, 32), torch.ones(32, 32, dtype=torch.bool), (32, 32))
    assert set(blockmaps.distortions(pair, pair)) == {"d_s"}


@pytest.mark.parametrize(("ratio", "phase"), [(2.0, 0.5), (3.7, -4.2), (4.0, 13.0)])
def test_errors_lie_where_they_were_made(ratio: float, phase: float) -> None:
    """A block that was spoilt is the worst of the map, at any ratio and phase."""
    sampling = Sampling((ratio, ratio), (phase, phase))
    truth = texture(3, 256, 320)
    size = tuple(int((n - 1 - phase) / ratio) for n in (256, 320))
    ms = degrade(truth, sampling, size, OPTICS.mtf)
    spoilt = truth.clone()
    spoilt[:, 96:128, 160:192] *= 1.2
    found = full_resolution(
        Raster.of(spoilt), Raster.of(truth.mean(dim=0, keepdim=True)), Raster.of(ms),
        sampling, OPTICS, red_nir=(0, 2), window=100,
    ).quality_map  # fmt: skip
    assert set(found.others) == {"d_lambda", "d_s", "consistency_error_percent", "ndvi_drift"}
    errors = found.others["consistency_error_percent"]
    assert errors.shape == found.values.shape == (8, 10)
    assert np.unravel_index(np.nanargmax(errors), errors.shape) == (3, 5)
    assert errors[3, 5] == pytest.approx(20, rel=0.4)
    assert np.nanmedian(errors) < 1


def test_maps_of_whole_scenes_average_to_their_indices() -> None:
    sampling = Sampling.edge_aligned(2)
    truth = texture(3, 256, 256)
    ms = degrade(truth, sampling, (128, 128), OPTICS.mtf)
    found = full_resolution(
        Raster.of(noisy(truth)), Raster.of(truth.mean(dim=0, keepdim=True)), Raster.of(ms),
        sampling, OPTICS, red_nir=(0, 2),
    )  # fmt: skip
    means = {name: float(values.mean()) for name, values in found.quality_map.others.items()}
    assert means["ndvi_drift"] == pytest.approx(found.values["ndvi_drift"], rel=1e-4)
    consistency = found.values["consistency_error_percent"]
    assert means["consistency_error_percent"] == pytest.approx(consistency, rel=0.03)
    for name in ("d_lambda", "d_s"):
        assert means[name] >= found.values[name] - 1e-6


def test_what_was_not_judged_is_empty() -> None:
    sampling = Sampling.edge_aligned(2)
    truth = texture(3, 512, 512)
    ms = degrade(truth, sampling, (256, 256), OPTICS.mtf)
    found = full_resolution(
        Raster.of(truth), Raster.of(truth.mean(dim=0, keepdim=True)), Raster.of(ms),
        sampling, OPTICS, window=64, most=3 * 512 * 512 // 4,
    ).quality_map  # fmt: skip
    for values in (found.values, *found.others.values()):
        assert 0.15 < np.isfinite(values).mean() < 0.4


def test_cubes_have_maps_of_both_sides() -> None:
    sampling = Sampling.edge_aligned(3)
    truth = texture(5, 192, 240)
    srf = torch.full((2, 5), 0.2, dtype=torch.float64)
    guide = torch.tensordot(srf, truth, dims=1)
    optics = Optics((0.3,) * 5, 0.3)
    target = degrade(truth, sampling, (64, 80), optics.mtf)
    spoilt = truth.clone()
    spoilt[:2, 64:96, 96:128] *= 1.3
    found = cube_resolution(
        Raster.of(spoilt), Raster.of(guide), Raster.of(target), sampling, optics, srf, window=100
    ).quality_map
    assert set(found.others) == {"consistency_error_percent", "r_sam_deg"}
    for values in found.others.values():
        row, col = np.unravel_index(np.nanargmax(values), values.shape)
        assert abs(row - 2) <= 1
        assert abs(col - 3) <= 1
        assert np.nanmedian(values) < 0.2 * np.nanmax(values)
