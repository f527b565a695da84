"""The closed form between two grids against plain linear algebra and against iterations."""

from __future__ import annotations

import pytest
import torch
from hs_cubes import BANDS, hs_pair
from synthetic_pairs import GEOMETRIES
from torch import Tensor

from pansharpkit.methods.guides import inside
from pansharpkit.methods.hs.hyperspectral import observe, observe_adjoint
from pansharpkit.methods.hs.sylvester import Joint, Spread, mixed
from pansharpkit.model import Psf
from pansharpkit.physics import Observation
from pansharpkit.physics.psf import psf_pairs
from pansharpkit.sampling import Sampling

every_geometry = pytest.mark.parametrize("sampling", GEOMETRIES.values(), ids=GEOMETRIES.keys())


def ring() -> Psf:
    """Return a PSF that no single pair of profiles makes."""
    axis = torch.arange(7, dtype=torch.float64) - 3
    radius = torch.hypot(axis[:, None], axis[None, :])
    values = torch.exp(-0.5 * (radius / 1.5) ** 2) + 0.5 * torch.exp(-((radius - 2.5) ** 2))
    values = values + 0.2 * torch.eye(7)
    rows = tuple(tuple(row) for row in (values / values.sum()).tolist())
    return Psf(rows, (0.2, -0.3))


def noisy(count: int, size: tuple[int, int], seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, *size, generator=generator, dtype=torch.float64)


def matrix(spread: Spread, size: tuple[int, int]) -> Tensor:
    """Return the operator as a plain [h*w, H*W] matrix."""
    pixels = torch.eye(size[0] * size[1], dtype=torch.float64).reshape(-1, *size)
    return spread.observe(pixels).flatten(1).T


@every_geometry
@pytest.mark.parametrize("psf", [None, ring()], ids=["gaussian", "ring"])
def test_the_correction_minimises_what_it_says(sampling: Sampling, psf: Psf | None) -> None:
    seen, _ = hs_pair(sampling, (23, 19), psf=psf)
    spread = Spread.of(seen)
    plain = matrix(spread, seen.size)
    image, wanted = noisy(3, seen.size, 1), noisy(3, seen.target_size, 2)
    trust = torch.tensor([1e-3, 0.1, 10.0], dtype=torch.float64)
    found = spread.corrected(image, wanted, trust)
    for band in range(3):
        normal = plain.T @ plain + trust[band] * torch.eye(plain.shape[1], dtype=torch.float64)
        counted = wanted[band][spread.rows, spread.cols].flatten()
        right = plain.T @ counted + trust[band] * image[band].flatten()
        expected = torch.linalg.solve(normal, right)
        torch.testing.assert_close(found[band].flatten(), expected, rtol=0, atol=2e-5)


@every_geometry
@pytest.mark.parametrize("psf", [None, ring()], ids=["gaussian", "ring"])
def test_the_operator_is_that_of_the_observation(sampling: Sampling, psf: Psf | None) -> None:
    seen, truth = hs_pair(sampling, psf=psf)
    spread, counted = Spread.of(seen), inside(seen)
    cut = observe(seen, truth)[:, spread.rows, spread.cols]
    torch.testing.assert_close(spread.observe(truth), cut, rtol=0, atol=1e-12)
    assert counted.sum() == counted[spread.rows, spread.cols].sum() == cut[0].numel()
    back = observe_adjoint(seen, counted * seen.target)
    coarse = seen.target[:, spread.rows, spread.cols]
    torch.testing.assert_close(spread.adjoint(coarse), back, rtol=0, atol=1e-12)


