"""Coupled sparse tensor factorisation: a sparse core between rows, columns and spectra.

Source: Li, Dian, Fang, Bioucas-Dias 2018, IEEE TIP 27. The fine cube is a core times a dictionary
for each of its three axes. Those of rows and columns come from the guide, that of the spectra from
the cube; the core explains both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.hs.coupled import Coupled, conjugate_gradients
from pansharpkit.methods.hs.hyperspectral import project, srf_of
from pansharpkit.methods.hs.subspace import Subspace, identify
from pansharpkit.methods.hs.unmixing import TINY
from pansharpkit.physics import Observation, upsample
from pansharpkit.sampling import Sampling

CONTEXT = 4
"""Target pixels around a tile."""
OVERLAP = 4
"""Target pixels over which tiles, each with its own dictionaries, are blended."""
_SOLVING = 6  # steps of conjugate gradients for the core
_SPREAD = 0.05  # about the mean eigenvalue of the target's part


@dataclass(frozen=True)
class CstfOptions:
    """How rich the dictionaries are, how sparse the core, and how long."""

    share: float = 1.0
    """Atoms for rows and for columns, as a share of the rows and columns of a tile."""
    spectra: int | None = None
    """Atoms for spectra; by default as many as stand out of the noise."""
    sparsity: float = 1e-5
    """Weight of the sum of the core's magnitudes, in working range."""
    proximity: float = 1e-5
    """Weight of the distance to the last iterate."""
    iterations: int = 20
    """Rounds of core, rows and columns."""
    core_steps: int = 2
    """Steps of the core in each."""
    penalty: float = 1e-4
    """Weight of the agreement of the core and its sparse twin in each of them."""
    dictionary_steps: int = 3
    """Steps of each dictionary in each."""


@dataclass(frozen=True)
class Tucker:
    """A core between three dictionaries; what they make are coefficients in a spectral subspace."""

    core: Tensor
    """[p, a, b]."""
    scales: Tensor
    """[p, 1, 1] lengths of the atoms of the spectra: detail goes to those of much power."""
    rows: Tensor
    """[H, a], orthonormal columns."""
    columns: Tensor
    """[W, b], orthonormal columns."""

    def image(self) -> Tensor:
        """Return [p, H, W]."""
        return self.scales * (self.rows @ self.core @ self.columns.T)

    def onto_core(self, z: Tensor) -> Tensor:
        """Return the transpose of :meth:`image` as a function of the core, [p, a, b]."""
        return self.rows.T @ (self.scales * z) @ self.columns

    def flipped(self) -> Tucker:
        """Return the factorisation of the transposed image."""
        return Tucker(self.core.mT, self.scales, self.columns, self.rows)


@dataclass(frozen=True)
class Cstf:
    """Coupled sparse tensor factorisation, its spectra from the scene, the rest per tile."""

    options: CstfOptions = CstfOptions()

    def halo(self, sampling: Sampling) -> int:
        """Give context, which no finite margin makes complete."""
        return math.ceil(CONTEXT * max(sampling.ratio))

    def overlap(self, sampling: Sampling) -> int:
        """Blend neighbours, whose dictionaries are not the same."""
        return math.ceil(OVERLAP * max(sampling.ratio))

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedCstf:
        """Find the spectra.

        Raises
        ------
        FusionError
            If no pixel is valid, or nobody knows the guide's spectral response.
        """
        subspace = identify(sample, context, self.options.spectra)
        mixing = srf_of(sample[0]).double().cpu() @ subspace.basis
        return FittedCstf(subspace, mixing, self.options)


