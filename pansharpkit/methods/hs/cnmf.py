"""Coupled nonnegative matrix factorisation: both images are mixtures of the same materials.

Source: Yokoya, Yairi, Iwasaki 2012, IEEE TGRS 50. The spectra of the materials come from the cube,
their shares in each fine pixel from the guide; each factorisation starts from what the other found.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.excerpt import excerpt
from pansharpkit.methods.guides import interpolation_reach
from pansharpkit.methods.hs.hyperspectral import observe, srf_of
from pansharpkit.methods.hs.subspace import identify, purest
from pansharpkit.methods.hs.unmixing import TINY, counted_spectra, lowered
from pansharpkit.physics import Observation, upsample
from pansharpkit.sampling import Sampling

PIXELS = 2**16
"""Guide pixels that the materials are found on, at most."""
_CHUNK = 2**14  # pixels whose shares fit into the cache
_RANK = 1e-11  # of the first direction's power: less is rounding, whose vertices mean nothing
_MEAN = 0.7455  # of the image for which the weight of the sum to one was chosen


Order = Literal["shares", "spectra", "both"]
"""Which factors take steps."""


@dataclass(frozen=True)
class CnmfOptions:
    """How many materials, and how long."""

    endmembers: int = 30
    """Materials at most; no more than directions in which the target varies."""
    iterations: int = 200
    """Steps of each factorisation: so many for the new factor alone, as many for both."""
    rounds: int = 3
    """How often the cube's factorisation takes over what the guide's found."""
    tolerance: float = 1e-8
    """Relative decrease of the squared error at which a factorisation ends."""


@dataclass(frozen=True)
class Factors:
    """A factorisation ``spectra @ shares`` of one image."""

    spectra: Tensor
    """[C, M]."""
    shares: Tensor
    """[M, N]."""


@dataclass(frozen=True)
class Factorisation:
    """Minimise the error of one image, with the shares drawn to a sum of one."""

    image: Tensor
    """[C, N]."""
    counts: Tensor
    """[N], 1 where a pixel counts, else 0."""
    weight: float
    """Of the sum to one, beside the bands."""
    options: CnmfOptions

    def stepped(self, now: Factors, order: Order) -> Factors:
        """Return the factors after one step, the shares first."""
        spectra, shares = now.spectra, now.shares
        if order != "spectra":
            shares = share_step(spectra, shares, self.image, self.weight)
        if order != "shares":
            counted = shares * self.counts
            spectra = lowered(spectra, self.image @ counted.T, spectra @ (shares @ counted.T))
        return Factors(spectra, shares)

    def error(self, now: Factors) -> float:
        """Return the squared error of the pixels that count."""
        return float(((self.image - now.spectra @ now.shares).square() * self.counts).sum())

    def settled(self, start: Factors, order: Order, context: Context) -> Factors:
        """Take steps until they hardly help any more."""
        now, error = start, self.error(start)
        for _ in context.steps("cnmf", self.options.iterations):
            now = self.stepped(now, order)
            before, error = error, self.error(now)
            if before - error <= self.options.tolerance * error:
                break
        return now


def share_step(spectra: Tensor, shares: Tensor, image: Tensor, weight: float) -> Tensor:
    """Return the shares [M, N] after one step, the sum to one as a further band."""
    wanted = spectra.T @ image + weight**2
    made = spectra.T @ (spectra @ shares) + weight**2 * shares.sum(dim=0)
    return lowered(shares, wanted, made)


@dataclass(frozen=True)
class Cnmf:
    """Coupled nonnegative matrix factorisation, its spectra from the scene, its shares per tile."""

    options: CnmfOptions = CnmfOptions()

    def halo(self, sampling: Sampling) -> int:
        """Shares start from interpolated ones; all else is pixel by pixel."""
        return interpolation_reach(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedCnmf:
        """Factorise crops of the scene, the cube and the guide in turn.

        Raises
        ------
        FusionError
            If no pixel is valid, or nobody knows the guide's spectral response.
        """
        crops = excerpt(sample, PIXELS, context)
        most = min(self.options.endmembers, int(crops[0].target.shape[0]))
        subspace = identify(sample, context, most)
        count = int((subspace.power > _RANK * subspace.power[0]).sum())
        pure = purest(sample, subspace, count, context).clamp_min(0)
        return _Coupling(crops, self.options, context).fitted(pure)


class _Coupling:
    """The two images of the crops, flattened to columns, and what leads from one to the other."""

    def __init__(self, crops: list[Observation], options: CnmfOptions, context: Context) -> None:
        self.crops, self.options, self.context = crops, options, context
        self.srf = srf_of(crops[0]).double().clamp_min(0)
        cube = counted_spectra(crops)
        guide = torch.cat([c.guide.flatten(1).double() for c in crops], dim=1).clamp_min(0)
        counts = torch.cat([c.guide_mask.flatten() for c in crops]).double()
        self.weight = sum_weight(guide, counts)
        self.coarse = Factorisation(cube, cube.new_ones(cube.shape[1]), self.weight, options)
        self.fine = Factorisation(guide, counts, self.weight, options)

    def fitted(self, pure: Tensor) -> FittedCnmf:
        """Return the spectra of both images, refined in turn from pure ones, [C, M]."""
        pure = pure.to(self.coarse.image)
        coarse = Factors(pure, even_shares(pure, self.coarse.image))
        coarse = self._settled(self.coarse, coarse, "shares")
        start = coarse.spectra
        shares = [begun_shares(start, crop, self.weight, self.options) for crop in self.crops]
        fine = self._refined(start, torch.cat([s.flatten(1) for s in shares], dim=1))
        for number in range(self.options.rounds):
            if number:
                fine = self._refined(coarse.spectra, fine.shares)
            coarse = Factors(coarse.spectra, self._degraded(fine.shares))
            coarse = self._settled(self.coarse, coarse, "spectra")
        error = (self.fine.error(fine) / max(1.0, float(self.fine.counts.sum()))) ** 0.5
        return FittedCnmf(
            start, fine.spectra, coarse.spectra, self.srf, self.weight, self.options, error
        )

    def _settled(self, problem: Factorisation, start: Factors, first: Order) -> Factors:
        """Settle one factor alone, then both."""
        return problem.settled(problem.settled(start, first, self.context), "both", self.context)

    def _refined(self, spectra: Tensor, shares: Tensor) -> Factors:
        """Return the guide's factors, from the materials as its camera sees them."""
        return self._settled(self.fine, Factors(self.srf @ spectra, shares), "shares")

    def _degraded(self, shares: Tensor) -> Tensor:
        """Return fine shares as the target would see them, where its pixels count."""
        found, sizes = [], [math.prod(crop.size) for crop in self.crops]
        for crop, part in zip(self.crops, torch.split(shares, sizes, dim=1), strict=True):
            coarse = observe(crop, part.reshape(-1, *crop.size))
            found.append(coarse[:, crop.target_mask])
        return torch.cat(found, dim=1).clamp_min(0)


