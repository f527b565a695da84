"""Statistics of blocks, and the quality indices that are made of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from pansharpkit.metrics.rasters import Size

FLAT = 1e-13
"""A block whose variance is below this share of its power counts as constant."""
FULL = 0.5
"""A block counts if at least this share of its pixels is valid."""
_EPS = torch.finfo(torch.float64).eps


@dataclass(frozen=True)
class BlockMap:
    """One value per block and whether the block counts; values of the others are 0."""

    values: Tensor
    """[..., rows, cols]."""
    counted: Tensor
    """[rows, cols] bool."""

    @property
    def mean(self) -> float | None:
        """Mean over the blocks that count; None if none does."""
        n = int(self.counted.sum())
        return float(self.values.sum()) / n if n else None


def _cut(x: Tensor, block: Size, shift: Size) -> Tensor:
    """Return the blocks of [C, H, W] as [rows * cols, C, pixels]."""
    patches = x.unfold(1, block[0], shift[0]).unfold(2, block[1], shift[1])
    bands, rows, cols = patches.shape[:3]
    return patches.permute(1, 2, 0, 3, 4).reshape(rows * cols, bands, block[0] * block[1])


@dataclass(frozen=True)
class _Moments:
    """Statistics over the valid pixels of each block; covariances are unbiased."""

    n: Tensor
    """[blocks] number of valid pixels."""
    mean: Tensor
    """[blocks, bands]."""
    centred: Tensor
    """[blocks, bands, pixels], 0 where masked."""

    @classmethod
    def of(cls, blocks: Tensor, weights: Tensor) -> _Moments:
        n = weights.sum(dim=-1)
        mean = (blocks * weights[:, None]).sum(dim=-1) / n.clamp(min=1)[:, None]
        return cls(n, mean, (blocks - mean[..., None]) * weights[:, None])

    def covariance(self, other: _Moments) -> Tensor:
        """[blocks, bands, bands of other]."""
        products = self.centred @ other.centred.transpose(1, 2)
        return products / (self.n - 1).clamp(min=1)[:, None, None]

    @property
    def variance(self) -> Tensor:
        """[blocks, bands], exactly 0 in constant blocks."""
        raw = self.centred.square().sum(dim=-1) / (self.n - 1).clamp(min=1)[:, None]
        return torch.where(raw > FLAT * self.mean.square(), raw, 0.0)


def universal_quality(
    means: tuple[Tensor, Tensor], variances: tuple[Tensor, Tensor], covariance: Tensor
) -> Tensor:
    """Return Wang and Bovik's universal quality index from first and second moments.

    Never NaN: two constant blocks are compared by their means alone, and two zero means count
    as equal.
    """
    level = means[0].square() + means[1].square()
    spread = variances[0] + variances[1]
    luminance = torch.where(level > 0, 2 * means[0] * means[1] / level, 1.0)
    flat = spread <= FLAT * level
    return luminance * torch.where(flat, 1.0, 2 * covariance / spread.where(~flat, spread + 1))


def pair_quality(x: Tensor, mask: Tensor, block: Size) -> BlockMap:
    """Return Q between all pairs of the bands of [B, H, W] on blocks: values [B * B, rows, cols].

    Blocks lie side by side; those cut by the lower and right edge of the raster count like the
    others, by the share of their pixels inside the raster that is valid.
    """
    height, width = mask.shape
    missing = (0, -width % block[1], 0, -height % block[0])
    area = functional.pad(torch.ones_like(mask).double(), missing)[None]
    weights = _cut(functional.pad(mask.double(), missing)[None], block, block)[:, 0]
    x = functional.pad(x, missing) if any(missing) else x
    moments = _Moments.of(_cut(x, block, block), weights)
    n, bands = weights.shape[0], x.shape[0]
    means = moments.mean[:, :, None].expand(n, bands, bands)
    variances = moments.variance[:, :, None].expand(n, bands, bands)
    quality = universal_quality(
        (means, means.transpose(1, 2)),
        (variances, variances.transpose(1, 2)),
        moments.covariance(moments),
    )
    counted = moments.n >= FULL * _cut(area, block, block)[:, 0].sum(dim=-1)
    rows, cols = -(-height // block[0]), -(-width // block[1])
    values = torch.where(counted[:, None], quality.reshape(n, -1), 0.0)
    return BlockMap(values.T.reshape(-1, rows, cols), counted.reshape(rows, cols))


def mirrored(x: Tensor, block: int, shift: int) -> Tensor:
    """Extend [..., H, W] below and to the right, by mirroring, to whole blocks."""
    for dim in (-2, -1):
        n = x.shape[dim]
        total = (-(-n // shift) - 1) * shift + block
        if total == n:
            continue
        index = torch.arange(total, device=x.device).remainder(2 * n)
        x = x.index_select(dim, torch.where(index < n, index, 2 * n - 1 - index))
    return x


def to_uint16(x: Tensor) -> Tensor:
    """Round half away from zero and clip to 0 ... 65535, as a cast to uint16 does in MATLAB."""
    return torch.floor(x.clamp(min=0) + 0.5).clamp(max=65535)


def q2n_map(
    reference: Tensor,
    fused: Tensor,
    mask: Tensor,
    *,
    block: int = 32,
    shift: int = 32,
    toolbox: bool = False,
) -> BlockMap:
    """Return the hypercomplex quality index Q2n on each block: values [rows, cols].

    Alparone et al. 2004, Garzelli and Nencini 2009. Bands are taken as the components of a
    hypercomplex number, filled up with zero bands to the next power of two; images are completed
    by mirroring at the bottom and the right. `toolbox` casts to uint16 first, and divides by the
    machine epsilon where a reference band is constant; otherwise such a band is divided by its
    mean.
    """
    x, y = (mirrored(image, block, shift) for image in (reference, fused))
    if toolbox:
        x, y = to_uint16(x), to_uint16(y)
    size, step = (block, block), (shift, shift)
    valid = mirrored(mask, block, shift).double()[None]
    weights = _cut(valid, size, step)[:, 0]
    first = _Moments.of(_cut(x, size, step), weights)
    second = _Moments.of(_cut(y, size, step), weights)
    counted = first.n >= FULL * block * block
    values = torch.where(counted, _hypercomplex(first, second, toolbox=toolbox), 0.0)
    rows = (valid.shape[1] - block) // shift + 1
    return BlockMap(values.reshape(rows, -1), counted.reshape(rows, -1))


def _hypercomplex(first: _Moments, second: _Moments, *, toolbox: bool) -> Tensor:
    """Return Q2n of each block from the moments of its bands.

    The index is the modulus of the covariance of two hypercomplex variables. A product of such
    numbers is bilinear, so that its mean is a signed sum of the bands' cross-covariances.
    """
    scale, other = _normalisation(first, second, toolbox=toolbox)
    bands = first.mean.shape[1]
    order = 1 << (bands - 1).bit_length()
    signs, index = _multiplication(order)
    level = (second.mean - first.mean) / other + 1
    power = level.square().sum(dim=1) + (order - bands)
    bias = 2 * (order * power).sqrt() / (order + power)
    spread = (first.variance / scale.square() + second.variance / other.square()).sum(dim=1)
    cross = first.covariance(second) / (scale[:, :, None] * other[:, None, :])
    terms = (cross * signs[:bands, :bands].to(cross)).flatten(1)
    target = index[:bands, :bands].flatten().to(cross.device).expand_as(terms)
    product = cross.new_zeros(len(cross), order).scatter_add(1, target, terms)
    modulus = product.norm(dim=1)
    return bias * torch.where(spread > 0, 2 * modulus / spread.where(spread > 0, spread + 1), 1.0)


def _normalisation(first: _Moments, second: _Moments, *, toolbox: bool) -> tuple[Tensor, Tensor]:
    """Return by what the bands of reference and fused are divided: the reference's deviation."""
    deviation = first.variance.sqrt()
    constant = deviation == 0
    zero = first.mean == 0
    fallback = torch.full_like(deviation, _EPS) if toolbox else first.mean.abs()
    other = torch.where(constant, torch.where(zero, 1.0, fallback), deviation)
    return deviation.where(~constant, deviation + 1), other


@lru_cache(maxsize=16)
def _multiplication(order: int) -> tuple[Tensor, Tensor]:
    """Return sign and component of x * conjugate(y), for each pair of components of x and y.

    Cayley-Dickson doubling in the convention (a, b)(c, d) = (ac - d*b, a*d* + cb*).
    """
    signs = torch.ones(1, 1, dtype=torch.float64)
    while len(signs) < order:
        conj = _conjugation(len(signs))
        upper = torch.cat([signs, signs * conj[:, None] * conj[None, :]], dim=1)
        lower = torch.cat([signs.T * conj[:, None], -signs.T * conj[None, :]], dim=1)
        signs = torch.cat([upper, lower])
    number = torch.arange(order)
    return signs * _conjugation(order)[None, :], number[:, None] ^ number[None, :]


def _conjugation(order: int) -> Tensor:
    signs = -torch.ones(order, dtype=torch.float64)
    signs[0] = 1
    return signs
