"""How the indices of cubes follow from sums over blocks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pansharpkit.metrics.noreference import mean_or_none
from pansharpkit.metrics.patches import Errors, mean_of
from pansharpkit.metrics.tally import Sums, Values

_FLAT = 1e-20  # variance over power below which an image is constant but for rounding


def correlations(sums: Tensor) -> Tensor:
    """Return the correlation from [5c + 1, ...] moments, [c, ...]; 0 where one is constant."""
    n = sums[-1].clamp(min=1)
    f, p, ff, pp, fp = (sums[:-1] / n).reshape(5, -1, *sums.shape[1:])
    vf, vp = ff - f.square(), pp - p.square()
    varied = (vf > _FLAT * ff) & (vp > _FLAT * pp)
    power = torch.where(varied, vf * vp, 1.0)
    return torch.where(varied, (fp - f * p) / power.sqrt(), 0.0).clamp(-1, 1)


@dataclass(frozen=True)
class CubeValues:
    """Formulas over the sums that a pass over both grids has collected."""

    ratio: float

    def values(self, sums: Sums) -> Values:
        """Return every index."""
        errors = Errors.of(sums["consistency"])
        counted = float(sums["guide"][-1]) > 0
        relative = [value for value in _relative(errors) if value is not None]
        return {
            "r_q2n": mean_of(sums["again"]),
            "r_sam_deg": mean_of(sums["angle"]),
            "r_ergas": errors.ergas(self.ratio),
            "consistency_error_percent": mean_or_none(relative),
            "guide_correlation": _mean(sums["guide"]) if counted else None,
            "guide_error_percent": _left_over(sums["guide"]) if counted else None,
            "detail_correlation": _mean(sums["detail"]) if counted else None,
        }

    def per_band(self, sums: Sums) -> dict[str, tuple[float | None, ...]]:
        """Return errors of each band."""
        errors = Errors.of(sums["consistency"])
        found: dict[str, tuple[float | None, ...]] = {
            "consistency_error_percent": tuple(_relative(errors)),
            "rmse": tuple(math.sqrt(square) for square in errors.square),
        }
        return found if errors.square else {}


def _relative(errors: Errors) -> list[float | None]:
    """Return 100 RMSE / mean of each band, None where the mean is not positive."""
    return [
        100 * math.sqrt(square) / mean if mean > 0 else None
        for square, mean in zip(errors.square, errors.mean, strict=True)
    ]


def _mean(sums: Tensor) -> float:
    return float(correlations(sums).mean())


def _left_over(sums: Tensor) -> float | None:
    """Return the mean of 100 σ √(1 - r²) / mean over the guide's bands of positive mean."""
    n = sums[-1].clamp(min=1)
    _, p, _, pp, _ = (sums[:-1] / n).reshape(5, -1)
    sigma = (pp - p.square()).clamp(min=0).sqrt()
    missing = (1 - correlations(sums).square()).clamp(min=0).sqrt()
    bands = [100 * float(s * m / mean)
             for s, m, mean in zip(sigma, missing, p, strict=True) if mean > 0]  # fmt: skip
    return mean_or_none(bands)
