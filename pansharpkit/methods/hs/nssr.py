"""Nonnegative structured sparse representation: few atoms per pixel, the same for similar pixels.

Source: Dong, Fu, Shi, Cao, Wu, Li, Li 2016, IEEE TIP 25. A nonnegative dictionary of spectra is
learnt from the cube; the fine image has sparse nonnegative codes in it, and pixels whose
surroundings look alike in the guide have spectra alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.excerpt import excerpt
from pansharpkit.methods.hs.coupled import Coupled, conjugate_gradients
from pansharpkit.methods.hs.hyperspectral import srf_of
from pansharpkit.methods.hs.subspace import Subspace, identify
from pansharpkit.methods.hs.unmixing import TINY, counted_spectra, sparse_codes
from pansharpkit.physics import Observation, upsample
from pansharpkit.sampling import Sampling

REACH = 8
"""Target pixels beyond which the minimum hardly depends on a pixel."""
OVERLAP = 2
"""Target pixels over which neighbours are blended."""
LEARNT = 2**14
"""Spectra that the dictionary is learnt from, at most."""
PIXELS = 2**20
"""Guide pixels of the crops that those are taken from."""
_LEARNING = 10  # rounds of codes and atoms
_CODING = 30  # steps of the codes in each
_DICTIONARY_SPARSITY = 1e-3
_SOLVING = 8  # steps of conjugate gradients in each iteration
_STRUCTURE_EVERY = 2  # iterations between two means over similar pixels
_PATCH = 1  # radius of what is compared


@dataclass(frozen=True)
class NssrOptions:
    """What the codes are like, and how long they are looked for."""

    atoms: int = 40
    """Spectra in the dictionary."""
    sparsity: float = 1e-4
    """Weight of the sum of the codes."""
    structure: float = 0.001
    """Weight of the distance to similar pixels."""
    search: int = 3
    """Guide pixels around a pixel among which similar ones are looked for."""
    bandwidth: float = 0.3
    """How similar, in root mean square differences between neighbours of the guide."""
    iterations: int = 60
    """Steps of the alternating direction method."""
    penalty: float = 0.03
    """Weight of the agreement of codes and image in each step."""


@dataclass(frozen=True)
class Nssr:
    """Nonnegative structured sparse representation, its dictionary from the scene."""

    options: NssrOptions = NssrOptions()

    def halo(self, sampling: Sampling) -> int:
        """What is further away is damped."""
        return math.ceil(REACH * max(sampling.ratio)) + self.options.search

    def overlap(self, sampling: Sampling) -> int:
        """What is left of the difference between neighbours is blended."""
        return math.ceil(OVERLAP * max(sampling.ratio))

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedNssr:
        """Learn the dictionary, and find the subspace in which the image is looked for.

        Raises
        ------
        FusionError
            If no pixel is valid, or nobody knows the guide's spectral response.
        """
        subspace = identify(sample, context)
        crops = excerpt(sample, PIXELS, context)
        mixing = srf_of(crops[0]).double().cpu() @ subspace.basis
        spectra = _drawn(counted_spectra(crops), LEARNT, context.seed)
        atoms = learnt_dictionary(spectra, self.options.atoms, context)
        contrast = math.sqrt(sum(map(_contrast, crops)) / len(crops))
        return FittedNssr(subspace, atoms, mixing, contrast, self.options)


def _drawn(columns: Tensor, most: int, seed: int) -> Tensor:
    """Return at most so many of the columns of [C, N], at random."""
    draws = torch.Generator().manual_seed(seed)
    return columns[:, torch.randperm(columns.shape[1], generator=draws)[:most]]


def _contrast(seen: Observation) -> float:
    """Return the mean squared difference between neighbouring guide pixels that count."""
    found, mask = seen.guide.double(), seen.guide_mask
    across = (found[:, :, 1:] - found[:, :, :-1]).square().mean(dim=0)
    both = mask[:, 1:] & mask[:, :-1]
    return float((across * both).sum() / both.sum().clamp_min(1))


def learnt_dictionary(spectra: Tensor, atoms: int, context: Context) -> Tensor:
    """Return a nonnegative dictionary [C, K] in which columns [C, N] have sparse codes.

    Codes and atoms in turn, the atoms one by one (Dong et al. 2016, section III-A). They start from
    pixels, and an atom that nothing uses becomes the pixel that is represented worst.
    """
    found = _unit(_drawn(spectra, atoms, context.seed + 1).clone())
    codes: Tensor | None = None
    for _ in context.steps("nssr dictionary", _LEARNING):
        codes = sparse_codes(found, spectra, _DICTIONARY_SPARSITY, _CODING, codes)
        crossed, gram = spectra @ codes.T, codes @ codes.T
        for k in range(found.shape[1]):
            if float(gram[k, k]) > TINY:
                step = (crossed[:, k] - found @ gram[:, k]) / gram[k, k]
                found[:, k] = (found[:, k] + step).clamp_min(0)
            else:
                worst = int((spectra - found @ codes).square().sum(dim=0).argmax())
                found[:, k] = spectra[:, worst]
        found = _unit(found)
    return found


def _unit(columns: Tensor) -> Tensor:
    """Return columns of length 1; empty ones become flat."""
    length = columns.norm(dim=0)
    flat = columns.new_full(columns.shape, len(columns) ** -0.5)
    return torch.where(length > TINY, columns / length.clamp_min(TINY), flat)


@dataclass(frozen=True)
class FittedNssr:
    """A dictionary of spectra and the subspace they lie in."""

    subspace: Subspace
    atoms: Tensor
    """[C, K], nonnegative, of length 1."""
    mixing: Tensor
    """[c, p]."""
    contrast: float
    """Root mean square difference between neighbouring guide pixels, per band."""
    options: NssrOptions

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Find the codes of each observation."""
        return [self._fuse(seen, context) for seen in batch]

    def _fuse(self, seen: Observation, context: Context) -> Tensor:
        coarse = self.subspace.coefficients(seen.target)
        problem = Coupled(seen, coarse, self.mixing.to(seen.target))
        search = _Search(problem, self.subspace.coefficients(self.atoms.to(seen.target)), self)
        for number in context.steps("nssr", self.options.iterations):
            search.step(number)
        return self.subspace.cube(search.z)

    def summary(self) -> Mapping[str, object]:
        """Return the sizes of dictionary and subspace."""
        return {"atoms": self.atoms.shape[1], "dimensions": self.subspace.dimension}


