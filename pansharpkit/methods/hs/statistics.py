"""What a scene tells of a cube and its guide together: sums that regressions and priors rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from pansharpkit.errors import FusionError
from pansharpkit.methods.base import Context
from pansharpkit.methods.guides import mean_gain
from pansharpkit.methods.hs.guides import guide_lowpass, noise_gain
from pansharpkit.methods.hs.hyperspectral import observe, shown
from pansharpkit.methods.hs.subspace import NOISE_FLOOR, Subspace, subspace_of
from pansharpkit.methods.moments import Moments, least_squares
from pansharpkit.methods.side_by_side import side_by_side
from pansharpkit.physics import Observation, lowpass

CELL = 12
"""Guide pixels along the side of a cell whose noise is looked at."""
_CALM = 0.1  # share of the cells, those with least variation, that noise is judged on
_CALM_BIAS = 0.82  # the tenth percentile of the variance of 144 samples of white noise, over it
_UNTOLD = 0.25  # share of a residual that cannot be told from the target's own noise
_LEAST_DETAIL = 1e-3


@dataclass(frozen=True)
class PairStatistics:
    """Moments of a scene's target and guide, at two scales."""

    bands: int
    """Target bands, C."""
    coarse: Moments
    """Of target bands, then guide bands as the target's instrument would see them."""
    detail: Moments
    """Of the same without what one more degradation would leave of them."""
    fine: Moments
    """Of the guide's detail beyond the target's resolution."""
    calm: Tensor
    """[c] standard deviation of guide noise where the guide is calmest; some of it is texture."""
    noise_gain: float
    """By how much the target's PSF multiplies the variance of white noise in the guide."""

    @cached_property
    def target(self) -> Moments:
        """Moments of the target alone."""
        part = slice(0, self.bands)
        return Moments(self.coarse.count, self.coarse.mean[part], self.coarse.comoment[part, part])

    def subspace(self, dimension: int | None = None) -> Subspace:
        """Return the target's subspace."""
        return subspace_of(self.target, dimension)

    def guide_noise(self, subspace: Subspace) -> Tensor:
        """Return the standard deviation of each guide band's noise, [c] positive.

        Two upper bounds are known: what varies where the guide is calmest, and what the target
        leaves unexplained of the guide once degraded to it, its own noise taken off as far as
        that is known. The lesser counts.
        """
        left, own = self._unexplained(subspace)
        bound = torch.maximum(left - own, _UNTOLD * left) / self.noise_gain
        floor = NOISE_FLOOR * float(self.coarse.second.diagonal().mean().sqrt())
        return torch.minimum(self.calm, bound.sqrt()).clamp_min(floor if floor > 0 else 1.0)

    def discrepancy(self, subspace: Subspace) -> float:
        """Return which share of the detail on the target grid the observation model gets wrong.

        That is what noise in neither image explains of how guide and target differ there, over
        the power of the guide's detail: 0 if PSF and places are right.
        """
        left, own = self._unexplained(subspace)
        noise = torch.where(self.calm.isfinite(), self.calm, 0.0).square() * self.noise_gain
        wrong = float((left - own - noise).clamp_min(0).sum())
        power = float(self.detail.covariance.diagonal()[self.bands :].sum())
        return wrong / power if power > 0 else 0.0

    def _unexplained(self, subspace: Subspace) -> tuple[Tensor, Tensor]:
        """Return what the target leaves unexplained of each guide band's power on its grid, [c].

        And how much of that is the target's own noise, [c].
        """
        second, basis, rest = self.coarse.second, subspace.basis, slice(self.bands, None)
        seen = self.response(subspace)
        told = (seen * (second[rest, : self.bands] @ basis)).sum(dim=1)
        used = self.coarse.count / max(1, self.coarse.count - subspace.dimension)
        left = (second.diagonal()[rest] - told).clamp_min(0) * used
        return left, (seen @ basis.T).square() @ subspace.noise.square()

    def response(self, subspace: Subspace) -> Tensor:
        """Return the guide's regression on the target's coefficients, [c, p], without offset.

        What stands in for the spectral response where nobody knows it.
        """
        second, part, rest = self.coarse.second, slice(0, self.bands), slice(self.bands, None)
        gram = subspace.basis.T @ second[part, part] @ subspace.basis
        return _rows(gram, second[rest, part] @ subspace.basis)

    def merged(self, other: PairStatistics) -> PairStatistics:
        """Return the moments of both parts of a scene together."""
        return replace(
            self,
            coarse=self.coarse.merged(other.coarse),
            detail=self.detail.merged(other.detail),
            fine=self.fine.merged(other.fine),
        )

    def detail_growth(self, noise: Tensor) -> float:
        """Return the power of the guide's detail over that of its detail one scale down."""
        fine = float(self.fine.covariance.diagonal().sum() - noise.square().sum())
        coarse = float(self.detail.covariance.diagonal()[self.bands :].sum())
        return max(_LEAST_DETAIL, fine / coarse) if coarse > 0 else 1.0

    def hypersharpening(self) -> Tensor:
        """Return the [C, c] weights of the guide's detail in each band's.

        Each band's regression on the guide (Selva et al. 2015, IEEE JSTARS 8), in which the noise
        of the guide counts as much as it weighs in the detail to be injected.
        """
        noise = self.guide_noise(self.subspace())
        part, rest = slice(0, self.bands), slice(self.bands, None)
        covariance = self.detail.covariance
        gram = covariance[rest, rest] + torch.diag(noise.square() / self.detail_growth(noise))
        return _rows(gram, covariance[part, rest])


