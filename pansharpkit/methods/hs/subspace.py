"""The few spectra that a cube is made of, found from sums over the whole scene.

Bands of a cube are hardly ever independent: a dozen directions hold all but the noise. What is
optimised in their coefficients costs a tenth of the same in bands, and is not disturbed by noise
outside them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pansharpkit.errors import OptionError
from pansharpkit.methods.base import Context
from pansharpkit.methods.moments import RANK, Moments, gather
from pansharpkit.methods.side_by_side import side_by_side
from pansharpkit.physics import Observation

MOST = 30
"""Dimensions of a subspace at most, unless more are asked for."""
NOISE_FLOOR = 1e-4
"""Least noise of a band, as a share of the root mean square of all bands: that of 13-bit storage.
"""
_SAMPLES_PER_BAND = 4  # of a regression, at least
PIXELS = 200_000
"""Samples among which the purest spectra are looked for, at most."""


@dataclass(frozen=True)
class Subspace:
    """An orthonormal basis of spectra, and what is not worth one."""

    basis: Tensor
    """[C, p] orthonormal columns, float64 on the CPU, the one of most power first."""
    power: Tensor
    """[p] mean square of the coefficients, positive."""
    noise: Tensor
    """[C] standard deviation of each band's noise, positive."""

    @property
    def dimension(self) -> int:
        """Number of coefficients."""
        return int(self.basis.shape[1])

    def coefficients(self, cube: Tensor) -> Tensor:
        """Project [C, ...] into the subspace, [p, ...]."""
        projected: Tensor = torch.tensordot(self.basis.T.to(cube), cube, dims=1)
        return projected

    def cube(self, coefficients: Tensor) -> Tensor:
        """Return the spectra of [p, ...] coefficients, [C, ...]."""
        spectra: Tensor = torch.tensordot(self.basis.to(coefficients), coefficients, dims=1)
        return spectra


def identify(
    sample: Sequence[Observation], context: Context, dimension: int | None = None
) -> Subspace:
    """Find the subspace of a scene's target in one pass over its sample.

    Parameters
    ----------
    dimension
        Number of coefficients; by default as many as stand out of the noise, see
        :func:`subspace_of`.

    Raises
    ------
    OptionError
        If there are fewer bands than dimensions asked for.
    FusionError
        If no sample of the target counts.
    """
    (moments,) = gather(sample, lambda seen: ((seen.target, seen.target_mask),), context)
    return subspace_of(moments, dimension)


def subspace_of(moments: Moments, dimension: int | None = None) -> Subspace:
    """Return the principal directions, not centred, of bands with these moments.

    Without `dimension`, those are kept whose power is more than twice the noise in them (Bioucas-
    Dias and Nascimento 2008, IEEE TGRS 46), at least two, at most :data:`MOST`.
    """
    bands = len(moments.mean)
    if dimension is not None and not 1 <= dimension <= bands:
        raise OptionError(f"a subspace of {bands} bands cannot have {dimension} dimensions")
    second = moments.second
    noise = noise_of(moments)
    power, vectors = torch.linalg.eigh(second)
    power, vectors = power.flip(0), vectors.flip(1)
    if dimension is None:
        found = power > 2 * (vectors.square().T @ noise.square())
        dimension = min(max(2, int(found.sum())), MOST, bands)
    vectors = vectors[:, :dimension]
    vectors = vectors * torch.where(vectors.sum(dim=0) < 0, -1.0, 1.0)  # no sign left to chance
    least = RANK * power[0].clamp_min(torch.finfo(power.dtype).tiny)
    return Subspace(vectors, power[:dimension].clamp_min(float(least)), noise)


