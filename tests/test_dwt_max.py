"""Wavelet blending: exact reconstruction, the choice of coefficients, tiles."""

from __future__ import annotations

import pytest
import torch
from test_same_resolution import CONTEXT, SAME, blended, pair_of, random_images, window

from pansharpkit.errors import OptionError
from pansharpkit.methods import create
from pansharpkit.methods.same.dwt_max import _merged


@pytest.mark.parametrize("levels", [1, 3, 5])
def test_equal_sources_come_back_exactly(levels: int) -> None:
    images = random_images()[:1].repeat(3, 1, 1, 1)
    torch.testing.assert_close(blended("dwt-max", images, levels=levels), images[0])


def test_detail_comes_from_the_source_that_has_it() -> None:
    texture = torch.sin(2 * torch.arange(32.0)).expand(1, 32, 32).double()
    images = torch.stack([0.5 + 0.2 * texture, torch.full_like(texture, 0.5)])
    images[:, :, 16:] = images.flip(0)[:, :, 16:]
    fused = blended("dwt-max", images, levels=2)
    inside = fused[:, 6:10, 8:-8] - 0.5
    assert float(inside.std()) > 0.9 * float((0.2 * texture[:, 6:10, 8:-8]).std())
    assert float(fused[:, 22:26, 8:-8].std()) == pytest.approx(float(inside.std()), rel=0.02)


def test_levels_differ_in_what_is_averaged() -> None:
    images = torch.stack([torch.full((1, 20, 20), 0.2), torch.full((1, 20, 20), 0.6)])
    torch.testing.assert_close(blended("dwt-max", images), torch.full((1, 20, 20), 0.4))


def test_one_level_on_a_torus_is_known() -> None:
    images = torch.zeros(2, 1, 2, 2, dtype=torch.float64)
    images[0, 0, 0, 0] = 4.0
    fused = _merged(images, 1)
    # Details are those of the impulse, the coarse part (its mean everywhere) is halved.
    torch.testing.assert_close(fused, images[0] - 0.5)


def test_tiles_equal_the_whole() -> None:
    seen = pair_of(random_images(2, 2, (50, 61)))
    method = create("dwt-max", {"levels": 3})
    fitted, halo = method.fit([seen], CONTEXT), method.halo(SAME)
    whole = fitted.apply([seen], CONTEXT)[0]
    top, left, bottom, right = 20 - halo, 24 - halo, min(50, 40 + halo), min(61, 44 + halo)
    tile = window(seen, (top, left, bottom - top, right - left), margin=6)
    inner = fitted.apply([tile], CONTEXT)[0][:, halo : halo + 20, halo : halo + 20]
    torch.testing.assert_close(inner, whole[:, 20:40, 24:44])


def test_an_image_of_one_pixel_is_taken() -> None:
    images = random_images(size=(1, 1))
    torch.testing.assert_close(blended("dwt-max", images), images.mean(dim=0))


def test_refuses_levels_that_make_no_sense() -> None:
    with pytest.raises(OptionError, match="levels"):
        create("dwt-max", {"levels": 0})
