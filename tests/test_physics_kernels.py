"""The toolbox's MTF kernels and per-band filtering."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from pansharpkit.physics.kernels import Kernels, filter2d, toolbox_mtf_kernel
from pansharpkit.physics.resample import Border

GAINS = (0.11, 0.27, 0.35, 0.40, 0.55)


def response(kernel: torch.Tensor, frequency: float) -> float:
    """Modulation of a horizontal wave of so many cycles per pixel."""
    place = torch.arange(kernel.shape[1], dtype=torch.float64) - kernel.shape[1] // 2
    return float((kernel.sum(dim=0) * torch.cos(2 * math.pi * frequency * place)).sum())


@pytest.mark.parametrize("ratio", [2, 4])
@pytest.mark.parametrize("gain", GAINS)
def test_kernel_has_nearly_the_gain_at_the_coarse_nyquist(gain: float, ratio: int) -> None:
    kernel = toolbox_mtf_kernel(gain, ratio)
    assert kernel.shape == (41, 41)
    assert 0.997 < float(kernel.sum()) < 1
    assert response(kernel, 0.5 / ratio) == pytest.approx(gain, abs=0.025)
    assert torch.allclose(kernel, kernel.T, atol=1e-15)
    assert torch.allclose(kernel, kernel.flip(0), atol=1e-15)


def test_more_gain_is_a_narrower_kernel() -> None:
    peaks = [float(toolbox_mtf_kernel(gain, 4)[20, 20]) for gain in GAINS]
    assert peaks == sorted(peaks)


@pytest.mark.parametrize("gain", [0.0, 1.0, -0.3, 2.0])
def test_gain_outside_its_range_is_refused(gain: float) -> None:
    with pytest.raises(ValueError, match="MTF gain"):
        toolbox_mtf_kernel(gain, 4)


def test_even_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match="odd number of taps"):
        toolbox_mtf_kernel(0.3, 4, 40)


@pytest.mark.parametrize(
    ("border", "mode"), [("replicate", "nearest"), ("symmetric", "reflect"), ("circular", "wrap")]
)
@pytest.mark.parametrize("side", [3, 11, 13, 41])
def test_filtering_equals_direct_correlation(border: Border, mode: str, side: int) -> None:
    draw = np.random.default_rng(side)
    image = draw.uniform(0, 2000, (2, 47, 53))
    kernels = draw.normal(size=(2, side, side))
    expected = [ndimage.correlate(x, k, mode=mode) for x, k in zip(image, kernels, strict=True)]
    found = filter2d(torch.from_numpy(image), torch.from_numpy(kernels), border)
    assert np.abs(found.numpy() - np.stack(expected)).max() < 1e-8


def test_one_kernel_serves_all_bands() -> None:
    image = torch.rand(3, 30, 30, dtype=torch.float64)
    kernel = toolbox_mtf_kernel(0.3, 4)[None]
    assert torch.equal(filter2d(image, kernel), filter2d(image, kernel.expand(3, -1, -1)))


@pytest.mark.parametrize("side", [3, 13, 41])
def test_kernels_inside_equal_direct_correlation(side: int) -> None:
    draw = np.random.default_rng(side)
    kernels = draw.normal(size=(2, side, side))
    bank = Kernels([torch.from_numpy(kernel) for kernel in kernels])
    reach = side // 2
    assert bank.reach == reach
    for height, width in ((59, 47), (47, 59), (83, 61), (59, 47)):  # more than are kept, and again
        image = draw.uniform(0, 2000, (2, height, width))
        rows, cols = slice(reach, height - reach), slice(reach, width - reach)
        expected = np.stack(
            [
                ndimage.correlate(x, k, mode="nearest")[rows, cols]
                for x, k in zip(image, kernels, strict=True)
            ]
        )
        found = bank.inside(torch.from_numpy(image))
        assert np.abs(found.numpy() - expected).max() < 1e-8
        alone = bank.inside(torch.from_numpy(image[:1]))
        assert torch.allclose(alone[0], found[0], rtol=0, atol=1e-9)
