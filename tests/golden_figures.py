"""Recompute reference figures from stored arrays with pansharpkit's indices."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from golden_cases import GoldenCase
from torch import Tensor

from pansharpkit.metrics import noreference as fr
from pansharpkit.metrics import reference as rr
from pansharpkit.physics.kernels import filter2d, toolbox_mtf_kernel
from pansharpkit.physics.resample import decimate, upsample
from pansharpkit.sampling import Sampling

Figures = Mapping[str, float | None]
CUT = slice(20, -21)
"""The part of an image that figures named ``cut21_`` are computed on."""
LANDSAT_PAN_GAIN = 0.40
QUANTUM = 1 / 16
"""The reference run rounded degraded arrays to this, in DN."""


def deviations(case: GoldenCase, method: str) -> dict[str, float]:
    """Return the deviation of every figure that has one."""
    return relative(figures(case, method), case.figures[method])


def relative(found: Figures, expected: Figures) -> dict[str, float]:
    """Return absolute deviations by name, those of ERGAS relative."""
    result = {}
    for name, value in found.items():
        known = expected.get(name)
        if known is None or value is None:
            continue
        scale = abs(known) if "ERGAS" in name and known else 1.0
        result[name] = abs(value - known) / scale
    return result


def figures(case: GoldenCase, method: str) -> Figures:
    """Return every figure that the case knows, under its name there."""
    fused = case.fused(method)
    if case.name.startswith("hs"):
        return hyperspectral(case, case.input("GT"), fused)
    if "FR" in case.name:
        return full(case, fused)
    truth = case.input("GT")
    whole = reduced(case, truth, fused)
    inner = reduced(case, truth[:, CUT, CUT], fused[:, CUT, CUT])
    return {**whole, **{f"cut21_{name}": value for name, value in inner.items()}}


def reduced(case: GoldenCase, truth: Tensor, fused: Tensor) -> Figures:
    """Return the reduced-resolution figures."""
    assert case.peak is not None
    return {
        "Q2n_32": rr.q2n(truth, fused, compat="toolbox"),
        "Q2n_16": rr.q2n(truth, fused, block=16, shift=16, compat="toolbox"),
        "Q2n_32_shift8": rr.q2n(truth, fused, block=32, shift=8, compat="toolbox"),
        "Q_avg": rr.q(truth, fused),
        "SAM": rr.sam_deg(truth, fused),
        "ERGAS": rr.ergas(truth, fused, ratio=case.ratio),
        "SCC": rr.scc(truth, fused),
        "PSNR_bandmean": rr.psnr_band_mean_db(truth, fused, peak=case.peak),
        "PSNR_global": rr.psnr_db(truth, fused, peak=case.peak),
        "SSIM_bandmean": rr.ssim(truth, fused, peak=case.peak),
        "RMSE": rr.rmse(truth, fused),
    }


def hyperspectral(case: GoldenCase, truth: Tensor, fused: Tensor) -> Figures:
    """Return the figures of the hyperspectral cases, whose toolbox has its own conventions."""
    peak = float(truth.max())
    bands = [
        rr.psnr_db(t[None], f[None], peak=float(t.max())) for t, f in zip(truth, fused, strict=True)
    ]
    return {
        "PSNR_yokoya": sum(band for band in bands if band is not None) / len(bands),
        "SAM": rr.sam_deg(truth, fused),
        "ERGAS_yokoya_swapped": rr.ergas(fused, truth, ratio=case.ratio),
        "ERGAS": rr.ergas(truth, fused, ratio=case.ratio),
        "RMSE": rr.rmse(truth, fused),
        "PSNR_globalmax": rr.psnr_db(truth, fused, peak=peak),
        "SSIM_bandmean_Lmax": rr.ssim(truth, fused, peak=peak),
        "UIQI32": rr.q(truth, fused),
    }


def full(case: GoldenCase, fused: Tensor) -> Figures:
    """Return the full-resolution figures; EXP is the stored array, as in the reference runs."""
    ms, pan, exp = case.input("MS_LR"), case.input("PAN"), case.fused("EXP")
    sampling = Sampling.toolbox(case.ratio)
    small = (ms.shape[1], ms.shape[2])
    (coarse, _), (lowpass, _) = fr.pan_lowpass(pan, sampling, small, compat="toolbox")
    side = round(32 / case.ratio)
    blocks = (32, 32), (side, side)
    d_lambda, d_s = fr.d_lambda(fused, exp), fr.d_s(fused, pan, exp, lowpass)
    original = fr.d_lambda_alparone2008(fused, ms, blocks=blocks)
    spatial = fr.d_s_alparone2008((fused, pan), (ms, coarse), blocks=blocks)
    khan = fr.d_lambda_k(fused, exp, case.gains, case.ratio, compat="toolbox")
    return {
        "D_lambda": d_lambda,
        "D_s": d_s,
        "QNR": fr.product(d_lambda, d_s),
        "D_lambda_K": khan,
        "HQNR": fr.product(khan, d_s),
        "D_lambda_orig": original,
        "D_s_orig": spatial,
        "QNR_orig": fr.product(original, spatial),
        "D_rho": fr.d_rho(fused, pan, case.ratio),
        **aligned(case, fused, d_lambda),
        **consistency(case, fused, ms, pan),
    }


def aligned(case: GoldenCase, fused: Tensor, d_lambda: float | None) -> Figures:
    """Return D_s with a low-pass PAN that lies on the MS samples, and its QNR."""
    if "D_s_mtf_aligned" not in next(iter(case.figures.values())):
        return {}
    ms, pan, exp = case.input("MS_LR"), case.input("PAN"), case.fused("EXP")
    sampling = Sampling.toolbox(case.ratio)
    blurred = filter2d(pan, toolbox_mtf_kernel(LANDSAT_PAN_GAIN, case.ratio)[None])
    coarse = decimate(blurred, sampling, (ms.shape[1], ms.shape[2]))
    coarse = torch.floor(coarse / QUANTUM + 0.5) * QUANTUM
    lowpass = upsample(coarse, sampling, (pan.shape[1], pan.shape[2]), kernel="toolbox")
    d_s = fr.d_s(fused, pan, exp, lowpass)
    return {"D_s_mtf_aligned": d_s, "QNR_mtf_aligned": fr.product(d_lambda, d_s)}


def consistency(case: GoldenCase, fused: Tensor, ms: Tensor, pan: Tensor) -> Figures:
    """Return the family of fused degraded to the MS grid, at phases estimated from the pair."""
    phases = fr.estimated_decimation(pan, ms, case.gains[0], case.ratio)
    small = (ms.shape[1], ms.shape[2])
    sampling = Sampling.toolbox(case.ratio)
    low, _ = fr.reprojected(fused, case.gains, sampling, small, compat="toolbox", decimation=phases)
    return {
        "R_Q2n_32": rr.q2n(ms, low, compat="toolbox"),
        "R_Q2n_16": rr.q2n(ms, low, block=16, shift=16, compat="toolbox"),
        "R_SAM": rr.sam_deg(ms, low),
        "R_ERGAS": rr.ergas(ms, low, ratio=case.ratio),
    }
