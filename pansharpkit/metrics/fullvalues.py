"""How full-resolution indices follow from sums over blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from pansharpkit.metrics import guards
from pansharpkit.metrics.noreference import (
    mean_or_none,
    pair_means,
    product,
    spatial_distortions,
    spectral_distortion,
)
from pansharpkit.metrics.patches import Errors, mean_of, means_of
from pansharpkit.metrics.tally import Sums, Values
from pansharpkit.physics.observation import Compat

DEFINITIONS: Mapping[str, str] = {
    "d_lambda": "Q of band pairs on 32 x 32 blocks, fused against EXP, p = 1",
    "d_lambda_alparone2008": "as d_lambda, against MS on blocks of 32 / ratio samples",
    "d_s": "Q with PAN on 32 x 32 blocks, fused against EXP with low-pass PAN, q = 1",
    "d_s_alparone2008": "as d_s, against MS and coarse PAN on blocks of 32 / ratio samples",
    "qnr": "(1 - d_lambda)(1 - d_s)",
    "d_lambda_k": "1 - Q2n(EXP, fused filtered by the toolbox's 41-tap MTF kernel), PAN grid",
    "hqnr": "(1 - d_lambda_k)(1 - d_s)",
    "d_rho": "1 - correlation with PAN in windows of one MS pixel",
    "r_q2n, r_sam_deg, r_ergas": "fused degraded to the MS grid against MS",
    "detail_correlation": "high-pass of each band (its MTF kernel) with PAN's, mean over bands",
    "ripple_percent": "RMS of the high-pass in the flattest 30 % of PAN over the band mean",
    "consistency_error_percent": "RMSE of degraded fused against MS over the band mean",
    "ndvi_drift": "mean absolute difference of NDVI, degraded fused against MS",
    "..._estimated": "as above, with blur and shift of each band as estimated from the pair",
    "overshoot_percent": "pixels outside the range of 3 x 3 MS samples times PAN's contrast there",
    "masks": "masked pixels left out, gaps filled before filters; a block counts if half valid",
    "interval": "95 %, delete-one-group jackknife over at most 8 x 8 groups of blocks",
}
RULES: Mapping[Compat, Mapping[str, str]] = {
    "none": {
        "rounding": "no rounding",
        "phase": "as georeferenced",
        "kernel": "EXP 12-point Lagrange, coarse PAN bicubic with antialiasing, replicated border; "
        "degradation by the exact Gaussian",
    },
    "toolbox": {
        "rounding": "q2n casts to uint16: half away from zero, clipped to 0 ... 65535",
        "phase": "assumed: EXP puts MS sample k at PAN pixel ratio * k + ratio / 2",
        "kernel": "EXP 23-tap half-band, circular border, single precision; coarse PAN by "
        "imresize, symmetric border; degradation by the 41-tap kernel, clipped and normalised",
    },
}


@dataclass(frozen=True)
class FullValues:
    """Formulas over the sums that a pass over both grids has collected."""

    ratio: float

    def values(self, sums: Sums) -> Values:
        """Return every index."""
        return {**self._distortions(sums), **self._consistency(sums), **self._guards(sums)}

    def per_band(self, sums: Sums) -> dict[str, tuple[float | None, ...]]:
        """Return the terms of the indices that are means over bands."""
        errors = Errors.of(sums["consistency"])
        ripple = _ripple(sums)
        found = {
            "d_s": spatial_distortions(*self._matrices(sums)[:2]),
            "d_rho": means_of(sums["rho"]),
            "detail_correlation": _details(sums),
            "ripple_percent": ripple and ripple[0],
            "consistency_error_percent": guards.relative_percent(errors.square, errors.mean),
            "consistency_error_estimated_percent": _estimated_errors(sums),
            "overshoot_percent": _percent(means_of(sums["overshoot"])),
        }
        return {name: tuple(bands) for name, bands in found.items() if bands}

    def _matrices(self, sums: Sums) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        fine, exp, native = (pair_means(sums[name]) for name in ("fine", "expanded", "native"))
        return fine, exp, native

    def _distortions(self, sums: Sums) -> Values:
        fine, exp, native = self._matrices(sums)
        bands = len(sums["levels"]) - 2
        d_lambda = spectral_distortion(fine, exp, bands)
        d_s = mean_or_none(spatial_distortions(fine, exp))
        quality = mean_of(sums["khan"])
        d_lambda_k = None if quality is None else 1 - quality
        return {
            "d_lambda": d_lambda,
            "d_lambda_alparone2008": spectral_distortion(fine, native, bands),
            "d_s": d_s,
            "d_s_alparone2008": mean_or_none(spatial_distortions(fine, native)),
            "qnr": product(d_lambda, d_s),
            "d_lambda_k": d_lambda_k,
            "hqnr": product(d_lambda_k, d_s),
            "d_rho": mean_of(sums["rho"]),
        }

    def _consistency(self, sums: Sums) -> Values:
        errors = Errors.of(sums["consistency"])
        relative = guards.relative_percent(errors.square, errors.mean)
        return {
            "r_q2n": mean_of(sums["again"]),
            "r_sam_deg": mean_of(sums["angle"]),
            "r_ergas": errors.ergas(self.ratio),
            "consistency_error_percent": mean_or_none(relative),
            "consistency_error_estimated_percent": mean_or_none(_estimated_errors(sums)),
            "ndvi_drift": mean_of(sums["ndvi"]) if "ndvi" in sums else None,
            "ndvi_drift_estimated": (
                mean_of(sums["ndvi_estimated"]) if "ndvi_estimated" in sums else None
            ),
        }

    def _guards(self, sums: Sums) -> Values:
        ripple = _ripple(sums)
        return {
            "detail_correlation": mean_or_none(_details(sums)),
            "ripple_percent": mean_or_none(ripple and ripple[0]),
            "pan_ripple_percent": ripple and ripple[1],
            "overshoot_percent": mean_or_none(_percent(means_of(sums["overshoot"]))),
        }


def _ripple(sums: Sums) -> tuple[list[float], float] | None:
    return guards.ripple_percent(sums["ripple"], guards.Levels.of(sums["levels"]))


def _estimated_errors(sums: Sums) -> list[float] | None:
    if "consistency_estimated" not in sums:
        return None
    errors = Errors.of(sums["consistency_estimated"])
    return guards.relative_percent(errors.square, errors.mean)


def _details(sums: Sums) -> list[float] | None:
    return guards.detail_correlation(sums["detail"], guards.Levels.of(sums["levels"]))


def _percent(shares: list[float] | None) -> list[float] | None:
    return None if shares is None else [100 * share for share in shares]
