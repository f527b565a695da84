"""Neither tiles nor blocks nor masked pixels change what a classical method computes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from classical_methods import (
    CONTEXT,
    METHODS,
    Classical,
    coefficients,
    every_geometry,
    every_method,
    every_or_projected,
)
from synthetic_pairs import GEOMETRIES, boxes, cut, pair

from pansharpkit.methods.backprojection import BackProjected
from pansharpkit.methods.base import Method, guide_halo
from pansharpkit.methods.classical.bdsd import Bdsd, BdsdPc
from pansharpkit.methods.classical.component import Brovey, Gsa
from pansharpkit.methods.classical.haze import BtH, MtfGlpHpmH
from pansharpkit.methods.classical.interpolation import Exp
from pansharpkit.methods.classical.modulation import MtfGlpHpm, MtfGlpHpmR, Sfim
from pansharpkit.methods.classical.multiresolution import MtfGlp, MtfGlpFs
from pansharpkit.methods.classical.pracs import Pracs
from pansharpkit.methods.classical.substitution import Gs, Ihs, Pca
from pansharpkit.methods.classical.variational import Sirf, Tv
from pansharpkit.methods.classical.wavelet import Awlp
from pansharpkit.methods.operators import ExactOperators
from pansharpkit.sampling import Sampling


@every_or_projected
@every_geometry
def test_tiles_equal_the_whole(method: Method, sampling: Sampling) -> None:
    observation, _ = pair(sampling, (151, 139))
    fitted = method.fit([observation], CONTEXT)
    whole = fitted.apply([observation], CONTEXT)[0]
    tolerance = 1e-11
    if isinstance(method, Tv | Sirf):
        tolerance = 1e-6  # what is beyond the halo is damped, not out of reach
    elif isinstance(method, BackProjected) and method.steps > 1:
        tolerance = 1e-7
    for box in boxes(observation.size, (47, 71)):
        tile, own = cut(observation, box, method.halo(sampling))
        inner = fitted.apply([tile], CONTEXT)[0][:, own[0], own[1]]
        row, col, height, width = box
        expected = whole[:, row : row + height, col : col + width]
        torch.testing.assert_close(inner, expected, rtol=0, atol=tolerance)


NEAR = (Exp, Brovey, Ihs, Pca, Gs, Gsa, BtH)
"""Methods whose pixels look at no other pixel of the guide."""


@every_method
def test_pixelwise_methods_say_so(method: Classical) -> None:
    for sampling in GEOMETRIES.values():
        expected = 0 if isinstance(method, NEAR) else method.halo(sampling)
        assert guide_halo(method, sampling) == expected


@every_geometry
@pytest.mark.parametrize("name", [name for name in METHODS if isinstance(METHODS[name], NEAR)])
def test_pixelwise_methods_need_no_guide_around_a_tile(name: str, sampling: Sampling) -> None:
    observation, _ = pair(sampling, (151, 139))
    fitted = METHODS[name].fit([observation], CONTEXT)
    whole = fitted.apply([observation], CONTEXT)[0]
    for box in boxes(observation.size, (47, 71)):
        tile, own = cut(observation, box, 0)
        inner = fitted.apply([tile], CONTEXT)[0][:, own[0], own[1]]
        row, col, height, width = box
        expected = whole[:, row : row + height, col : col + width]
        torch.testing.assert_close(inner, expected, rtol=0, atol=1e-11)


@every_or_projected
def test_halos_are_small(method: Method) -> None:
    """At ratio 4: 24 to interpolate, 38 to degrade as well."""
    near = (*NEAR, Sfim)
    far = (Awlp, Pracs, MtfGlp, MtfGlpFs, MtfGlpHpm, MtfGlpHpmR, MtfGlpHpmH)
    expected = {Bdsd: 32, BdsdPc: 32} | dict.fromkeys(near, 24) | dict.fromkeys(far, 38)
    expected |= {Tv: 62, Sirf: 62}
    inner, further = method, 0
    if isinstance(method, BackProjected):
        inner, further = method.inner, 38 + (method.steps - 1) * 6
    assert method.halo(Sampling.toolbox(4)) == expected[type(inner)] + further
    assert method.overlap(Sampling.toolbox(4)) == 0


def test_a_smaller_halo_would_show() -> None:
    sampling = Sampling.toolbox(4)
    observation, _ = pair(sampling, (151, 139), gains=(0.05,) * 4)
    fitted = MtfGlpFs().fit([observation], CONTEXT)
    whole = fitted.apply([observation], CONTEXT)[0][:, 60:68, 55:63]
    for halo, differs in ((38, False), (33, True)):
        tile, own = cut(observation, (60, 55, 8, 8), halo)
        inner = fitted.apply([tile], CONTEXT)[0][:, own[0], own[1]]
        assert (float((inner - whole).abs().max()) > 1e-11) == differs


@every_method
@every_geometry
def test_the_fit_does_not_depend_on_the_blocks(method: Classical, sampling: Sampling) -> None:
    observation, _ = pair(sampling, (151, 139))
    whole = coefficients(method.fit([observation], CONTEXT))
    blocks = [
        cut(observation, box, method.halo(sampling))[0] for box in boxes(observation.size, (53, 48))
    ]
    parts = coefficients(method.fit(blocks, CONTEXT))
    backwards = coefficients(method.fit(blocks[::-1], CONTEXT))
    torch.testing.assert_close(parts, whole, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(backwards, whole, rtol=1e-9, atol=1e-9)


@every_method
def test_masked_pixels_do_not_count(method: Classical) -> None:
    sampling = Sampling.toolbox(4)
    observation, _ = pair(sampling, (151, 139))
    reach = method.halo(sampling) + 6 * 4  # what a bad pixel spreads to
    guide_mask, target_mask = observation.guide_mask.clone(), observation.target_mask.clone()
    top, left = 100 - reach, 95 - reach
    guide_mask[max(0, top) :, max(0, left) :] = False
    target_mask[max(0, top) // 4 :, max(0, left) // 4 :] = False
    assert bool(target_mask.any())
    found = []
    for value in (0.0, 77.0):
        target, guide = observation.target.clone(), observation.guide.clone()
        target[:, 26:, 25:] = value
        guide[:, 104:, 100:] = value
        spoilt = replace(
            observation,
            target=target,
            guide=guide,
            target_mask=target_mask,
            guide_mask=guide_mask,
        )
        found.append(coefficients(method.fit([spoilt], CONTEXT)))
    torch.testing.assert_close(found[0], found[1], rtol=1e-9, atol=1e-12)


def test_the_lowpass_guide_does_not_depend_on_where_the_target_ends() -> None:
    observation, _ = pair(Sampling.toolbox(4), (64, 64))
    shorter = replace(observation, target=observation.target[:, :-1, :-2])
    plain = ExactOperators().guide_lowpass(observation)
    torch.testing.assert_close(ExactOperators().guide_lowpass(shorter), plain, rtol=0, atol=1e-13)
