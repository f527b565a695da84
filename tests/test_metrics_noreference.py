"""Full-resolution indices: known answers, geometry, and agreement with the streaming protocol."""

from __future__ import annotations

import pytest
import torch
from metric_images import noisy, texture
from torch import Tensor

from pansharpkit.metrics import Raster, full_resolution
from pansharpkit.metrics import noreference as fr
from pansharpkit.metrics import reference as rr
from pansharpkit.physics import Optics, degrade
from pansharpkit.sampling import Sampling

RATIO = 4
SIZE = (128, 96)
SMALL = (32, 24)
GAINS = (0.3, 0.3, 0.3)
BLOCKS = ((32, 32), (8, 8))


def ramp(size: tuple[int, int], sampling: Sampling | None = None) -> Tensor:
    """Return a plane, [1, h, w], as seen at the places of the samples."""
    rows, cols = (torch.arange(n, dtype=torch.float64) for n in size)
    if sampling is not None:
        rows = sampling.ratio[0] * rows + sampling.phase[0]
        cols = sampling.ratio[1] * cols + sampling.phase[1]
    return (100 + 2 * rows[:, None] + 3 * cols[None, :])[None]


@pytest.mark.parametrize(
    "sampling",
    [Sampling.edge_aligned(4), Sampling((4.0, 4.0), (2.0, 2.0)), Sampling((2.5, 3.2), (0.7, 4.0))],
)
def test_expansion_honours_the_phase(sampling: Sampling) -> None:
    exp, mask = fr.expanded(ramp((60, 60), sampling), sampling, (140, 140))
    inner = (slice(None), slice(40, 100), slice(40, 100))
    assert torch.allclose(exp[inner], ramp((140, 140))[inner], atol=1e-9)
    assert mask[inner[1:]].all()


def test_toolbox_expansion_keeps_the_samples() -> None:
    ms = texture(2, *SMALL)
    exp, _ = fr.expanded(ms, Sampling.toolbox(RATIO), SIZE, compat="toolbox")
    assert torch.allclose(exp[:, 2::4, 2::4], ms, atol=1e-3)


def test_lowpass_pan_honours_the_phase() -> None:
    sampling = Sampling((4.0, 4.0), (0.6, 2.9))
    (coarse, _), (lowpass, _) = fr.pan_lowpass(ramp((160, 160)), sampling, (39, 39))
    inner = (slice(None), slice(8, 30), slice(8, 30))
    assert torch.allclose(coarse[inner], ramp((39, 39), sampling)[inner], atol=1e-6)
    inner = (slice(None), slice(50, 110), slice(50, 110))
    assert torch.allclose(lowpass[inner], ramp((160, 160))[inner], atol=1e-6)


def test_interpolated_ms_has_no_spectral_distortion_by_construction() -> None:
    exp = texture(4, *SIZE)
    assert fr.d_lambda(exp, exp) == 0
    assert fr.d_lambda(noisy(exp, 60), exp) > 0.01  # type: ignore[operator]


def test_images_that_keep_their_relation_to_pan_have_no_spatial_distortion() -> None:
    fused, pan = texture(3, *SIZE), texture(1, *SIZE, seed=9)
    assert fr.d_s(fused, pan, fused, pan) == 0
    assert fr.d_s_alparone2008((fused, pan), (fused, pan), blocks=((32, 32), (32, 32))) == 0
    assert fr.d_lambda_alparone2008(fused, fused, blocks=((32, 32), (32, 32))) == 0


def test_one_band_has_no_pairs() -> None:
    assert fr.d_lambda(texture(1, *SIZE), texture(1, *SIZE)) is None


def test_filtered_image_has_no_khan_distortion_against_itself() -> None:
    fused = texture(3, *SIZE)
    kernels = fr.toolbox_bank(tuple(GAINS), RATIO)
    smooth, _ = fr.whole(fr.smoothed(Raster.of(fused), kernels))
    assert fr.d_lambda_k(fused, smooth, GAINS, RATIO) == pytest.approx(0, abs=1e-12)


def test_local_correlation_with_pan() -> None:
    pan = texture(1, *SIZE)
    bands = torch.cat([3 * pan + 10, 0.2 * pan])
    padded = fr.d_rho(bands, pan, RATIO)
    assert padded == pytest.approx(0, abs=0.01)  # zeros beyond the border cost a little
    assert fr.d_rho(-bands + 2000, pan, RATIO) > 1.8  # type: ignore[operator]


def test_products() -> None:
    assert fr.product(0.1, 0.2) == pytest.approx(0.72)
    assert fr.product(0.1, None) is None