class _Search:
    """The alternating direction method: an image, its codes, and their nonnegative twins."""

    def __init__(self, problem: Coupled, atoms: Tensor, fitted: FittedNssr) -> None:
        self.problem, self.atoms, self.options = problem, atoms, fitted.options
        seen = problem.seen
        self.wanted = problem.wanted()
        self.z = upsample(problem.coarse, seen.sampling, seen.size, kernel="cubic")
        self.codes = self.z.new_zeros(atoms.shape[1], *seen.size)
        self.sparse, self.debt = self.codes, self.codes
        self.owed = torch.zeros_like(self.z)
        self.alike = self.z
        gram = atoms.T @ atoms
        self.inverse = torch.linalg.inv(gram + torch.eye(len(gram)).to(gram))
        self.similar = Similar(seen.guide, fitted.options, fitted.contrast)

    def step(self, number: int) -> None:
        """Take one step of each part."""
        options, mix = self.options, torch.tensordot
        if number % _STRUCTURE_EVERY == 0 and options.structure:
            self.alike = self.similar.mean(self.z)
        right = mix(self.atoms.T, self.z + self.owed, dims=1) + self.sparse + self.debt
        self.codes = mix(self.inverse, right, dims=1)
        least = options.sparsity / options.penalty
        self.sparse = (self.codes - self.debt - least).clamp_min(0)
        made = mix(self.atoms, self.codes, dims=1)
        hold = options.structure + options.penalty
        wanted = self.wanted + options.structure * self.alike + options.penalty * (made - self.owed)
        self.z = conjugate_gradients(
            lambda z: self.problem.normal(z) + hold * z, wanted, self.z, _SOLVING
        )
        self.owed = self.owed + self.z - made
        self.debt = self.debt + self.sparse - self.codes


class Similar:
    """Which pixels are alike, by what surrounds them in the guide."""

    def __init__(self, guide: Tensor, options: NssrOptions, contrast: float) -> None:
        self.guide, self.radius = guide, options.search
        self.scale = 1 / max(options.bandwidth * contrast, TINY) ** 2

    def mean(self, z: Tensor) -> Tensor:
        """Return the mean of [p, H, W] over similar pixels, each by how similar it is."""
        total, weights = z.clone(), torch.ones_like(z[:1])
        for rows, cols in self._offsets():
            here, there = _overlapping(z.shape, rows, cols)
            apart = self.guide[:, *here] - self.guide[:, *there]
            distance = _smoothed(apart.square().mean(dim=0, keepdim=True))
            weight = torch.exp(-self.scale * distance)
            total[:, *here] += weight * z[:, *there]
            total[:, *there] += weight * z[:, *here]
            weights[:, *here] += weight
            weights[:, *there] += weight
        return total / weights

    def _offsets(self) -> Iterator[tuple[int, int]]:
        """Yield one of each pair of opposite offsets."""
        for rows in range(self.radius + 1):
            for cols in range(-self.radius, self.radius + 1):
                if (rows, cols) > (0, 0):
                    yield rows, cols


def _overlapping(
    shape: torch.Size, rows: int, cols: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return where pixels are, and where those `rows` below and `cols` to the right are."""
    height, width = shape[-2:]
    rows = min(rows, height)
    across = min(abs(cols), width)
    left, right = slice(0, width - across), slice(across, width)
    sides = (left, right) if cols >= 0 else (right, left)
    return (slice(0, height - rows), sides[0]), (slice(rows, height), sides[1])


def _smoothed(distance: Tensor) -> Tensor:
    """Return the mean of [1, H, W] over a patch."""
    side = 2 * _PATCH + 1
    if not distance.numel():
        return distance
    return torch.nn.functional.avg_pool2d(
        distance, side, 1, padding=_PATCH, count_include_pad=False
    )