def noise_of(moments: Moments) -> Tensor:
    """Return the standard deviation of what the other bands do not explain of each band, [C].

    The residual of each band's regression on all others, all of them from one inverse (Roger
    1996, IJRS 17), with the degrees of freedom that the regressions use up given back. Where there
    are few samples, a band is regressed on its neighbours only. A band without variation gets the
    floor.
    """
    bands, count = len(moments.mean), moments.count
    scale = float(moments.second.diagonal().mean().sqrt())
    floor = NOISE_FLOOR * scale if scale > 0 else 1.0
    others = min(bands - 1, count // _SAMPLES_PER_BAND)
    if others < 1:
        return torch.full((bands,), floor, dtype=torch.float64)
    covariance = moments.comoment / count
    size = covariance.diagonal().clamp_min(0).sqrt()
    varies = size > floor * 1e-3
    unit = torch.where(varies, 1 / torch.where(varies, size, 1.0), 0.0)
    alike = covariance * torch.outer(unit, unit) + RANK * torch.eye(bands, dtype=unit.dtype)
    alike = alike + torch.diag((~varies).to(alike))
    share = _unexplained(alike, others)
    noise = size * (share * count / (count - others - 1)).clamp(0, 1).sqrt()
    return torch.where(varies, noise, 0.0).clamp_min(floor)


def _unexplained(alike: Tensor, others: int) -> Tensor:
    """Return the share of each variable that its next `others` do not explain.

    `alike` is the [C, C] correlation matrix.
    """
    bands = len(alike)
    if others == bands - 1:
        inverse: Tensor = torch.linalg.inv(alike)
        return inverse.diagonal().clamp_min(1.0).reciprocal()
    share = []
    for band in range(bands):
        first = min(max(0, band - others // 2), bands - others - 1)
        near = slice(first, first + others + 1)
        share.append(1 / torch.linalg.inv(alike[near, near])[band - first, band - first])
    return torch.stack(share).clamp_max(1.0)


def purest(
    sample: Sequence[Observation], subspace: Subspace, count: int, context: Context
) -> Tensor:
    """Return the spectra of the `count` purest samples of the scene, [C, count] float64.

    Vertex component analysis (Nascimento and Bioucas-Dias 2005, IEEE TGRS 43) among at most
    :data:`PIXELS` samples, spread over the scene. The same seed gives the same spectra.

    Raises
    ------
    OptionError
        If more spectra are asked for than the subspace has dimensions.
    """
    if count > subspace.dimension:
        raise OptionError(
            f"{count} pure spectra cannot be told apart in {subspace.dimension} dimensions"
        )
    found = list(side_by_side("spectra", sample, _thinned(subspace, len(sample)), context))
    coefficients = torch.cat(found, dim=1).double()
    picked = _vertices(coefficients[:count], count, context.seed)
    return subspace.cube(coefficients[:, picked])


def _thinned(subspace: Subspace, blocks: int) -> Callable[[Observation], Tensor]:
    """Return what takes the coefficients [p, n] of a block's share of the samples."""
    most = max(1, PIXELS // max(1, blocks))

    def take(seen: Observation) -> Tensor:
        counted = seen.target[:, seen.target_mask]
        step = max(1, -(-counted.shape[1] // most))
        return subspace.coefficients(counted[:, ::step]).float().cpu()

    return take


def _vertices(points: Tensor, count: int, seed: int) -> Tensor:
    """Return which of [p, n] points are vertices of the simplex around them all, `count` of them.

    The points are first divided by their length along the mean, so that shade does not count.
    """
    mean = points.mean(dim=1)
    along = mean @ points
    flat = points / torch.where(along.abs() > RANK * along.abs().max(), along, torch.inf)
    generator = torch.Generator().manual_seed(seed)
    corners = flat.new_zeros(len(flat), count)
    corners[-1, 0] = 1.0
    picked = torch.zeros(count, dtype=torch.long)
    for step in range(count):
        direction = torch.randn(len(flat), generator=generator, dtype=flat.dtype)
        known = corners[:, : max(1, step)]
        direction -= known @ torch.linalg.lstsq(known, direction[:, None]).solution[:, 0]
        picked[step] = (direction @ flat).abs().argmax()
        corners[:, step] = flat[:, picked[step]]
    return picked
