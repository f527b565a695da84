"""The observation model: every operator goes through every test that it can pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pansharpkit.physics import (
    Observation,
    Optics,
    decimate,
    degrade,
    degrade_adjoint,
    lowpass,
    sigma_of_gain,
    upsample,
)
from pansharpkit.physics.resample import GAUSS_REACH, Border
from pansharpkit.sampling import Sampling

GAINS = (0.3, 0.22)
Size = tuple[int, int]


def noise(bands: int, size: Size, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(bands, *size, generator=generator, dtype=torch.float64)


def target_size(sampling: Sampling, size: Size) -> Size:
    rows, cols = (
        max(1, math.floor((size[axis] - 1 - sampling.phase[axis]) / sampling.ratio[axis]) + 1)
        for axis in (0, 1)
    )
    return rows, cols


@dataclass(frozen=True)
class Operator:
    """A linear map between [2, *fine] and [2, *coarse] or [2, *fine] arrays, either way round."""

    apply: Callable[[Tensor, Sampling, Size, Size], Tensor]
    """x, sampling, size of the guide, size of the target."""
    up: bool
    same: bool = False
    """Whether the result has the size of the input."""

    def sizes(self, fine: Size, coarse: Size) -> tuple[Size, Size]:
        """Return the sizes of input and output."""
        if self.same:
            return fine, fine
        return (coarse, fine) if self.up else (fine, coarse)


BORDERS: tuple[Border, ...] = ("replicate", "symmetric", "circular")


def _operators() -> dict[str, Operator]:
    found: dict[str, Operator] = {}
    for border in BORDERS:
        found |= {
            f"lagrange, {border}": Operator(
                lambda x, s, fine, coarse, b=border: upsample(x, s, fine, border=b), up=True
            ),
            f"cubic, {border}": Operator(
                lambda x, s, fine, coarse, b=border: upsample(x, s, fine, kernel="cubic", border=b),
                up=True,
            ),
            f"decimate, {border}": Operator(
                lambda x, s, fine, coarse, b=border: decimate(x, s, coarse, border=b), up=False
            ),
            f"antialiased, {border}": Operator(
                lambda x, s, fine, coarse, b=border: decimate(
                    x, s, coarse, antialias=True, border=b
                ),
                up=False,
            ),
            f"degrade, {border}": Operator(
                lambda x, s, fine, coarse, b=border: degrade(x, s, coarse, GAINS, border=b),
                up=False,
            ),
            f"lowpass, {border}": Operator(
                lambda x, s, fine, coarse, b=border: lowpass(x, s.ratio, GAINS, border=b),
                up=False,
                same=True,
            ),
        }
    return found


OPERATORS = _operators()
every_operator = pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS.keys())

ratios = st.sampled_from([1.3, 2.0, 2.5, 3.0, 4.0, 6.0])
samplings = st.builds(
    lambda a, b, p, q: Sampling((a, b), (p * a, q * b)),
    ratios,
    ratios,
    st.floats(-1, 1),
    st.floats(-1, 1),
)
sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))


def matrix(operator: Operator, sampling: Sampling, fine: Size, coarse: Size) -> Tensor:
    """Return the [n_out, n_in] matrix of the operator on its first band."""
    (height, width), _ = operator.sizes(fine, coarse)
    columns = []
    for index in range(height * width):
        unit = torch.zeros(2, height * width, dtype=torch.float64)
        unit[:, index] = 1
        image = operator.apply(unit.reshape(2, height, width), sampling, fine, coarse)
        columns.append(image[0].flatten())
    return torch.stack(columns, dim=1)


# --- what holds for every operator ------------------------------------------------------------


@every_operator
@given(sampling=samplings, fine=sizes)
def test_constants_are_kept(operator: Operator, sampling: Sampling, fine: Size) -> None:
    """Partition of unity, whatever the border, also on arrays smaller than the kernel."""
    coarse = target_size(sampling, fine)
    before, after = operator.sizes(fine, coarse)
    levels = torch.tensor([2.5, -0.75], dtype=torch.float64)[:, None, None]
    found = operator.apply(levels.expand(2, *before), sampling, fine, coarse)
    torch.testing.assert_close(found, levels.expand(2, *after), rtol=1e-12, atol=0)


@every_operator
@given(sampling=samplings, seed=st.integers(0, 99))
def test_linearity_and_shape(operator: Operator, sampling: Sampling, seed: int) -> None:
    fine = (23, 31)
    coarse = target_size(sampling, fine)
    before, after = operator.sizes(fine, coarse)
    x, y = noise(2, before, seed), noise(2, before, seed + 100)
    image = operator.apply(2 * x - 3 * y, sampling, fine, coarse)
    parts = [operator.apply(part, sampling, fine, coarse) for part in (x, y)]
    assert image.shape == (2, *after)
    torch.testing.assert_close(image, 2 * parts[0] - 3 * parts[1], rtol=1e-11, atol=1e-11)


@every_operator
def test_autograd_gives_the_adjoint(operator: Operator) -> None:
    """<A x, y> = <x, A' y>, where A' y is the gradient of the left side."""
    sampling, fine = Sampling((2.5, 3.0), (0.4, -0.6)), (24, 29)
    coarse = target_size(sampling, fine)
    before, after = operator.sizes(fine, coarse)
    x, y = noise(2, before, 1).requires_grad_(), noise(2, after, 2)
    inner = (operator.apply(x, sampling, fine, coarse) * y).sum()
    (back,) = torch.autograd.grad(inner, x)
    torch.testing.assert_close((x * back).sum(), inner, rtol=1e-12, atol=0)


@every_operator
def test_rows_are_bounded(operator: Operator) -> None:
    """No operator amplifies: rows sum to one, and to little more in absolute value."""
    sampling, fine = Sampling((2.5, 2.0), (0.4, 0.9)), (9, 8)
    rows = matrix(operator, sampling, fine, target_size(sampling, fine))
    ones = torch.ones(len(rows), dtype=torch.float64)
    torch.testing.assert_close(rows.sum(dim=1), ones)
    assert float(rows.abs().sum(dim=1).max()) < 3.5


@every_operator
def test_precision_of_the_input_is_kept(operator: Operator) -> None:
    sampling, fine = Sampling.toolbox(4), (32, 40)
    coarse = target_size(sampling, fine)
    x = noise(2, operator.sizes(fine, coarse)[0])
    single = operator.apply(x.float(), sampling, fine, coarse)
    assert single.dtype == torch.float32
    exact = operator.apply(x, sampling, fine, coarse)
    torch.testing.assert_close(single.double(), exact, rtol=0, atol=2e-6)


@every_operator
@pytest.mark.parametrize("ratio", [(2.0, 2.0), (2.5, 2.5), (3.0, 2.2)])
def test_a_tile_equals_the_whole(operator: Operator, ratio: tuple[float, float]) -> None:
    """Away from the cut, by more than any kernel reaches."""
    sampling, fine = Sampling(ratio, (0.7, -0.4)), (150, 140)
    coarse = target_size(sampling, fine)
    x = noise(2, operator.sizes(fine, coarse)[0])
    whole = operator.apply(x, sampling, fine, coarse)
    first, count = (7, 6), (37, 34)  # of the target
    origin = tuple(math.floor(first[i] * ratio[i] + sampling.phase[i]) for i in (0, 1))
    size = tuple(math.ceil(count[i] * ratio[i]) for i in (0, 1))
    part = sampling.windowed((origin[0], origin[1]), first)
    down = slice(origin[0], origin[0] + size[0]), slice(origin[1], origin[1] + size[1])
    small = slice(first[0], first[0] + count[0]), slice(first[1], first[1] + count[1])
    x_part = x[:, *small] if operator.up else x[:, *down]
    expected = whole[:, *small] if not (operator.up or operator.same) else whole[:, *down]
    found = operator.apply(x_part, part, (size[0], size[1]), count)
    reach = 8 if not (operator.up or operator.same) else 24
    inner = slice(reach, -reach)
    torch.testing.assert_close(
        found[:, inner, inner], expected[:, inner, inner], rtol=0, atol=1e-12
    )


@every_operator
def test_axes_are_rows_then_columns(operator: Operator) -> None:
    sampling = Sampling((2.0, 3.0), (0.5, 1.0))
    turned = Sampling((3.0, 2.0), (1.0, 0.5))
    fine = (24, 36)
    coarse = target_size(sampling, fine)
    x = noise(2, operator.sizes(fine, coarse)[0])
    plain = operator.apply(x, sampling, fine, coarse)
    across = operator.apply(x.mT.contiguous(), turned, fine[::-1], coarse[::-1])
    torch.testing.assert_close(across.mT, plain, rtol=0, atol=1e-13)


# --- the written adjoint ----------------------------------------------------------------------


@pytest.mark.parametrize("border", BORDERS)
@given(sampling=samplings, fine=sizes)
def test_degrade_adjoint(border: Border, sampling: Sampling, fine: Size) -> None:
    coarse = target_size(sampling, fine)
    x, y = noise(2, fine, 1), noise(2, coarse, 2)
    left = (degrade(x, sampling, coarse, GAINS, border=border) * y).sum()
    right = (x * degrade_adjoint(y, sampling, fine, GAINS, border=border)).sum()
    torch.testing.assert_close(left, right, rtol=1e-12, atol=1e-13)


# --- phase ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["lagrange", "cubic"])
@pytest.mark.parametrize("phase", [(0.0, 1.0), (2.0, 3.0), (-1.0, 0.0)])
def test_upsample_passes_through_the_samples(kernel: str, phase: tuple[float, float]) -> None:
    sampling, x = Sampling((4.0, 4.0), phase), noise(1, (9, 8))
    fine = upsample(x, sampling, (40, 40), kernel="cubic" if kernel == "cubic" else "lagrange")
    for row in range(1, 9):
        for col in range(1, 8):
            here = fine[0, 4 * row + int(phase[0]), 4 * col + int(phase[1])]
            assert float(here) == pytest.approx(float(x[0, row, col]), abs=1e-12)


@pytest.mark.parametrize("phase", [0.0, 1.0, 2.0, 3.0])
def test_decimate_takes_the_pixel_at_the_phase(phase: float) -> None:
    x = noise(1, (32, 32))
    found = decimate(x, Sampling((4.0, 4.0), (phase, 3 - phase)), (8, 8))
    assert torch.equal(found, x[:, int(phase) :: 4, 3 - int(phase) :: 4])


@given(samplings)
def test_a_spot_is_seen_where_it_is(sampling: Sampling) -> None:
    """The centre of mass of a degraded spot lies at the spot, in guide pixels."""
    fine = (120, 120)
    coarse = target_size(sampling, fine)
    x = torch.zeros(2, *fine, dtype=torch.float64)
    x[:, 61, 57] = 1
    spot = degrade_adjoint(degrade(x, sampling, coarse, GAINS), sampling, fine, GAINS)[0]
    spot = spot / spot.sum()
    grid = torch.arange(120, dtype=torch.float64)
    assert float((spot.sum(dim=1) * grid).sum()) == pytest.approx(61, abs=0.35)
    assert float((spot.sum(dim=0) * grid).sum()) == pytest.approx(57, abs=0.35)


@given(samplings)
def test_up_and_down_stay_in_place(sampling: Sampling) -> None:
    """A smooth image degraded and interpolated back lies where it was: no net shift."""
    fine = (160, 160)
    rows = torch.arange(160, dtype=torch.float64)[:, None]
    cols = torch.arange(160, dtype=torch.float64)[None, :]
    x = torch.sin(2 * math.pi * (rows / 48 + 0.1)) + torch.cos(2 * math.pi * cols / 40)
    coarse = target_size(sampling, fine)
    back = upsample(degrade(x[None], sampling, coarse, (0.4,)), sampling, fine)[0]
    inner = slice(56, 104), slice(60, 100)  # one whole period, so that a loss of contrast cancels
    for slope in torch.gradient(x):
        shift = float(((back - x) * slope)[inner].sum() / slope[inner].square().sum())
        assert abs(shift) < 5e-3


# --- accuracy ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["lagrange", "cubic"])
@given(sampling=samplings)
def test_ramps_are_interpolated_exactly(kernel: str, sampling: Sampling) -> None:
    coarse = (30, 30)
    fine = tuple(math.floor(29 * sampling.ratio[i]) for i in (0, 1))
    centres = [
        torch.arange(30, dtype=torch.float64) * sampling.ratio[i] + sampling.phase[i]
        for i in (0, 1)
    ]
    x = 3 + 0.5 * centres[0][:, None] - 0.25 * centres[1][None, :]
    rows = torch.arange(fine[0], dtype=torch.float64)[:, None]
    cols = torch.arange(fine[1], dtype=torch.float64)[None, :]
    expected = 3 + 0.5 * rows - 0.25 * cols
    found = upsample(
        x.reshape(1, *coarse),
        sampling,
        (fine[0], fine[1]),
        kernel="cubic" if kernel == "cubic" else "lagrange",
    )[0]
    reach = [math.ceil(8 * ratio) for ratio in sampling.ratio]
    inner = slice(reach[0], -reach[0]), slice(reach[1], -reach[1])
    torch.testing.assert_close(found[inner], expected[inner], rtol=0, atol=1e-10)


def test_lagrange_is_exact_to_degree_eleven_and_cubic_to_degree_two() -> None:
    sampling = Sampling((3.0, 3.0), (0.4, 1.0))
    centres = (torch.arange(24, dtype=torch.float64) * 3 + 0.4 - 36) / 36
    fine = (torch.arange(66, dtype=torch.float64) - 36) / 36
    for kernel, degree in (("lagrange", 11), ("cubic", 2)):
        for power, exact in ((degree, True), (degree + 1, False)):
            x = (centres**power)[None, :, None].expand(1, 24, 24)
            chosen = "cubic" if kernel == "cubic" else "lagrange"
            found = upsample(x, sampling, (66, 66), kernel=chosen)[0, 24:48, 33]
            error = float((found - fine[24:48] ** power).abs().max())
            assert (error < 1e-12) == exact


def test_degrade_keeps_ramps() -> None:
    """To the rounding of a sampled Gaussian, whose mean is off by some 1e-5 pixels."""
    sampling = Sampling((2.5, 4.0), (0.3, 1.5))
    rows = torch.arange(100, dtype=torch.float64)[:, None]
    cols = torch.arange(120, dtype=torch.float64)[None, :]
    x = (0.5 * rows - 0.25 * cols).expand(2, -1, -1)
    coarse = target_size(sampling, (100, 120))
    centres = [
        torch.arange(coarse[i], dtype=torch.float64) * sampling.ratio[i] + sampling.phase[i]
        for i in (0, 1)
    ]
    expected = 0.5 * centres[0][:, None] - 0.25 * centres[1][None, :]
    found = degrade(x, sampling, coarse, GAINS)[0]
    inner = slice(6, -6)
    torch.testing.assert_close(found[inner, inner], expected[inner, inner], rtol=0, atol=2e-3)


@pytest.mark.parametrize("ratio", [2.0, 2.5, 3.0, 4.0, 6.0])
@pytest.mark.parametrize("gain", [0.1, 0.23, 0.3, 0.4])
def test_the_mtf_gain_is_realised_at_the_coarse_nyquist(ratio: float, gain: float) -> None:
    n = round(240 * ratio / 2) * 2
    rows = torch.arange(n, dtype=torch.float64)[:, None]
    wave = torch.cos(math.pi * rows / ratio).expand(n, 24)[None]
    smooth = lowpass(wave, (ratio, ratio), (gain,), border="circular")
    inner = slice(n // 4, -n // 4)
    kept = float((smooth * wave)[0, inner].sum() / (wave * wave)[0, inner].sum())
    assert kept == pytest.approx(gain, rel=5e-3)


def test_sharp_sensors_at_ratio_two_are_sampled_a_little_too_sharp() -> None:
    """A Gaussian of 0.7 px folds: gain .55 is realised as .555. Known, and left so."""
    rows = torch.arange(480, dtype=torch.float64)[:, None]
    wave = torch.cos(math.pi * rows / 2 + 0.4).expand(480, 24)[None]
    smooth = lowpass(wave, (2.0, 2.0), (0.55,), border="circular")
    kept = float((smooth * wave).sum() / (wave * wave).sum())
    assert kept == pytest.approx(0.5546, abs=5e-4)


@given(st.floats(0.02, 0.95), st.floats(1.1, 8))
def test_sigma_gives_the_gain_back(gain: float, ratio: float) -> None:
    sigma = sigma_of_gain(gain, ratio)
    assert math.exp(-0.5 * (math.pi * sigma / ratio) ** 2) == pytest.approx(gain, rel=1e-12)


@pytest.mark.parametrize("gain", [0.0, 1.0, -0.2, 1.7])
def test_a_gain_outside_its_range_is_refused(gain: float) -> None:
    with pytest.raises(ValueError, match="MTF gain"):
        sigma_of_gain(gain, 4)


@pytest.mark.parametrize("border", BORDERS)
def test_borders_are_those_of_numpy(border: Border) -> None:
    mode = {"replicate": "edge", "symmetric": "symmetric", "circular": "wrap"}[border]
    x = noise(1, (14, 12))
    sigma = sigma_of_gain(0.3, 2.0)
    reach = math.ceil(GAUSS_REACH * sigma) + 1
    padded = np.pad(x[0].numpy(), reach + 2, mode=mode)  # type: ignore[call-overload]
    taps = np.arange(1 - reach, reach + 1)
    weights = np.exp(-0.5 * (taps / sigma) ** 2)
    weights /= weights.sum()
    moved = sum(
        w * padded[t + reach + 2 : t + reach + 16] for w, t in zip(weights, taps, strict=True)
    )
    blurred = sum(
        w * moved[:, t + reach + 2 : t + reach + 14] for w, t in zip(weights, taps, strict=True)
    )
    found = lowpass(x, (2.0, 2.0), (0.3,), border=border)[0].numpy()
    np.testing.assert_allclose(found, blurred, rtol=0, atol=1e-13)


# --- the toolbox's interpolator ---------------------------------------------------------------


@pytest.mark.parametrize("ratio", [2, 4, 8])
def test_the_toolbox_interpolator_keeps_samples_and_wraps_around(ratio: int) -> None:
    x = noise(2, (16, 20))
    sampling, size = Sampling.toolbox(ratio), (16 * ratio, 20 * ratio)
    fine = upsample(x, sampling, size, kernel="toolbox")
    torch.testing.assert_close(fine[:, ratio // 2 :: ratio, ratio // 2 :: ratio], x)
    rolled = upsample(x.roll((3, 5), (1, 2)), sampling, size, kernel="toolbox")
    torch.testing.assert_close(rolled, fine.roll((3 * ratio, 5 * ratio), (1, 2)))


def test_the_half_band_is_the_lagrange_midpoint() -> None:
    """At ratio 2 the two agree, to the digits that the filter is published with."""
    x = noise(1, (20, 22))
    sampling = Sampling.toolbox(2)
    toolbox = upsample(x, sampling, (40, 44), kernel="toolbox")
    lagrange = upsample(x, sampling, (40, 44), border="circular")
    torch.testing.assert_close(toolbox, lagrange, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("sampling", "size"),
    [
        (Sampling.edge_aligned(4), (64, 64)),
        (Sampling.toolbox(4), (64, 63)),
        (Sampling((4.0, 2.0), (2, 1)), (64, 32)),
        (Sampling.toolbox(3), (48, 48)),
    ],
)
def test_the_toolbox_interpolator_refuses_other_geometry(sampling: Sampling, size: Size) -> None:
    with pytest.raises(ValueError, match="toolbox"):
        upsample(noise(1, (16, 16)), sampling, size, kernel="toolbox")


# --- the observation --------------------------------------------------------------------------


def test_observation_of_a_whole_image() -> None:
    optics = Optics((0.3, 0.25, 0.2), 0.15)
    seen = Observation.whole(noise(3, (5, 6)), noise(1, (20, 24)), Sampling.toolbox(4), optics)
    assert seen.size == (20, 24)
    assert seen.target_size == (5, 6)
    assert bool(seen.target_mask.all())
    assert bool(seen.guide_mask.all())
    assert seen.target_mask.shape == (5, 6)
    assert seen.guide_mask.shape == (20, 24)


def test_observation_moves_with_all_its_arrays() -> None:
    optics = Optics((0.3,), 0.15)
    seen = Observation.whole(noise(1, (5, 6)), noise(1, (20, 24)), Sampling.toolbox(4), optics)
    moved = seen.to("meta")
    arrays = (moved.target, moved.guide, moved.target_mask, moved.guide_mask)
    assert all(array.device.type == "meta" for array in arrays)
    assert moved.sampling == seen.sampling


def test_optics_of_some_bands() -> None:
    optics = Optics((0.3, 0.25, 0.2), 0.15, "toolbox")
    assert optics.subset([2, 0]) == Optics((0.2, 0.3), 0.15, "toolbox")