def test_iterations_equal_the_closed_form() -> None:
    """A separable PSF, told once in one term and once in two halves."""
    seen, _ = hs_pair(Sampling.edge_aligned(4), (40, 36))
    once = Spread.of(seen)
    (rows, cols), *_ = once.pairs
    generator = torch.Generator().manual_seed(5)
    part = torch.rand(rows.shape, generator=generator, dtype=torch.float64) * rows
    halves = Spread.by([(part, cols), (rows - part, cols)], slice(None), slice(None))
    image, wanted = noisy(4, seen.size, 1), noisy(4, seen.target_size, 2)
    trust = torch.tensor([1e-4, 1e-2, 0.1, 1.0], dtype=torch.float64)
    expected = once.corrected(image, wanted, trust)
    found = halves.corrected(image, wanted, trust)
    torch.testing.assert_close(found, expected, rtol=0, atol=3e-4)


def test_the_closed_form_equals_that_by_fourier_transforms() -> None:
    """With circular borders and a whole ratio, as published."""
    ratio, size = 4, (24, 20)
    line = torch.tensor([0.1, 0.2, 0.4, 0.2, 0.1], dtype=torch.float64)
    psf = Psf(tuple(tuple(row) for row in torch.outer(line, line).tolist()))
    sampling = Sampling((4.0, 4.0), (0.0, 0.0))
    small = (size[0] // ratio, size[1] // ratio)
    spread = Spread.by(psf_pairs(size, sampling, small, psf, "circular"), slice(None), slice(None))
    image, wanted, trust = noisy(1, size, 3), noisy(1, small, 4), 0.02
    kernel = torch.zeros(size, dtype=torch.float64)
    kernel[:5, :5] = torch.outer(line, line)
    spectrum = torch.fft.fft2(kernel.roll((-2, -2), (0, 1)))
    zeros = torch.zeros(size, dtype=torch.float64)
    zeros[::ratio, ::ratio] = wanted[0]
    right = spectrum.conj() * torch.fft.fft2(zeros) + trust * torch.fft.fft2(image[0])
    folded = (spectrum * right).reshape(ratio, small[0], ratio, small[1]).sum(dim=(0, 2))
    power = spectrum.abs().square().reshape(ratio, small[0], ratio, small[1]).sum(dim=(0, 2))
    share = (folded / (trust * ratio**2 + power)).tile(ratio, ratio)
    expected = torch.fft.ifft2((right - spectrum.conj() * share) / trust).real
    found = spread.corrected(image, wanted, torch.tensor([trust], dtype=torch.float64))[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def joint_of(seen: Observation, dimension: int) -> tuple[Joint, dict[str, Tensor]]:
    """Return a joint model with made-up noise and prior, and what it was made of."""
    generator = torch.Generator().manual_seed(7)
    random = torch.randn(BANDS, dimension, generator=generator, dtype=torch.float64)
    basis = torch.linalg.qr(random).Q
    mixing = torch.randn(dimension, dimension, generator=generator, dtype=torch.float64)
    parts = {
        "basis": basis,
        "noise": 0.1 + torch.rand(BANDS, generator=generator, dtype=torch.float64),
        "response": torch.randn(3, dimension, generator=generator, dtype=torch.float64),
        "guide_noise": torch.tensor([0.2, 0.1, 0.3], dtype=torch.float64),
        "prior": mixing @ mixing.T / dimension + 0.1 * torch.eye(dimension, dtype=torch.float64),
    }
    return Joint.of(**parts), parts


def test_the_joint_solution_has_no_slope_left() -> None:
    seen, _ = hs_pair(Sampling((2.5, 2.5), (0.8, -0.7)), (31, 27))
    joint, parts = joint_of(seen, 4)
    mean = noisy(4, seen.size, 9)
    spread = Spread.of(seen)
    found = joint.best(seen, spread)(mean)
    cube = mixed(parts["basis"], found)
    coarse = seen.target[:, spread.rows, spread.cols]
    residual = spread.observe(cube) - coarse
    weighted = parts["basis"].T / parts["noise"].square()
    slope = mixed(weighted, spread.adjoint(residual))
    unseen = mixed(parts["response"], found) - seen.guide
    slope += mixed(parts["response"].T / parts["guide_noise"].square(), unseen)
    slope += mixed(parts["prior"], found - mean)
    assert float(slope.abs().max()) < 1e-8