def sum_weight(guide: Tensor, counts: Tensor) -> float:
    """Return the weight of the sum to one that Yokoya's program gives a guide of [c, N]."""
    mean = float((guide * counts).sum() / (len(guide) * counts.sum()).clamp_min(1))
    return 2 * math.sqrt(mean / _MEAN) / len(guide) ** 3


def even_shares(spectra: Tensor, image: Tensor) -> Tensor:
    """Return [M, N] with as much of each material everywhere."""
    materials = spectra.shape[1]
    return image.new_full((materials, image.shape[1]), 1 / materials)


def begun_shares(spectra: Tensor, seen: Observation, weight: float, options: CnmfOptions) -> Tensor:
    """Return the cube's shares, found coarsely and interpolated to the guide grid, [M, H, W]."""
    image = seen.target.flatten(1).to(spectra).clamp_min(0)
    shares = even_shares(spectra, image)
    for _ in range(2 * options.iterations):
        shares = share_step(spectra, shares, image, weight)
    coarse = shares.reshape(-1, *seen.target_size)
    return upsample(coarse, seen.sampling, seen.size, kernel="cubic").clamp_min(TINY)


@dataclass(frozen=True)
class FittedCnmf:
    """Spectra of the materials, as they were on the way to the last ones."""

    first: Tensor
    """[C, M] that the cube's shares are found with."""
    guide: Tensor
    """[c, M] as the guide sees them, settled."""
    last: Tensor
    """[C, M] that the fused image is made of."""
    srf: Tensor
    weight: float
    options: CnmfOptions
    error: float
    """Root mean square of the guide's error, over the sum of its bands."""

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Find the shares of every pixel and mix the materials."""
        return [self._fuse(observation, context) for observation in batch]

    def _fuse(self, seen: Observation, context: Context) -> Tensor:
        first, guide, last = (m.to(seen.target) for m in (self.first, self.guide, self.last))
        shares = begun_shares(first, seen, self.weight, self.options).flatten(1)
        image = seen.guide.flatten(1).clamp_min(0)
        unsettled = self.srf.to(seen.target) @ first
        parts = []
        pairs = zip(*(torch.split(x, _CHUNK, dim=1) for x in (shares, image)), strict=True)
        for part, pixels in pairs:
            for spectra in (unsettled, guide):
                for _ in range(self.options.iterations):
                    part = share_step(spectra, part, pixels, self.weight)
            parts.append(last @ part)
        return torch.cat(parts, dim=1).reshape(-1, *seen.size)

    def summary(self) -> Mapping[str, object]:
        """Return the number of materials and how well they explain the guide."""
        return {"endmembers": self.last.shape[1], "guide_rmse": self.error}
