"""Indices of same-resolution fusion: what of the sources is in the fused image.

:func:`fusion_indices` computes all of them for arrays, :func:`of_rasters` for rasters of any size,
window by window. Each name stands for one variant of one definition:

- ``q_abf``: Q_AB/F as published by Xydeas and Petrovic, see :mod:`.edges`
- ``q_abf_bristol``: Q_AB/F with the constants of the authors of DIP fusion
- ``mi``: Shannon's mutual information, see :mod:`.information`
- ``mi_normalised``: the same over the entropies
- ``mi_renyi``: Rényi's of order 1/2, mean over the sources
- ``q_piella``: Q in 8 x 8 windows, see :mod:`.saliency`
- ``q_piella_w``: Q_W, windows weighted by their saliency
- ``q_piella_e``: Q_E, Q_W of the images times Q_W of their edges
- ``q_cvejic``: Q_C in 4 x 4 blocks
- ``entropy_bits``: entropy of the fused image
- ``scd``: sum of the correlations of differences, see :mod:`.differences`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pansharpkit.errors import OptionError
from pansharpkit.metrics.differences import product_sums, scd
from pansharpkit.metrics.edges import (
    BRISTOL,
    XYDEAS_PETROVIC,
    Edges,
    edge_sums,
    edge_value,
    inside,
)
from pansharpkit.metrics.information import Information, Levels, joint_histograms
from pansharpkit.metrics.rasters import Area, Raster, Size, areas
from pansharpkit.metrics.saliency import (
    WINDOW,
    Windows,
    cvejic_q_c,
    piella_q,
    piella_q_e,
    piella_q_w,
    saliency_sums,
    similarity_sums,
)
from pansharpkit.metrics.tally import Values

NAMES = (
    "q_abf",
    "q_abf_bristol",
    "mi",
    "mi_normalised",
    "mi_renyi",
    "q_piella",
    "q_piella_w",
    "q_piella_e",
    "q_cvejic",
    "entropy_bits",
    "scd",
)
"""The indices, in the order of reports. More is better for each."""
DEFINITIONS: Mapping[str, str] = {
    "q_abf": "3 x 3 Sobel inside the image, weights = strength of the source's edges; sigmoids of "
    "Xydeas and Petrovic 2000, product; .975 at best",
    "q_abf_bristol": "the same, sigmoids (.7, 11) and (.8, 24), root of the product; .978 at best",
    "mi": "Shannon, bits, 256 x 256 levels, sum over the sources",
    "mi_normalised": "Shannon over the mean of the two entropies, sum over the sources",
    "mi_renyi": "Rényi divergence of order 1/2, bits, 256 x 256 levels, mean over the sources",
    "q_piella": "8 x 8 windows, stride 1, weights = variance of the sources",
    "q_piella_w": "the same, windows weighted by the greatest variance of the sources",
    "q_piella_e": "q_piella_w of the images times that of their Sobel magnitudes",
    "q_cvejic": "4 x 4 blocks side by side, weights = covariance of source and fused",
    "entropy_bits": "fused image, 256 levels",
    "scd": "r(fused - mean of the other sources, source), sum over the sources",
    "bands": "mean over the bands of the fused image; a single-band source stands beside each",
    "masks": "a pixel counts if it is valid in every source and in the fused image; a window or "
    "block counts if half its pixels do, a Sobel pixel if its 3 x 3 surroundings do",
}
TILE = 512
"""Side of the windows read, pixels."""


def fusion_indices(
    sources: Sequence[Tensor],
    fused: Tensor,
    mask: Tensor | None = None,
    *,
    value_range: tuple[float, float] | None = None,
) -> Values:
    """Compare a fused image with its sources.

    Parameters
    ----------
    sources
        At least two arrays, [C, H, W] or [H, W], any real dtype. A source has the bands of the
        fused image or one band.
    fused
        [C, H, W] or [H, W].
    mask
        [H, W] bool, True where a pixel counts; values that are not finite never do.
    value_range
        Lowest and highest value of the 256 levels of all histograms, as (0, 255) for 8-bit data.
        By default (0, 255) if all arrays are uint8, else each band's own least and greatest valid
        value.

    Returns
    -------
    dict
        The indices by name, each finite, or None where no pixel or window counts.

    Raises
    ------
    OptionError
        If there are fewer than two sources, or sizes, bands or the range do not fit.
    """
    images = [image if image.ndim == 3 else image[None] for image in (*sources, fused)]
    if value_range is None and all(image.dtype == torch.uint8 for image in images):
        value_range = (0.0, 255.0)
    rasters = [Raster.of(image, mask) for image in images]
    return of_rasters(rasters[:-1], rasters[-1], value_range=value_range)


def of_rasters(
    sources: Sequence[Raster],
    fused: Raster,
    *,
    value_range: tuple[float, float] | None = None,
    window: int = TILE,
) -> Values:
    """Compare a fused raster with its sources, window by window, in two passes.

    As :func:`fusion_indices`; the result does not depend on `window`, the side of the windows read.
    """
    _check(sources, fused, value_range)
    stack = _Stack((*sources, fused))
    # Twice the window, so that an area at the lower edge holds a whole window of Sobel pixels.
    tiles = list(areas(fused.size, (2 * WINDOW, 2 * WINDOW), window))
    scales = _scales(stack, tiles, value_range)
    totals = [_Sums() for _ in range(fused.bands)]
    for area in tiles:
        _add(stack, area, scales, totals)
    bands = [total.values() for total in totals]
    return {name: _mean([band[name] for band in bands]) for name in NAMES}


@dataclass(frozen=True)
class _Stack:
    """The sources and, last, the fused raster."""

    rasters: tuple[Raster, ...]

    @property
    def size(self) -> Size:
        """Height and width."""
        return self.rasters[-1].size

    def load(self, area: Area) -> tuple[Tensor, Tensor]:
        """Return [C, N + 1, h, w] float64, 0 where masked, and the common mask [h, w]."""
        bands = self.rasters[-1].bands
        loaded = [raster.load(area) for raster in self.rasters]
        mask = torch.stack([valid for _, valid in loaded]).all(dim=0)
        images = torch.stack([image.expand(bands, -1, -1) for image, _ in loaded], dim=1)
        return images * mask, mask


@dataclass(frozen=True)
class _Scale:
    """Of one band: levels and mean of each image."""

    levels: tuple[Levels, ...]
    origin: Tensor
    """[N + 1]."""


def _scales(
    stack: _Stack, tiles: Sequence[Area], value_range: tuple[float, float] | None
) -> list[_Scale]:
    """Read everything once for the ranges of the histograms and the means."""
    shape = (stack.rasters[-1].bands, len(stack.rasters))
    low, high = (torch.full(shape, end, dtype=torch.float64) for end in (torch.inf, -torch.inf))
    total, count = torch.zeros(shape, dtype=torch.float64), 0
    for area in tiles:
        images, mask = stack.load(area)
        values = images[..., mask].cpu()
        if values.shape[-1]:
            low, high = torch.minimum(low, values.amin(-1)), torch.maximum(high, values.amax(-1))
            total, count = total + values.sum(-1), count + values.shape[-1]
    origin = total / max(1, count)
    ends = torch.stack([low, high], dim=-1).tolist()
    return [
        _Scale(tuple(Levels(*(value_range or pair)) for pair in band), mean)
        for band, mean in zip(ends, origin, strict=True)
    ]


@dataclass
class _Sums:
    """What has been added up of one band."""

    parts: dict[str, Tensor] = field(default_factory=dict)

    def add(self, name: str, sums: Tensor) -> None:
        self.parts[name] = self.parts[name] + sums.cpu() if name in self.parts else sums.cpu()

    def values(self) -> Values:
        parts = self.parts
        found = Information.of(parts["joint"])
        return {
            "q_abf": edge_value(parts["q_abf"]),
            "q_abf_bristol": edge_value(parts["q_abf_bristol"]),
            "mi": found.shannon if found else None,
            "mi_normalised": found.normalised if found else None,
            "mi_renyi": found.renyi if found else None,
            "q_piella": piella_q(parts["windows"]),
            "q_piella_w": piella_q_w(parts["windows"]),
            "q_piella_e": piella_q_e(parts["windows"], parts["edge windows"]),
            "q_cvejic": cvejic_q_c(parts["blocks"]),
            "entropy_bits": found.entropy if found else None,
            "scd": scd(parts["products"]),
        }


def _add(stack: _Stack, area: Area, scales: Sequence[_Scale], totals: Sequence[_Sums]) -> None:
    """Add what the pixels, windows and blocks that start in an area contribute."""
    outer = area.pad(WINDOW, WINDOW).clip(stack.size)
    images, mask = stack.load(outer)
    within = area.within(outer)
    rows, cols = within
    for band, scale, total in zip(images, scales, totals, strict=True):
        inner, valid = band[:, rows, cols], mask[rows, cols]
        levels = torch.stack(
            [level.of(image) for level, image in zip(scale.levels, inner, strict=True)]
        )
        total.add("joint", joint_histograms(levels, valid))
        total.add("products", product_sums(inner, valid, scale.origin.to(inner)))
        total.add("blocks", similarity_sums(Windows.blocks(inner, valid)))
        down, across = (slice(side.start, side.stop + WINDOW - 1) for side in within)
        windows = Windows.sliding(band[:, down, across], mask[down, across])
        total.add("windows", saliency_sums(windows.first(area.height, area.width)))
        _add_edges(band, mask, within, total)


def _add_edges(band: Tensor, mask: Tensor, within: tuple[slice, slice], total: _Sums) -> None:
    """Add what depends on Sobel edges; their arrays lack the outermost pixels."""
    if min(mask.shape) < 3:
        for name in ("q_abf", "q_abf_bristol", "edge windows"):
            total.add(name, torch.zeros(4, dtype=torch.float64))
        return
    edges, valid = Edges.of(band), inside(mask)
    rows, cols = (slice(max(0, side.start - 1), max(0, side.stop - 1)) for side in within)
    part = Edges(edges.strength[:, rows, cols], edges.orientation[:, rows, cols])
    total.add("q_abf", edge_sums(part, valid[rows, cols], XYDEAS_PETROVIC))
    total.add("q_abf_bristol", edge_sums(part, valid[rows, cols], BRISTOL))
    ahead = valid[rows.start :, cols.start :]
    windows = Windows.sliding(edges.strength[:, rows.start :, cols.start :] * ahead, ahead)
    first = windows.first(rows.stop - rows.start, cols.stop - cols.start)
    total.add("edge windows", saliency_sums(first))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _check(
    sources: Sequence[Raster], fused: Raster, value_range: tuple[float, float] | None
) -> None:
    if len(sources) < 2:
        raise OptionError(f"{len(sources)} source(s): fusion is judged against two or more")
    for number, source in enumerate(sources, start=1):
        if source.size != fused.size or source.bands not in (1, fused.bands):
            raise OptionError(
                f"source {number} is {source.bands} x {source.size}, fused {fused.bands} x "
                f"{fused.size}: sources must have its size and its bands, or one band; crop them"
            )
    if value_range and not value_range[0] < value_range[1]:
        raise OptionError(f"value_range {value_range}: give the lowest and the highest value")
