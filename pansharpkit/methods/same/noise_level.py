"""How noisy an image is, from itself and from what a guide explains of it.

Source: Donoho and Johnstone, "Ideal spatial adaptation by wavelet shrinkage", 1994: the median of
the finest diagonal coefficients, over 0.6745, here of the quietest places alone, since texture
elsewhere would count as noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from pansharpkit.errors import FusionError
from pansharpkit.methods.base import Context
from pansharpkit.methods.same.same_grid import same_grid
from pansharpkit.physics import Observation

_MEDIAN_OF_NORMAL = 0.6745
_MOST = 2**15  # coefficients of a block
_QUIET = 0.25
"""Share of a block's pixels, those around which the image changes least, that is looked at."""
_LEAST = 64  # pixels, if there are as many
_SIDE = 9  # of the window in which an image changes, pixels
_ITSELF = 0.001  # of its detail; a guide that leaves less unexplained is the image itself


def noise_level(sample: Sequence[Observation], context: Context) -> Tensor:
    """Return the standard deviation of each target band's noise, [C] in float64.

    Detail that is a multiple of the guide's is not noise, and is taken away first, unless that
    would leave hardly anything: an image that guides itself explains its noise as well.

    Raises
    ------
    FusionError
        If no pixel is valid.
    """
    found = [
        _diagonals(same_grid(sample[number])) for number in context.steps("noise", len(sample))
    ]
    details = torch.cat([pair[0] for pair in found], dim=1)
    guides = torch.cat([pair[1] for pair in found], dim=1)
    if not details.shape[1]:
        raise FusionError("no pixel of the image is valid: there is no noise to measure")
    explained = torch.linalg.lstsq(guides.T, details.T, driver="gelsd").solution.T @ guides
    raw, rest = _robust(details), _robust(details - explained)
    return torch.where(rest > _ITSELF * raw, rest, raw)


def _robust(details: Tensor) -> Tensor:
    return details.abs().median(dim=1).values / _MEDIAN_OF_NORMAL


def _diagonals(seen: Observation) -> tuple[Tensor, Tensor]:
    """Return the finest diagonal Haar coefficients of target and guide, [C, k] and [c, k]."""
    mask = seen.target_mask & seen.guide_mask
    whole = mask[:-1, :-1] & mask[1:, :-1] & mask[:-1, 1:] & mask[1:, 1:]
    places = whole.flatten().nonzero()[:, 0]
    places = places[_unrest(seen.target, mask).flatten()[places].argsort()]
    places = places[: max(min(len(places), _LEAST), int(_QUIET * len(places)))]
    places = places[:: max(1, len(places) // _MOST)]
    target, guide = (
        x.double().diff(dim=1).diff(dim=2).flatten(1)[:, places].cpu() / 2
        for x in (seen.target, seen.guide)
    )
    return target, guide


def _unrest(image: Tensor, mask: Tensor) -> Tensor:
    """Return [H - 1, W - 1], how much means of four pixels change around each; bands add up.

    Such means know nothing of the diagonal coefficient of the same pixels.
    """
    means = functional.avg_pool2d(torch.where(mask, image, 0.0).double()[None], 2, 1)
    near = _SIDE // 2

    def around(x: Tensor) -> Tensor:
        return functional.avg_pool2d(x, _SIDE, 1, near, count_include_pad=False)

    centred = means - means.mean(dim=(2, 3), keepdim=True)
    varies = around(centred.square()) - around(centred).square()
    return varies.sum(dim=1)[0].cpu()