def test_reprojection_is_the_observation_model() -> None:
    fused, sampling = texture(3, *SIZE), Sampling((4.0, 4.0), (0.9, 2.2))
    low, mask = fr.reprojected(fused, GAINS, sampling, SMALL)
    assert torch.allclose(low, degrade(fused, sampling, SMALL, GAINS), atol=1e-9)
    assert mask.shape == SMALL


def test_toolbox_reprojection_takes_each_band_at_its_phase() -> None:
    fused = ramp(SIZE).expand(2, -1, -1)
    low, _ = fr.reprojected(
        fused, (0.3, 0.3), Sampling.toolbox(RATIO), SMALL, compat="toolbox",
        decimation=[(0, 1), (3, 2)],
    )  # fmt: skip
    for band, phase in enumerate([(0.0, 1.0), (3.0, 2.0)]):
        expected = ramp(SMALL, Sampling((4.0, 4.0), phase))[0]
        inner = (slice(6, -6), slice(6, -6))
        assert torch.allclose(low[band][inner], expected[inner], atol=1e-6)


def test_estimated_decimation_finds_the_phase_of_each_band() -> None:
    pan = texture(1, *SIZE)
    phases = [(1, 2), (3, 0), (2, 2)]
    bands = [degrade(pan, Sampling((4.0, 4.0), phase), SMALL, (0.3,))[0] for phase in phases]
    assert fr.estimated_decimation(pan, torch.stack(bands), 0.3, RATIO) == phases


@pytest.mark.parametrize("compat", ["none", "toolbox"])
def test_protocol_equals_the_functions(compat: fr.Compat) -> None:
    pan, ms = texture(1, *SIZE, seed=4), texture(3, *SMALL, seed=3)
    sampling = Sampling.toolbox(RATIO)
    exp, _ = fr.expanded(ms, sampling, SIZE, compat=compat)
    fused = exp + 0.6 * (pan - pan.mean())
    (coarse, _), (lowpass, _) = fr.pan_lowpass(pan, sampling, SMALL, compat=compat)
    low, _ = fr.reprojected(fused, GAINS, sampling, SMALL, compat=compat)
    d_lambda, d_s = fr.d_lambda(fused, exp), fr.d_s(fused, pan, exp, lowpass)
    khan = fr.d_lambda_k(fused, exp, GAINS, RATIO, compat=compat)
    expected = {
        "d_lambda": d_lambda,
        "d_lambda_alparone2008": fr.d_lambda_alparone2008(fused, ms, blocks=BLOCKS),
        "d_s": d_s,
        "d_s_alparone2008": fr.d_s_alparone2008((fused, pan), (ms, coarse), blocks=BLOCKS),
        "qnr": fr.product(d_lambda, d_s),
        "d_lambda_k": khan,
        "hqnr": fr.product(khan, d_s),
        "d_rho": fr.d_rho(fused, pan, RATIO),
        "r_q2n": rr.q2n(ms, low, compat=compat),
        "r_sam_deg": rr.sam_deg(ms, low),
        "r_ergas": rr.ergas(ms, low, ratio=RATIO),
    }
    indices = full_resolution(
        Raster.of(fused), Raster.of(pan), Raster.of(ms), sampling, Optics(GAINS, 0.15, compat),
        window=64,
    )  # fmt: skip
    for name, value in expected.items():
        assert indices.values[name] == pytest.approx(value, abs=1e-10), name
    assert sum(indices.per_band["d_s"]) / 3 == pytest.approx(d_s)  # type: ignore[arg-type]
    assert ("uint16" in indices.definitions["rounding"]) == (compat == "toolbox")


def test_better_fusion_scores_better() -> None:
    """MS and PAN observed from one truth: the truth beats EXP, and EXP with noise."""
    truth = texture(3, *SIZE)
    sampling = Sampling.edge_aligned(RATIO)
    ms = degrade(truth, sampling, SMALL, GAINS)
    pan = truth.mean(dim=0, keepdim=True)
    exp, _ = fr.expanded(ms, sampling, SIZE)

    def judge(fused: Tensor) -> dict[str, float | None]:
        return dict(
            full_resolution(
                Raster.of(fused), Raster.of(pan), Raster.of(ms), sampling, Optics(GAINS, 0.15)
            ).values
        )

    best, plain, bad = judge(truth), judge(exp), judge(noisy(exp, 80))
    assert best["hqnr"] > bad["hqnr"]  # type: ignore[operator]
    assert best["d_rho"] < plain["d_rho"]  # type: ignore[operator]
    assert best["consistency_error_percent"] == pytest.approx(0, abs=1e-9)
    assert best["r_q2n"] == pytest.approx(1, abs=1e-9)
    assert best["detail_correlation"] > plain["detail_correlation"]  # type: ignore[operator]
    assert bad["ripple_percent"] > 1.3 * best["ripple_percent"]  # type: ignore[operator]
