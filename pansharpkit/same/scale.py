"""Images that measure different things, brought to the scale of the first.

What mixes values, be it a mean or a network, needs them on one scale. Each image keeps its own
contrast: one linear map for all of its pixels and bands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pansharpkit.grid import Window
from pansharpkit.observe import lattice
from pansharpkit.readers.derived import ScaledSource
from pansharpkit.same.images import Image
from pansharpkit.source import Source

Match = Literal["auto", "none", "range", "robust"]
"""How images are brought to one scale, see `matched`."""
_PERCENT = (2.0, 50.0, 98.0)
_SIDE, _BLOCKS = 256, 16
_VALUES = 2**23  # looked at, over all bands
_OVERLAP = 0.25  # share of the narrower range that two images of one quantity have in common
_WIDER = 4.0  # times by which their ranges may differ in width


@dataclass(frozen=True)
class Spread:
    """Where the values of an image lie, judged on blocks spread over it."""

    low: float
    middle: float
    high: float
    constant: bool = False

    @property
    def width(self) -> float:
        """Between the 2nd and the 98th percentile."""
        return self.high - self.low

    def resembles(self, other: Spread) -> bool:
        """Return whether both may be values of one quantity on one scale."""
        if not (self.width and other.width):
            return self.low <= other.middle <= self.high or other.low <= self.middle <= other.high
        common = min(self.high, other.high) - max(self.low, other.low)
        narrow, wide = sorted((self.width, other.width))
        return common >= _OVERLAP * narrow and wide <= _WIDER * narrow


def spread_of(source: Source, domain: Window) -> Spread | None:
    """Return where the valid values of an image lie, or None if none was met."""
    found = []
    step = -(-len(source.names) * _BLOCKS * _SIDE**2 // _VALUES)
    for window in lattice(domain, _SIDE, _BLOCKS):
        values, valid = source.read(window)
        found.append(values[:, valid].ravel()[::step])
    pixels = np.concatenate(found).astype(np.float64)
    if not pixels.size:
        return None
    low, middle, high = map(float, np.percentile(pixels, _PERCENT))
    return Spread(low, middle, high, bool(pixels.min() == pixels.max()))


@dataclass(frozen=True)
class Matched:
    """Images on one scale."""

    sources: tuple[Source, ...]
    maps: tuple[tuple[float, float], ...]
    """(scale, offset) that each image's values were given; (1, 0) for those left as they are."""
    notices: tuple[str, ...] = ()


def matched(
    sources: Sequence[Source], images: Sequence[Image], domain: Window, how: Match
) -> Matched:
    """Bring images to the scale of the first.

    Parameters
    ----------
    sources : on one grid.
    images : what they came from, in the same order.
    how : ``none`` leaves all as they are. ``range`` maps the smallest and largest value of the
        type onto those of the first. ``robust`` maps the 2nd and 98th percentile of the scene onto
        those of the first. ``auto`` leaves 8-bit images as they are, and those whose values lie
        where the first's do; it maps pictures of other types by their range, and the rest robustly.
    """
    first = spread_of(sources[0], domain)
    mapped, maps, notices = [sources[0]], [(1.0, 0.0)], []
    for source, image in zip(sources[1:], images[1:], strict=True):
        chosen, linear = how, (1.0, 0.0)
        if how != "none" and first is not None:
            own = spread_of(source, domain)
            chosen = _chosen(sources[0], first, images[0], source, own, image, how)
            if chosen == "range":
                linear = _by_range(source, sources[0])
            elif chosen == "robust" and own is not None:
                linear = _by_percentiles(own, first)
        if linear != (1.0, 0.0):
            source = ScaledSource(source, (linear,) * len(source.names))
            notices.append(_said(source, sources[0], linear, chosen))
        mapped.append(source)
        maps.append(linear)
    return Matched(tuple(mapped), tuple(maps), tuple(notices))


def _chosen(
    reference: Source, first: Spread, base: Image, source: Source, own: Spread | None,
    image: Image, how: Match,
) -> Match:  # fmt: skip
    if how == "range" or own is None:
        return "none" if own is None else "range"
    if how == "robust":
        return "robust"
    if source.dtype == reference.dtype == np.uint8:
        return "none"
    if image.full_range and base.full_range:
        return "range"
    return "none" if source.dtype == reference.dtype and own.resembles(first) else "robust"


def _by_range(source: Source, reference: Source) -> tuple[float, float]:
    """Return the map of one type's range onto another's; floats run from 0 to 1."""
    (low, high), (base, top) = (_ends(s.dtype) for s in (source, reference))
    scale = (top - base) / (high - low)
    return scale, base - low * scale


def _ends(dtype: np.dtype[np.generic]) -> tuple[float, float]:
    if dtype.kind == "f":
        return 0.0, 1.0
    whole = np.iinfo(dtype.name)
    return float(whole.min), float(whole.max)


def _by_percentiles(own: Spread, first: Spread) -> tuple[float, float]:
    """Return the map of one range onto another; of a constant, onto its middle."""
    if not (own.width and first.width):
        return 1.0, first.middle - own.middle
    scale = first.width / own.width
    return scale, first.low - own.low * scale


def _said(source: Source, first: Source, linear: tuple[float, float], how: Match) -> str:
    why = "range of its type" if how == "range" else "2nd to 98th percentile"
    return (
        f"{source.label} is brought to the scale of {first.label}: times {linear[0]:.6g}, plus "
        f"{linear[1]:.6g} ({why}); --match none leaves it as it is"
    )
