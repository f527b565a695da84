"""HySure's published objective, for comparison: pure spectra as basis, both misfits weighing alike.

The comparison toolbox (Yokoya et al. 2017, GRSM 5) runs it with these settings and a PSF that it
estimates from the pair, by ridge regression; so does this, whatever PSF is known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.hs.hyperspectral import srf_of
from pansharpkit.methods.hs.subspace import identify, purest
from pansharpkit.methods.hs.sylvester import Joint, Spread, mixed
from pansharpkit.methods.primal_dual import GradientPrior, minimise_by_proximity
from pansharpkit.model import Psf
from pansharpkit.physics import Observation
from pansharpkit.physics.blind import estimate_model

SPECTRA = 30
WEIGHT = 5e-4
"""Of the total variation, for values up to about 1."""
ITERATIONS = 200
STEP = 20.0


def published(sample: Sequence[Observation], context: Context) -> FittedPublished:
    """Find PSF and purest spectra of a scene; other seeds find other spectra.

    Raises
    ------
    FusionError
        If there are too few samples for the PSF, or nobody knows the guide's spectral response.
    """
    srf_of(sample[0])
    psf = estimate_model(sample, method="ridge").model.psf
    bands = len(sample[0].target)
    subspace = identify(sample, context, min(SPECTRA, bands))
    return FittedPublished(purest(sample, subspace, subspace.dimension, context), psf)


@dataclass(frozen=True)
class FittedPublished:
    """Minimum of ``|Y - E X D|^2 / 2 + |Z - R E X|^2 / 2 + weight * TV(X)``."""

    spectra: Tensor
    """[C, p]."""
    psf: Psf | None
    """As estimated from the pair."""

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Fuse whole images."""
        return [self._fuse(self._seen(observation)) for observation in batch]

    def _seen(self, seen: Observation) -> Observation:
        """Return the observation with the PSF that was estimated."""
        model = seen.optics.model
        if model is None:
            return seen
        return replace(seen, optics=replace(seen.optics, model=replace(model, psf=self.psf)))

    def _fuse(self, seen: Observation) -> Tensor:
        count = self.spectra.shape[1]
        response = srf_of(seen).double().cpu() @ self.spectra
        ones = torch.ones(max(len(self.spectra), len(response)), dtype=torch.float64)
        near = Joint.of(
            self.spectra,
            ones[: len(self.spectra)],
            response,
            ones[: len(response)],
            torch.eye(count, dtype=torch.float64) / STEP,
        )
        start = seen.target.new_zeros(count, *seen.size)
        prior = GradientPrior(start.new_zeros(1, 1, 1, 1), WEIGHT, joint=True)
        nearest = near.best(seen, Spread.of(seen))
        found = minimise_by_proximity(nearest, STEP, prior, start, range(ITERATIONS))
        return mixed(self.spectra, found)

    def summary(self) -> Mapping[str, object]:
        """Return the spectra."""
        return {"spectra": self.spectra.T.tolist()}