def pair_statistics(sample: Sequence[Observation], context: Context) -> PairStatistics:
    """Gather the statistics of a scene in one pass.

    Raises
    ------
    FusionError
        If no sample of the target counts.
    """
    total: PairStatistics | None = None
    cells: list[Tensor] = []
    for found in side_by_side("statistics", sample, _measured, context):
        cells.append(found.calm)
        total = found if total is None else total.merged(found)
    if total is None or total.coarse.count == 0 or total.fine.count == 0:
        raise FusionError(
            "the scene has no valid pixel to take statistics from: every sampled pixel is nodata, "
            "saturated or masked; check the nodata value, the cloud mask and the area of interest"
        )
    return replace(total, calm=_calm(torch.cat(cells, dim=1)))


def _measured(seen: Observation) -> PairStatistics:
    """Return the statistics of one block, with the variances of its cells for `calm`."""
    guide = observe(seen, seen.guide)
    both = torch.cat([seen.target, guide])
    gains = (mean_gain(seen.optics),) * len(both)
    detail = both - lowpass(both, seen.sampling.ratio, gains)
    fine, counted = seen.guide - guide_lowpass(seen), shown(seen)
    return PairStatistics(
        len(seen.target),
        Moments.of(both, counted),
        Moments.of(detail, counted),
        Moments.of(fine, seen.guide_mask),
        _cells(seen),
        noise_gain(seen),
    )


def _cells(seen: Observation) -> Tensor:
    """Return the variance of white noise that would explain each whole cell's curvature, [c, n].

    Immerkaer (1996, CVIU 64): a difference of two Laplacians, blind to planes and to straight
    edges along the axes.
    """
    line = torch.tensor([1.0, -2.0, 1.0], dtype=seen.guide.dtype, device=seen.guide.device)
    kernel = torch.outer(line, line)[None, None] / 6
    if min(seen.size) < CELL + 2:
        return torch.zeros(len(seen.guide), 0, dtype=torch.float64)
    curved = functional.conv2d(seen.guide[:, None], kernel)[:, 0].square()
    power = functional.avg_pool2d(curved[None], CELL)[0].flatten(1).double()
    lost = (~seen.guide_mask).to(power)[None, None, 1:-1, 1:-1]
    whole = functional.max_pool2d(lost, CELL).flatten() == 0
    return power[:, whole].cpu()


def _calm(cells: Tensor) -> Tensor:
    """Return the standard deviation of the noise in the calmest cells of [c, n] variances."""
    if cells.shape[1] == 0:
        return torch.full((len(cells),), torch.inf, dtype=torch.float64)
    return (cells.kthvalue(max(1, int(_CALM * cells.shape[1])), dim=1).values / _CALM_BIAS).sqrt()


def _rows(gram: Tensor, shared: Tensor) -> Tensor:
    """Return the minimum-norm solutions [m, n] of ``x @ gram = row`` for each row of [m, n]."""
    eye = torch.eye(len(gram), dtype=gram.dtype)
    return shared @ torch.stack([least_squares(gram, column) for column in eye])
