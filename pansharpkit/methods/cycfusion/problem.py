"""CycFusion as optimisation problems: the camera alone first, then all four mappings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from pansharpkit.methods.cycfusion.net import CycFusionNet, Taps, ladder
from pansharpkit.methods.hs.hyperspectral import project, srf_of
from pansharpkit.physics import Observation
from pansharpkit.physics.psf import psf_pairs
from pansharpkit.physics.resample import degrade_pair


class View:
    """One pair as the networks see it, and the camera that relates cube, target and guide."""

    def __init__(self, seen: Observation, device: str, side: int | None) -> None:
        here = seen.to(device)
        self.target, self.guide = here.target.float()[None], here.guide.float()[None]
        self.counts = Counts(here.target_mask), Counts(here.guide_mask)
        self.rungs = [
            (rows.to(self.target), cols.to(self.target))
            for rows, cols in ladder(here.sampling, here.target_size, here.size)
        ]
        self._taps = side and Taps(here.sampling, here.size, here.target_size, side, device)
        self._known = None if side else KnownCamera(here)
        self.learns_camera = self._known is None

    def blurred(self, net: CycFusionNet, cube: Tensor) -> Tensor:
        """Return the target of a cube [1, C, H, W]."""
        if self._known is not None:
            return self._known.blurred(cube)
        blurred: Tensor = net.psf(cube, self._taps)
        return blurred

    def mixed(self, net: CycFusionNet, cube: Tensor) -> Tensor:
        """Return the guide of a cube [1, C, ...]."""
        if self._known is not None:
            return self._known.mixed(cube)
        mixed: Tensor = net.srf(cube)
        return mixed


class KnownCamera:
    """PSF and SRF of an observation as matrices on the device, so that no iteration waits."""

    def __init__(self, seen: Observation) -> None:
        model = seen.optics.model
        size, small, sampling = seen.size, seen.target_size, seen.sampling
        if model is not None and model.psf is not None:
            terms = [[pair] for pair in psf_pairs(size, sampling, small, model.psf)]
        else:
            gains = seen.optics.mtf
            gains = gains[:1] if len(set(gains)) == 1 else gains
            terms = [[degrade_pair(size, sampling, small, g, "replicate") for g in gains]]
        self._terms = [
            tuple(torch.stack([pair[k] for pair in term]).to(seen.target) for k in (0, 1))
            for term in terms
        ]
        self._srf = srf_of(seen).float()

    def blurred(self, cube: Tensor) -> Tensor:
        """Map [1, C, H, W] to [1, C, h, w]."""
        return torch.stack([rows @ cube @ cols.mT for rows, cols in self._terms]).sum(dim=0)

    def mixed(self, cube: Tensor) -> Tensor:
        """Map [1, C, H, W] to [1, c, H, W]."""
        return project(self._srf, cube[0])[None]


class Counts:
    """Mean absolute difference over the pixels that count."""

    def __init__(self, mask: Tensor) -> None:
        valid = mask.float()
        self._share = None if bool(mask.all()) else valid / valid.sum().clamp(min=1)

    def __call__(self, one: Tensor, other: Tensor) -> Tensor:
        """Return the l1 distance of [1, n, H, W], a scalar."""
        difference = (one - other).abs()
        if self._share is None:
            return difference.mean()
        return (self._share * difference.mean(dim=1)).sum()


def camera_loss(view: View, net: CycFusionNet) -> tuple[Tensor, Tensor]:
    """Return how far the guide of the target is from the target of the guide, and the former."""
    both = view.mixed(net, view.target)
    return view.counts[0](both, view.blurred(net, view.guide)), both


def cycle_loss(view: View, net: CycFusionNet) -> tuple[Tensor, Tensor]:
    """Return marginal, cycle and identity losses, of equal weight, and the mean of both cubes."""
    coarse, fine = view.counts
    from_target = net.from_target(view.target, view.rungs)
    from_guide = net.from_guide(view.guide)
    guide, target = view.mixed(net, from_target), view.blurred(net, from_guide)
    loss = fine(view.guide, guide) + coarse(view.target, target)
    loss = loss + coarse(view.target, view.blurred(net, net.from_guide(guide)))
    loss = loss + fine(view.guide, view.mixed(net, net.from_target(target, view.rungs)))
    loss = loss + fine(from_target, from_guide)
    return loss, (from_target + from_guide) / 2


Loss = Callable[[View, CycFusionNet], tuple[Tensor, Tensor]]


class CycFusionProblem:
    """Networks and the pairs that they are shown in turn, each time in another random order."""

    def __init__(
        self,
        net: CycFusionNet,
        views: Sequence[View],
        loss: Loss,
        learning: Sequence[nn.Module],
        seed: int,
    ) -> None:
        self.net, self._views, self._loss, self._learning = net, views, loss, learning
        self._order = torch.Generator().manual_seed(seed)
        self._waiting: list[int] = []

    def parameters(self) -> Iterable[nn.Parameter]:
        """Return what is to be optimised."""
        return [weight for module in self._learning for weight in module.parameters()]

    def evaluate(self) -> tuple[Tensor, Tensor]:
        """Return the loss on the next pair, and the cube or guide that it judges."""
        if not self._waiting:
            self._waiting = torch.randperm(len(self._views), generator=self._order).tolist()
        loss, output = self._loss(self._views[self._waiting.pop()], self.net)
        return loss, output[0]
