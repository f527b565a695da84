"""Component substitution by fixed rules: IHS, PCA and Gram-Schmidt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.classical.interpolation import upsampled_target
from pansharpkit.methods.classical.tables import coarse_table, fine_table
from pansharpkit.methods.moments import Moments, gather, nonnegative_least_squares, quotient
from pansharpkit.methods.operators import interpolation_reach, pan
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling


@dataclass(frozen=True)
class FittedSubstitution:
    """``bands + gains * (PAN - offset - weights . bands)``."""

    weights: Tensor
    """[C] of the component that PAN replaces, in units of PAN."""
    gains: Tensor
    """[C]."""
    offset: float
    """Mean of PAN minus mean of the component."""

    @classmethod
    def matched(cls, weights: Tensor, gains: Tensor, fine: Moments) -> FittedSubstitution:
        """Replace ``weights . bands`` by PAN with the same mean and standard deviation.

        `fine` are the moments of bands and PAN. Where one of the two has no variation, nothing is
        replaced.
        """
        covariance = fine.covariance
        variance = weights @ covariance[:-1, :-1] @ weights
        scale = quotient(variance, covariance[-1, -1]).clamp_min(0).sqrt()
        if scale == 0:
            return cls(weights, torch.zeros_like(gains), 0.0)
        offset = float(fine.mean[-1] - weights @ fine.mean[:-1] / scale)
        return cls(weights / scale, gains * scale, offset)

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Inject the detail into each observation."""
        return [self._fuse(observation) for observation in batch]

    def _fuse(self, observation: Observation) -> Tensor:
        exp = upsampled_target(observation)
        component = torch.tensordot(self.weights.to(exp.device, exp.dtype), exp, dims=1)
        gains = self.gains.to(exp.device, exp.dtype)[:, None, None]
        detail = (pan(observation) - self.offset).sub_(component)
        return exp.addcmul_(gains, detail)

    def summary(self) -> Mapping[str, object]:
        """Return weights, gains and offset."""
        return {
            "weights": self.weights.tolist(),
            "gains": self.gains.tolist(),
            "offset": self.offset,
        }


def _equal(bands: int) -> Tensor:
    return torch.full((bands,), 1 / bands, dtype=torch.float64)


@dataclass(frozen=True)
class IhsOptions:
    """How the intensity is made."""

    weights: Literal["equal", "least-squares"] = "equal"
    """The mean of the bands, or a mean weighted by the non-negative regression of PAN on them, in
    the manner of Tu et al. (2004)."""


@dataclass(frozen=True)
class Ihs:
    """Fast generalised intensity-hue-saturation (Tu et al. 2001, Information Fusion 2).

    Every band receives the same detail, PAN minus intensity; for three bands and equal weights
    that is the classical transform.
    """

    options: IhsOptions = IhsOptions()
    pixelwise: ClassVar[bool] = True

    def halo(self, sampling: Sampling) -> int:
        """The target is interpolated; the PSF of the regression reaches less far."""
        return interpolation_reach(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedSubstitution:
        """Estimate the intensity and what matches PAN to it."""
        if self.options.weights == "equal":
            (fine,) = gather(sample, lambda o: (fine_table(o),), context)
            weights = _equal(len(fine.mean) - 1)
        else:
            fine, coarse = gather(sample, lambda o: (fine_table(o), coarse_table(o)), context)
            covariance = coarse.covariance
            found = nonnegative_least_squares(covariance[:-1, :-1], covariance[:-1, -1])
            weights = quotient(found, found.sum())
        return FittedSubstitution.matched(weights, torch.ones_like(weights), fine)


@dataclass(frozen=True)
class PcaOptions:
    """PCA has no options."""


@dataclass(frozen=True)
class Pca:
    """PAN in place of the first principal component (Chavez, Sides and Anderson 1991, PE&RS 57)."""

    options: PcaOptions = PcaOptions()
    pixelwise: ClassVar[bool] = True

    def halo(self, sampling: Sampling) -> int:
        """The target is interpolated."""
        return interpolation_reach(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedSubstitution:
        """Find the component; its sign is that of its correlation with PAN."""
        (fine,) = gather(sample, lambda o: (fine_table(o),), context)
        covariance = fine.covariance
        axis = torch.linalg.eigh(covariance[:-1, :-1])[1][:, -1]
        if axis @ covariance[:-1, -1] < 0:
            axis = -axis
        return FittedSubstitution.matched(axis, axis, fine)


@dataclass(frozen=True)
class GsOptions:
    """GS has no options."""


@dataclass(frozen=True)
class Gs:
    """Gram-Schmidt (Laben and Brower 2000, US patent 6011875).

    The intensity is the mean of the bands; each band receives what PAN has beyond it, times
    ``cov(band, intensity) / var(intensity)``.
    """

    options: GsOptions = GsOptions()
    pixelwise: ClassVar[bool] = True

    def halo(self, sampling: Sampling) -> int:
        """The target is interpolated."""
        return interpolation_reach(sampling)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedSubstitution:
        """Estimate the gains and what matches PAN to the intensity."""
        (fine,) = gather(sample, lambda o: (fine_table(o),), context)
        weights = _equal(len(fine.mean) - 1)
        shared = fine.covariance[:-1, :-1] @ weights
        return FittedSubstitution.matched(weights, quotient(shared, weights @ shared), fine)
