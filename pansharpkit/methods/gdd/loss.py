"""The two things that the image of a Guided Deep Decoder must explain: the target, and PAN."""

from __future__ import annotations

import torch
from torch import Tensor

from pansharpkit.methods.gdd.options import Degradation, Difference
from pansharpkit.physics import Observation
from pansharpkit.physics.resample import axes_down, cubic_matrix, degrade_pair, upsample


class DataTerm:
    """Mean squared difference between the degraded image and the target, over valid samples.

    The operator is kept as one or C pairs of matrices on the device, so that no iteration waits for
    the host.
    """

    def __init__(self, observation: Observation, degradation: Degradation) -> None:
        self._observation = observation
        self._target = observation.target.float()
        self._weights = _shares(observation.target_mask)
        pairs = _matrices(observation, degradation)
        self._rows = torch.stack([rows for rows, _ in pairs]).to(self._target)
        self._cols = torch.stack([cols for _, cols in pairs]).to(self._target)

    def __call__(self, image: Tensor) -> Tensor:
        """Return the loss of [C, H, W]."""
        return (self._weights * (self._observed(image) - self._target).square().mean(dim=0)).sum()

    def projected(self, image: Tensor, steps: int, damping: float) -> Tensor:
        """Return [C, H, W] after steps of ``X += damping * up(Y - B X)`` over valid samples."""
        sampling, size = self._observation.sampling, self._observation.size
        valid = damping * (self._weights > 0)
        for _ in range(steps):
            residual = valid * (self._target - self._observed(image))
            image = image + upsample(residual, sampling, size, kernel="cubic")
        return image

    def _observed(self, image: Tensor) -> Tensor:
        return torch.matmul(torch.matmul(self._rows, image), self._cols.mT)


class DetailTerm:
    """Mean difference, squared or absolute, of each image's forward differences and PAN's.

    The means of the row and of the column differences are added; pairs with an invalid pixel do not
    count.
    """

    def __init__(self, guide: Tensor, mask: Tensor, norm: Difference = "l2") -> None:
        self._guide = guide
        self._weights = (_shares(mask[1:] & mask[:-1]), _shares(mask[:, 1:] & mask[:, :-1]))
        self._size = torch.square if norm == "l2" else torch.abs

    def __call__(self, mixed: Tensor) -> Tensor:
        """Return the loss of [C, H, W]."""
        residual = mixed - self._guide
        down, right = (self._size(residual.diff(dim=axis)).mean(dim=0) for axis in (-2, -1))
        return (self._weights[0] * down).sum() + (self._weights[1] * right).sum()


def _shares(mask: Tensor) -> Tensor:
    """Return [h, w] weights, equal over the valid pixels and 1 in sum."""
    valid = mask.float()
    return valid / valid.sum().clamp(min=1)


def _matrices(observation: Observation, degradation: Degradation) -> list[tuple[Tensor, Tensor]]:
    """Return the rows' and columns' matrices, one pair for all bands or one for each."""
    size, small, sampling = observation.size, observation.target_size, observation.sampling
    if degradation == "mtf":
        gains = observation.optics.mtf
        return [degrade_pair(size, sampling, small, gain, "symmetric") for gain in gains]
    rows, cols = axes_down(size, small, sampling, "symmetric")
    return [(cubic_matrix(rows, sampling.ratio[0]), cubic_matrix(cols, sampling.ratio[1]))]