@dataclass(frozen=True)
class FittedCstf:
    """The spectral dictionary of a scene."""

    subspace: Subspace
    mixing: Tensor
    """[c, p]."""
    options: CstfOptions

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Factorise each observation."""
        return [self._fuse(seen, context) for seen in batch]

    def _fuse(self, seen: Observation, context: Context) -> Tensor:
        mixing = self.mixing.to(seen.target)
        problem = Coupled(seen, self.subspace.coefficients(seen.target), mixing)
        scales = (self.subspace.power / self.subspace.power[0]).sqrt().to(seen.target)
        search = _Search(problem, scales[:, None, None], self.options)
        for _ in context.steps("cstf", self.options.iterations):
            search.step()
        return self.subspace.cube(search.found.image())

    def summary(self) -> Mapping[str, object]:
        """Return the number of spectra."""
        return {"spectra": self.subspace.dimension}


class _Search:
    """Alternating minimisation, each part held near where it was."""

    def __init__(self, problem: Coupled, scales: Tensor, options: CstfOptions) -> None:
        self.problem, self.options = problem, options
        seen = problem.seen
        self.wanted = problem.wanted()
        guide = seen.guide * seen.guide_mask
        height, width = (max(1, round(options.share * side)) for side in seen.size)
        rows = _atoms(guide.permute(1, 0, 2).flatten(1), height)
        columns = _atoms(guide.permute(2, 0, 1).flatten(1), width)
        start = upsample(problem.coarse, seen.sampling, seen.size, kernel="cubic")
        self.found = Tucker(rows.T @ (start / scales) @ columns, scales, rows, columns)
        self.sparse, self.debt = self.found.core, torch.zeros_like(self.found.core)
        mixing = problem.mixing * scales[:, 0, 0]
        hold = options.penalty + options.proximity
        spread = torch.diag(_SPREAD * scales[:, 0, 0].square() + hold)
        self.eased = torch.linalg.inv(mixing.T @ mixing + spread)

    def step(self) -> None:
        """Improve the core, then rows, then columns."""
        self.found = self._better_core(self.found)
        for flipped in (False, True):
            self.found = self._better_rows(self.found, flipped)

    def _better_core(self, now: Tucker) -> Tucker:
        """Take steps of the alternating direction method: a core, and its sparse twin."""
        options = self.options
        hold = options.penalty + options.proximity
        anchor = now.onto_core(self.wanted) + options.proximity * now.core
        core = now.core
        for _ in range(options.core_steps):
            core = conjugate_gradients(
                lambda c: (
                    now.onto_core(self.problem.normal(replace(now, core=c).image())) + hold * c
                ),
                anchor + options.penalty * (self.sparse - self.debt),
                core,
                _SOLVING,
                lambda c: project(self.eased, c),
            )
            aim, least = core + self.debt, options.sparsity / options.penalty
            self.sparse = aim.sign() * (aim.abs() - least).clamp_min(0)
            self.debt = aim - self.sparse
        return replace(now, core=core)

    def _better_rows(self, now: Tucker, flipped: bool) -> Tucker:
        """Solve for the dictionary of rows, of columns if flipped, and make it orthonormal."""
        view = now.flipped() if flipped else now
        seen_by = (view.scales * view.core) @ view.columns.T  # [p, a, W]
        near = self.options.proximity * float(seen_by.square().mean()) * seen_by.shape[-1]

        def turned(z: Tensor) -> Tensor:
            return z.transpose(-1, -2) if flipped else z

        def back(z: Tensor) -> Tensor:
            return (turned(z) @ seen_by.mT).sum(dim=0)

        mixed = project(self.problem.mixing, seen_by)
        gram = (mixed @ mixed.mT).sum(dim=0) + _SPREAD * (seen_by @ seen_by.mT).sum(dim=0)
        ridge = max(near, 1e-6 * float(gram.diagonal().mean()), TINY)
        eased = torch.linalg.inv(gram + ridge * torch.eye(len(gram)).to(gram))
        rows = conjugate_gradients(
            lambda r: back(self.problem.normal(turned(r @ seen_by))) + near * r,
            back(self.wanted) + near * view.rows,
            view.rows,
            self.options.dictionary_steps,
            lambda r: r @ eased,
        )
        left, sizes, right = torch.linalg.svd(rows, full_matrices=False)
        stretch = right.T @ (sizes[:, None] * right)  # rows = (left @ right) @ stretch
        better = replace(view, core=stretch @ view.core, rows=left @ right)
        return better.flipped() if flipped else better


def _atoms(unfolded: Tensor, count: int) -> Tensor:
    """Return the `count` leading left singular vectors of [n, m], [n, count]."""
    gram = unfolded.double() @ unfolded.double().T
    _, vectors = torch.linalg.eigh(gram)
    leading: Tensor = vectors.flip(1)[:, :count]
    return leading.to(unfolded)
