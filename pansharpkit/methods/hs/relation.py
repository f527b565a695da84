"""How the coefficients of a cube and its guide hang together, and the classics that follow."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pansharpkit.methods.guides import mean_gain
from pansharpkit.methods.hs.fuse import TwoViews
from pansharpkit.methods.hs.guides import guide_lowpass, upsampled
from pansharpkit.methods.hs.hysure import FittedHysure, HysureOptions
from pansharpkit.methods.hs.statistics import PairStatistics
from pansharpkit.methods.moments import least_squares
from pansharpkit.physics import Observation

SEEN = 10
"""Coefficients that the network is shown; the weaker ones are noise to it."""
_PLAIN = HysureOptions()
_TINY = 1e-30
_LEAST = 1e-6  # power of detail, beside that of the scene


@dataclass(frozen=True)
class Features:
    """A classical estimate, and what the network sees; guide grid."""

    base: Tensor
    """[p, H, W] coefficients, the mean of FUSE's and HySure's."""
    inputs: Tensor
    """[n, H, W] in standard deviations of the scene."""


@dataclass(frozen=True)
class Relation:
    """How coefficients and guide of a scene hang together, from its statistics."""

    views: TwoViews
    weights: Tensor
    """[p, c] of the guide's detail in that of the coefficients."""
    mean: Tensor
    """[p + c] of coefficients and guide."""
    deviation: Tensor
    """[p + c], positive."""
    told: Tensor
    """[c, p] regression of the guide, as the target's instrument would see it, on coefficients."""
    detail: float
    """Expected power of the guide's detail beyond the target, all bands, positive."""

    @classmethod
    def of(cls, seen: Observation, statistics: PairStatistics, dimension: int | None) -> Relation:
        """Work it out, with a guide whose noise is not taken for detail."""
        views = TwoViews.within(seen, statistics, dimension)
        subspace, noise = views.subspace, views.guide_noise
        turn = _beside(subspace.basis, len(noise))
        covariance = turn.T @ statistics.coarse.covariance @ turn
        bands = subspace.dimension
        gram = covariance[bands:, bands:] + torch.diag(noise.square())
        rows = [least_squares(gram, row) for row in covariance[:bands, bands:]]
        deviation = covariance.diagonal().clamp_min(0).sqrt()
        deviation = torch.where(deviation > 0, deviation, 1.0)
        detail = float(statistics.detail.covariance.diagonal()[statistics.bands :].sum())
        growth, mean = statistics.detail_growth(noise), turn.T @ statistics.coarse.mean
        told = statistics.response(subspace)
        return cls(views, torch.stack(rows), mean, deviation, told, max(detail * growth, _TINY))

    def classic(self, power: float | None = None, noise_gain: float = 1.0) -> FittedHysure:
        """Return HySure, which starts from FUSE; the base is the mean of both.

        Parameters
        ----------
        power
            Of the guide's detail, where it is not that of the scene.
        noise_gain
            By which the variance of the target's noise is less than that of the scene's target.
        """
        views = self.views
        share = 1.0 if power is None else max(power, _LEAST * self.detail) / self.detail
        quiet = replace(views.subspace, noise=views.subspace.noise * math.sqrt(noise_gain))
        adapted = replace(views, subspace=quiet, detail=views.detail * share)
        return FittedHysure.of(adapted, _PLAIN.smoothness, _PLAIN.iterations)

    def reduced(self, seen: Observation) -> Observation:
        """Return the observation with coefficients in place of the target's bands."""
        subspace = self.views.subspace
        optics = replace(seen.optics, mtf=(mean_gain(seen.optics),) * subspace.dimension)
        return replace(seen, target=subspace.coefficients(seen.target), optics=optics)

    def classical(self, seen: Observation, classic: FittedHysure) -> Tensor:
        """Return the coefficients that FUSE and HySure make on average, [p, H, W]."""
        return (classic.start.coefficients(seen) + classic.coefficients(seen)) / 2

    def features(self, seen: Observation, classic: FittedHysure) -> Features:
        """Return base and inputs of an observation of bands."""
        subspace = self.views.subspace
        exp = upsampled(seen, subspace.coefficients(seen.target))
        base = self.classical(seen, classic)
        detail = seen.guide - guide_lowpass(seen)
        count, shown = subspace.dimension, min(SEEN, subspace.dimension)
        mean, size = (x.to(exp)[:, None, None] for x in (self.mean, self.deviation))
        linear = torch.tensordot(self.weights[:shown].to(detail), detail, dims=1)
        added = base[:shown] - exp[:shown]
        inputs = [
            (exp[:shown] - mean[:shown]) / size[:shown],
            (seen.guide - mean[count:]) / size[count:],
            2 * detail / size[count:],
            2 * added / size[:shown],
            2 * (linear - added) / size[:shown],
        ]
        return Features(base, torch.cat(inputs))


def _beside(basis: Tensor, guides: int) -> Tensor:
    """Return [C + c, p + c]: coefficients from bands, the guide as it is."""
    bands, count = basis.shape
    turn = basis.new_zeros(bands + guides, count + guides)
    turn[:bands, :count] = basis
    turn[bands:, count:] = torch.eye(guides, dtype=basis.dtype)
    return turn
