"""The networks of scenenet-hs: a few layers on single pixels, one network for each fold.

All of them are trained at once, each on the pixels that it is not judged by.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from pansharpkit.errors import FusionError
from pansharpkit.methods.base import Context
from pansharpkit.methods.hs.scenenet_hs_data import FOLDS, Lessons
from pansharpkit.methods.networks.adam import Adam
from pansharpkit.methods.networks.optimise import mixed_seed

log = logging.getLogger(__name__)

SLOPE = 0.1
"""Slope of the LeakyReLUs below zero."""
LAYERS = 3
BATCH = 1024
"""Pixels of each network and step, at most."""
RATE = 3e-3
"""Largest learning rate of Adam."""
DECAY = 0.99
"""Of the running average of the weights, which is what is kept."""
_WARM = 20  # steps until the rate is reached
_CHUNK = 2**15  # pixels at a time


class PixelNets(nn.Module):
    """[k, n] or [FOLDS, k, n] pixels to their corrections [FOLDS, k, p], zero before training."""

    def __init__(self, n_in: int, n_out: int, channels: int, seed: int) -> None:
        super().__init__()
        draws = torch.Generator().manual_seed(seed)
        widths = [n_in, *[channels] * (LAYERS - 1), n_out]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for before, after in pairwise(widths):
            bound = 1 / math.sqrt(before)
            for found, shape in (
                (self.weights, (FOLDS, before, after)),
                (self.biases, (FOLDS, 1, after)),
            ):
                drawn = torch.empty(shape).uniform_(-bound, bound, generator=draws)
                found.append(nn.Parameter(drawn))
        nn.init.zeros_(self.weights[-1])
        nn.init.zeros_(self.biases[-1])

    def forward(self, x: Tensor) -> Tensor:
        """Return the correction by each network."""
        x = x.expand(FOLDS, *x.shape[-2:])
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x, weight)
            if number < LAYERS - 1:
                x = functional.leaky_relu(x, SLOPE)
        return x


@dataclass(frozen=True)
class Learned:
    """Networks, and how far they are to be followed."""

    nets: PixelNets
    scale: Tensor
    """[p] size of what the base lacks, by which outputs are multiplied."""
    share: Tensor
    """[p] in [0, 1]: of the correction of each coefficient, what proved right out of its fold."""
    left: Tensor
    """[p] squared error out of the fold over the base's."""
    gain_db: float
    """By how much errors out of the fold are below the base's."""

    @torch.no_grad()
    def corrected(self, base: Tensor, inputs: Tensor) -> Tensor:
        """Return the base [p, H, W] corrected at each pixel of [n, H, W] inputs."""
        gains = (self.scale * self.share).to(base)[:, None]
        if not bool((self.share > 0).any()):
            return base
        nets = self.nets.to(base.device)
        found = torch.empty_like(base).flatten(1)
        pixels = inputs.flatten(1)
        for start in range(0, pixels.shape[1], _CHUNK):
            part = slice(start, start + _CHUNK)
            said = nets(pixels[:, part].T.float()).mean(dim=0).T
            found[:, part] = gains * said.to(base)
        return base + found.view_as(base)


def learn(lessons: Lessons, channels: int, steps: int, context: Context) -> Learned:
    """Train the networks, and judge each on its fold.

    Raises
    ------
    FusionError
        If the training diverges.
    """
    device = torch.device(context.device)
    lessons = replace(lessons, inputs=lessons.inputs.to(device), lacks=lessons.lacks.to(device))
    scale = lessons.lacks.square().mean(dim=0).sqrt().clamp_min(1e-12)
    seed = mixed_seed(context.seed, 0)
    nets = PixelNets(lessons.inputs.shape[1], lessons.lacks.shape[1], channels, seed)
    nets = nets.to(context.device)
    _descend(nets, lessons, scale, steps, seed, context)
    return _judged(nets, lessons, scale)


def _descend(
    nets: PixelNets, lessons: Lessons, scale: Tensor, steps: int, seed: int, context: Context
) -> None:
    """Train in place, and leave the networks with their averaged weights."""
    pools = [(lessons.fold != fold).nonzero()[:, 0] for fold in range(FOLDS)]
    pools = [pool if len(pool) else torch.arange(len(lessons.fold)) for pool in pools]
    draws = torch.Generator().manual_seed(seed)
    batch = min(BATCH, *(len(pool) for pool in pools))
    adam = Adam(nets.parameters(), RATE)
    average = [p.detach().clone() for p in nets.parameters()]
    weight = scale / scale.max()
    for step in context.steps("scenenet training", steps):
        picked = torch.stack(
            [pool[torch.randint(len(pool), (batch,), generator=draws)] for pool in pools]
        ).to(lessons.inputs.device)
        wrong = nets(lessons.inputs[picked]) - lessons.lacks[picked] / scale
        loss = (weight * wrong).abs().mean()
        adam.rate = RATE * min(1.0, (step + 1) / _WARM) * _cosine(step / steps)
        adam.zero_grad()
        torch.autograd.backward(loss)
        adam.step()
        keep = min(DECAY, (step + 1) / (step + 10))
        for value, parameter in zip(average, nets.parameters(), strict=True):
            value.lerp_(parameter.detach(), 1 - keep)
    for value, parameter in zip(average, nets.parameters(), strict=True):
        parameter.data = value
    if not all(bool(torch.isfinite(value).all()) for value in average):
        raise FusionError("scenenet-hs: the training diverged; use a classical method")


def _cosine(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * share))


@torch.no_grad()
def _judged(nets: PixelNets, lessons: Lessons, scale: Tensor) -> Learned:
    """Compare each network's corrections on its own fold with the solution."""
    said = torch.empty_like(lessons.lacks)
    for start in range(0, len(said), _CHUNK):
        part = slice(start, start + _CHUNK)
        every = nets(lessons.inputs[part])
        fold = lessons.fold[part].to(every.device)
        said[part] = every[fold, torch.arange(len(fold), device=every.device)] * scale
    wanted, found = lessons.lacks.double(), said.double()
    power = found.square().sum(dim=0)
    share = (found * wanted).sum(dim=0) / torch.where(power > 0, power, 1.0)
    share = share.clamp(0, 1)
    still = wanted - share * found
    each = wanted.square().sum(dim=0), still.square().sum(dim=0)
    left = torch.where(each[0] > 0, each[1] / each[0].clamp_min(1e-300), 1.0)
    before, after = float(each[0].sum()), float(each[1].sum())
    gain = 10 * math.log10(before / after) if before > 0 and after > 0 else 0.0
    return Learned(nets, scale, share.float(), left.cpu(), gain)
