"""Bands that PAN does not see: kept out of a method, and sharpened with what is known of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import overload

import torch
from torch import Tensor

from pansharpkit.methods.base import Context, Fitted, Method
from pansharpkit.methods.classical.interpolation import upsampled_target
from pansharpkit.methods.classical.multiresolution import MtfGlpFs
from pansharpkit.methods.moments import Table, gather, quotient
from pansharpkit.methods.operators import distinct_gains, gain_index, operators_of, pan
from pansharpkit.physics import Observation, lowpass
from pansharpkit.sampling import Sampling


@dataclass(frozen=True)
class DetailRegression:
    """Inject PAN's detail into each band as far as the two agreed one scale down.

    A band receives ``PAN - lowpass(PAN)`` times the regression, on the target grid, of the detail
    that the band loses by one more degradation on the detail that PAN loses. That is the
    correlation of the details times the ratio of their deviations: a band whose detail is its own
    gets nothing of PAN's. Detail is never inverted: a negative gain counts as 0.
    """

    def halo(self, sampling: Sampling) -> int:
        """PAN is degraded to the target grid and interpolated back."""
        return MtfGlpFs().halo(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedDetailRegression:
        """Estimate one gain per band."""
        (moments,) = gather(sample, lambda o: (_details(o),), context)
        bands = len(moments.mean) // 2
        covariance = moments.covariance
        shared = covariance[:bands, bands:].diagonal()
        band, guide = covariance.diagonal()[:bands], covariance.diagonal()[bands:]
        gains = quotient(shared, guide).clamp_min(0)
        return FittedDetailRegression(gains, quotient(shared, (band * guide).sqrt()))


def _details(observation: Observation) -> Table:
    """Detail of each band on the target grid, and that of PAN through the same low-pass."""
    operators, optics = operators_of(observation.optics), observation.optics
    bands, smooth, guide = operators.reduced(observation, upsampled_target(observation))
    gains = distinct_gains(optics)
    low = lowpass(guide.expand(len(gains), -1, -1), observation.sampling.ratio, gains)
    guide_detail = (guide - low)[gain_index(optics)]
    return torch.cat([bands - smooth, guide_detail]), observation.target_mask


@dataclass(frozen=True)
class FittedDetailRegression:
    """``bands + gains * (PAN - lowpass(PAN))``."""

    gains: Tensor
    """[C], >= 0."""
    correlations: Tensor
    """[C], of the details one scale down."""

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Inject the detail into each observation."""
        return [self._fuse(observation) for observation in batch]

    def _fuse(self, observation: Observation) -> Tensor:
        exp = upsampled_target(observation)
        smooth = operators_of(observation.optics).guide_lowpass(observation)
        detail = pan(observation) - smooth
        gains = self.gains.to(exp.device, exp.dtype)[:, None, None]
        return torch.addcmul(exp, gains, detail[gain_index(observation.optics)])

    def summary(self) -> Mapping[str, object]:
        """Return the gains, and the correlations that they rest on."""
        return {"gains": self.gains.tolist(), "detail_correlations": self.correlations.tolist()}


@dataclass(frozen=True)
class Apart:
    """One method for some bands of the target, another one for the rest.

    The first method never sees the other bands: its intensity, its ratios and its regressions are
    made of its own bands alone.
    """

    inside: Method
    outside: Method
    bands: tuple[int, ...]
    """Target bands of the first method, by index; neither none nor all of them."""

    def halo(self, sampling: Sampling) -> int:
        """The wider of the two."""
        return max(self.inside.halo(sampling), self.outside.halo(sampling))

    def overlap(self, sampling: Sampling) -> int:
        """The wider of the two."""
        return max(self.inside.overlap(sampling), self.outside.overlap(sampling))

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedApart:
        """Fit each method to its own bands."""
        return FittedApart(
            self.inside.fit(_Bands(sample, self.bands, others=False), context),
            self.outside.fit(_Bands(sample, self.bands, others=True), context),
            self.bands,
        )


@dataclass(frozen=True)
class FittedApart:
    """Two fitted methods, each with its own bands."""

    inside: Fitted
    outside: Fitted
    bands: tuple[int, ...]

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Fuse each observation in two parts, and put the bands back in order."""
        inside = self.inside.apply([_of(o, self.bands) for o in batch], context)
        rest = [_others(o, self.bands) for o in batch]
        outside = self.outside.apply([_of(o, r) for o, r in zip(batch, rest, strict=True)], context)
        return [
            torch.cat([first, second])[_places((*self.bands, *r))]
            for first, second, r in zip(inside, outside, rest, strict=True)
        ]

    def summary(self) -> Mapping[str, object]:
        """Return what the first method estimated, and the second one's under ``outside_pan``."""
        return {**self.inside.summary(), "outside_pan": dict(self.outside.summary())}


class _Bands(Sequence[Observation]):
    """Observations reduced to some of their bands when they are asked for."""

    def __init__(
        self, sample: Sequence[Observation], bands: tuple[int, ...], *, others: bool
    ) -> None:
        self._sample, self._bands, self._want_others = sample, bands, others

    def __len__(self) -> int:
        return len(self._sample)

    def __iter__(self) -> Iterator[Observation]:
        return (self._reduced(observation) for observation in self._sample)

    @overload
    def __getitem__(self, index: int) -> Observation: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Observation]: ...

    def __getitem__(self, index: int | slice) -> Observation | Sequence[Observation]:
        """Reduce one observation, or several."""
        if isinstance(index, slice):
            return _Bands(self._sample[index], self._bands, others=self._want_others)
        return self._reduced(self._sample[index])

    def _reduced(self, observation: Observation) -> Observation:
        bands = _others(observation, self._bands) if self._want_others else self._bands
        return _of(observation, bands)


def _others(observation: Observation, bands: tuple[int, ...]) -> tuple[int, ...]:
    count = int(observation.target.shape[0])
    return tuple(band for band in range(count) if band not in bands)


def _of(observation: Observation, bands: tuple[int, ...]) -> Observation:
    return replace(
        observation,
        target=observation.target[list(bands)],
        optics=observation.optics.subset(list(bands)),
    )


def _places(order: tuple[int, ...]) -> list[int]:
    """Return where each band lies in a stack made in this order."""
    return sorted(range(len(order)), key=lambda place: order[place])
