"""What single methods estimate, against figures computed another way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from classical_methods import CONTEXT, METHODS, fuse
from hypothesis import given
from hypothesis import strategies as st
from synthetic_pairs import pair
from torch import Tensor

from pansharpkit.methods.classical.haze import BGRN_SHARES, Darkest
from pansharpkit.methods.classical.modulation import box_lowpass
from pansharpkit.methods.exact import ExactOperators
from pansharpkit.sampling import Sampling


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=400), st.integers(1, 4))
def test_haze_is_a_share_of_the_first_percentile(values: list[float], pieces: int) -> None:
    darkest = Darkest()
    whole = torch.tensor(values, dtype=torch.float64).repeat(5, 1)  # four bands and PAN
    for part in whole.chunk(pieces, dim=1):
        darkest.add((part[:, None], torch.ones(1, part.shape[1], dtype=torch.bool)))
    dark = np.percentile(values, 1, method="hazen")
    expected = [share * dark for share in BGRN_SHARES]
    np.testing.assert_allclose(darkest.haze("auto").numpy(), expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(darkest.haze("minimum").numpy(), [min(values)] * 4)


def test_haze_of_other_bands_is_their_minimum() -> None:
    darkest = Darkest()
    values = torch.arange(24.0).reshape(4, 2, 3)
    darkest.add((values, torch.ones(2, 3, dtype=torch.bool)))
    assert darkest.haze("auto").tolist() == [0, 6, 12]


def test_masked_pixels_are_not_dark() -> None:
    darkest = Darkest()
    values = torch.arange(8.0).reshape(2, 2, 2)
    darkest.add((values, torch.tensor([[False, True], [True, True]])))
    assert darkest.haze("minimum").tolist() == [1]


def test_pca_follows_pan_whatever_the_sign_of_the_component() -> None:
    observation, _ = pair(Sampling.edge_aligned(2))
    found = METHODS["pca"].fit([observation], CONTEXT).summary()
    gains = torch.tensor(found["gains"])
    assert bool((gains > 0).all())
    negative = replace(observation, target=-observation.target, guide=-observation.guide)
    torch.testing.assert_close(fuse(METHODS["pca"], negative), -fuse(METHODS["pca"], observation))


def test_ihs_gives_every_band_the_same_detail() -> None:
    observation, _ = pair(Sampling.edge_aligned(2))
    detail = fuse(METHODS["ihs"], observation) - fuse(METHODS["exp"], observation)
    torch.testing.assert_close(detail, detail[:1].expand_as(detail))


def test_modulation_keeps_ratios_of_bands_of_one_psf() -> None:
    observation, _ = pair(Sampling.edge_aligned(2), gains=(0.3,) * 4)
    ratio = fuse(METHODS["bt-h, minimum"], observation)
    found = METHODS["bt-h, minimum"].fit([observation], CONTEXT).summary()["haze"]
    haze = torch.tensor(found, dtype=torch.float64)[:, None, None]
    above = ratio - haze
    exp = fuse(METHODS["exp"], observation) - haze
    lit = (exp > 0.05).all(dim=0)
    torch.testing.assert_close(
        (above[:1] / above[1:])[:, lit], (exp[:1] / exp[1:])[:, lit], rtol=1e-9, atol=0
    )


@pytest.mark.parametrize(("ratio", "sides"), [(2.0, 3), (2.5, 3), (3.2, 5), (4.0, 5)])
def test_the_box_is_next_to_a_target_pixel(ratio: float, sides: int) -> None:
    observation, _ = pair(Sampling.edge_aligned(ratio))
    point = torch.zeros_like(observation.guide)
    point[0, 30, 40] = sides**2
    smooth = box_lowpass(replace(observation, guide=point))
    half = sides // 2
    expected = torch.zeros_like(point)
    expected[0, 30 - half : 31 + half, 40 - half : 41 + half] = 1
    torch.testing.assert_close(smooth, expected)


@pytest.mark.parametrize("ratio", [2.0, 2.5, 4.0, 6.0])
def test_the_spline_has_the_variance_of_the_cascade(ratio: float) -> None:
    observation, _ = pair(Sampling.edge_aligned(ratio))
    point = torch.zeros_like(observation.guide)
    point[0, 41, 35] = 1.0
    smooth: Tensor = ExactOperators().guide_spline(replace(observation, guide=point))[0]
    rows = torch.arange(smooth.shape[0], dtype=torch.float64) - 41
    assert float(smooth.sum()) == pytest.approx(1)
    variance = float((smooth.sum(dim=1) * rows.square()).sum())
    assert variance == pytest.approx((ratio**2 - 1) / 3, rel=0.01)
