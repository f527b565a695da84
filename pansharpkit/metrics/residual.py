"""What a denoiser took off, judged without a reference.

Of white noise the residual (noisy minus restored) is as strong as the noise, no neighbours in it
resemble each other, and it does not know where the edges are. Detail that was taken off shows as
residual that is stronger at edges, and smooth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

DEFINITIONS: Mapping[str, str] = {
    "noise_before, noise_after": "RMS of the smaller half of |(a - b - c + d) / 2| over 2 x 2 "
    "pixels, over .3777: the standard deviation of white noise, stored units; fine texture counts "
    "as noise, noise that is spread over several pixels hardly does",
    "residual_rms": "root mean square of noisy - restored, stored units",
    "residual_edges": "correlation of |noisy - restored|, 5 x 5 mean, with the gradient of the "
    "guide, 5 x 5 mean; no guide: of the restored image",
    "residual_neighbours": "correlation of noisy - restored with itself, one pixel to the side and "
    "one down, mean of both",
    "bands": "mean over the bands",
}
_NORMAL = 0.377694  # RMS of the smaller half of |x| for a standard normal x
_SIDE = 5  # of the squares in which strength is compared with edges, pixels


def residual_indices(
    noisy: Tensor, restored: Tensor, guide: Tensor | None, mask: Tensor
) -> dict[str, float | None]:
    """Return the indices by name, each finite, or None where nothing can be said.

    Parameters
    ----------
    noisy, restored : [C, H, W].
    guide : [c, H, W], or None for a restoration without one.
    mask : [H, W] bool, True where a pixel counts.
    """
    noisy, restored = noisy.double(), restored.double()
    residual = torch.where(mask, noisy - restored, 0.0)
    gradient = _gradient(restored if guide is None else guide.double(), mask)
    strength = _local_mean(residual.abs(), mask)
    edges = _local_mean(gradient, mask)[0]
    count = int(mask.sum())
    rms = [math.sqrt(float(band[mask].square().mean())) if count else None for band in residual]
    return {
        "noise_before": _mean([noise_sigma(band, mask) for band in noisy]),
        "noise_after": _mean([noise_sigma(band, mask) for band in restored]),
        "residual_rms": _mean(rms),
        "residual_edges": _mean([correlation(band[mask], edges[mask]) for band in strength]),
        "residual_neighbours": _mean([_neighbours(band, mask) for band in residual]),
    }


def noise_sigma(band: Tensor, mask: Tensor) -> float | None:
    """Return the standard deviation of the white noise in [H, W], by its finest diagonal detail."""
    detail = (band[:-1, :-1] - band[:-1, 1:] - band[1:, :-1] + band[1:, 1:]) / 2
    valid = mask[:-1, :-1] & mask[:-1, 1:] & mask[1:, :-1] & mask[1:, 1:]
    found = detail[valid].abs()
    if not found.numel():
        return None
    # Not the median, which takes few values where pixels are whole numbers.
    half = found.sort().values[: max(1, found.numel() // 2)]
    return math.sqrt(float(half.square().mean())) / _NORMAL


def correlation(a: Tensor, b: Tensor) -> float | None:
    """Return the correlation coefficient of two vectors; None if one of them is constant.

    >>> correlation(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([3.0, 2.0, 1.0]))
    -1.0
    """
    if a.numel() < 2:
        return None
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float(a.square().sum()) * float(b.square().sum()))
    return float((a * b).sum()) / scale if scale > 0 else None


def _neighbours(band: Tensor, mask: Tensor) -> float | None:
    across, down = mask[:, :-1] & mask[:, 1:], mask[:-1] & mask[1:]
    return _mean(
        [
            correlation(band[:, :-1][across], band[:, 1:][across]),
            correlation(band[:-1][down], band[1:][down]),
        ]
    )


def _gradient(image: Tensor, mask: Tensor) -> Tensor:
    """Return [1, H, W]: the RMS over bands of the gradient, 0 at gaps and at the border."""
    size = image.shape[-2:]
    if min(size) < 3:
        return torch.zeros(1, *size, dtype=image.dtype)
    rows = (image[:, 2:, 1:-1] - image[:, :-2, 1:-1]) / 2
    cols = (image[:, 1:-1, 2:] - image[:, 1:-1, :-2]) / 2
    near = mask[2:, 1:-1] & mask[:-2, 1:-1] & mask[1:-1, 2:] & mask[1:-1, :-2]
    found = torch.where(near, (rows.square() + cols.square()).mean(dim=0).sqrt(), 0.0)
    return functional.pad(found[None], (1, 1, 1, 1))


def _local_mean(values: Tensor, mask: Tensor) -> Tensor:
    weight = functional.avg_pool2d(mask.to(values)[None], _SIDE, 1, _SIDE // 2)
    total = functional.avg_pool2d(values * mask, _SIDE, 1, _SIDE // 2)
    return total / weight.clamp(min=torch.finfo(values.dtype).tiny)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
