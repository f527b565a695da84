"""The four mappings of CycFusion, between a coarse cube, a fine image and the cube that is wanted.

Two go up and are networks: :class:`SpatialUp` makes the fused cube from the target, and
:class:`SpectralUp` from the guide. Two go down and are the camera: :class:`LearnedPsf` and
:class:`LearnedSrf`, which hold one kernel and one matrix.

Source: Shi, Zhang, Altmann, Chen, "CycFusion", with the layer sizes that its parameter counts ask
for: 467,867 for CAVE (31 bands, 3 guides), 521,280 for Chikusei (128, 4) and 507,530 for Pavia
University (103, 4), all at ratio 32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from pansharpkit.methods.networks.nets import reflect_pad, undrawn
from pansharpkit.physics.resample import Axis, axes_down, cubic_matrix
from pansharpkit.sampling import Sampling

WIDTHS = (32, 64, 128, 128, 128)
"""Channels of the first five stages; further ones have as many as the last."""

Rung = tuple[Tensor, Tensor]
"""Matrices of the rows and of the columns of an interpolation, [n_out, n_in] each."""


def stages_of(sampling: Sampling) -> int:
    """Return how many times the spatial network enlarges: log2 of the ratio, rounded.

    >>> [stages_of(Sampling.edge_aligned(ratio)) for ratio in (2, 3, 4, 6, 8, 32)]
    [1, 2, 2, 3, 3, 5]
    """
    return max(1, round(math.log2(sampling.mean_ratio)))


def ladder(sampling: Sampling, target_size: tuple[int, int], size: tuple[int, int]) -> list[Rung]:
    """Return the interpolations from the target grid to the guide grid, one for each stage.

    The pixels of the grids between them shrink by the same factor each time, and their outer edges
    are those of the guide. For a ratio that is a power of two on grids that share their edges that
    is doubling, as published; for others the factor lies between 1.41 and 2.83, and the first stage
    takes up what the phase of the pair deviates.
    """
    stages = stages_of(sampling)
    axes = []
    for axis in (0, 1):
        ratio, phase = sampling.ratio[axis], sampling.phase[axis]
        pixels = [ratio ** (1 - k / stages) for k in range(stages + 1)]
        phases = [phase, *((p - 1) / 2 for p in pixels[1:])]
        counts = [target_size[axis], *(math.ceil(size[axis] / p - 1e-6) for p in pixels[1:])]
        steps = zip(pairwise(pixels), pairwise(phases), pairwise(counts), strict=True)
        axes.append([_between(*step) for step in steps])
    return list(zip(*axes, strict=True))


def _between(
    pixels: tuple[float, float], phases: tuple[float, float], counts: tuple[int, int]
) -> Tensor:
    """Return the cubic interpolation from one grid to the next finer one."""
    axis = Axis(
        counts[0],
        counts[1],
        (phases[1] - phases[0]) / pixels[0],
        pixels[1] / pixels[0],
        "replicate",
    )
    return cubic_matrix(axis, 1.0)


class Block(nn.Module):
    """Convolution (1x1, or reflect-padded 3x3), instance norm with weights, ReLU."""

    def __init__(self, n_in: int, n_out: int, kernel: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, kernel)
        self.norm = nn.InstanceNorm2d(n_out, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, n_in, H, W] to [N, n_out, H, W]."""
        padded = reflect_pad(x) if self.conv.kernel_size[0] == 3 else x
        return torch.relu(self.norm(self.conv(padded)))


class SpatialUp(nn.Module):
    """Fused cube from the target: enlarge and convolve by stages, then two 1x1 convolutions."""

    def __init__(self, bands: int, stages: int, width: float = 1.0) -> None:
        super().__init__()
        widths = [bands, *_widths(stages, width)]
        self.stages = nn.ModuleList(Block(*pair, kernel=3) for pair in pairwise(widths))
        self.mix = Block(widths[-1], _wide(WIDTHS[-1], width))
        self.last = nn.Conv2d(_wide(WIDTHS[-1], width), bands, 1)

    def forward(self, target: Tensor, rungs: Sequence[Rung]) -> Tensor:
        """Map [1, C, h, w] to [1, C, H, W] in (0, 1)."""
        x = target
        for stage, (rows, cols) in zip(self.stages, rungs, strict=True):
            x = stage(rows @ x @ cols.mT)
        return torch.sigmoid(self.last(self.mix(x)))


class SpectralUp(nn.Module):
    """Fused cube from the guide, each pixel by itself but for the norms."""

    def __init__(self, guides: int, bands: int, width: float = 1.0) -> None:
        super().__init__()
        widths = [guides, *_widths(len(WIDTHS), width)]
        self.hidden = nn.Sequential(*(Block(*pair) for pair in pairwise(widths)))
        self.last = nn.Conv2d(widths[-1], bands, 1)

    def forward(self, guide: Tensor) -> Tensor:
        """Map [1, c, H, W] to [1, C, H, W] in (0, 1)."""
        return torch.sigmoid(self.last(self.hidden(guide)))


class Taps:
    """What a kernel of some side sees of the guide grid around the centre of each target sample.

    A tap between two pixels is shared between them, and one beyond the array takes the edge pixel.
    """

    def __init__(
        self,
        sampling: Sampling,
        size: tuple[int, int],
        target_size: tuple[int, int],
        side: int,
        device: torch.device | str,
    ) -> None:
        self._axes = []
        for axis in axes_down(size, target_size, sampling, "replicate"):
            places = axis.centres[:, None] + torch.arange(side) - (side - 1) / 2
            below = torch.floor(places + 1e-9)
            share = (places - below).clamp(min=0).float().to(device)
            index = [(below.long() + k).clamp(0, axis.n_in - 1).to(device) for k in (0, 1)]
            self._axes.append((index, share, bool((share == 0).all())))

    def __call__(self, cube: Tensor) -> Tensor:
        """Map [..., H, W] to [..., h, side, w, side]."""
        (rows, row_share, on_rows), (cols, col_share, on_cols) = self._axes
        x = cube[..., rows[0], :]
        if not on_rows:
            x = torch.lerp(x, cube[..., rows[1], :], row_share[..., None].to(x))
        seen = x[..., cols[0]]
        if not on_cols:
            seen = torch.lerp(seen, x[..., cols[1]], col_share.to(x))
        return seen


class LearnedSrf(nn.Module):
    """Guide from a cube: each guide band a weighted mean of the cube's, weights by softmax."""

    def __init__(self, guides: int, bands: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.empty(guides, bands))

    @property
    def rows(self) -> Tensor:
        """[c, C], positive, rows sum to 1."""
        return torch.softmax(self.logits, dim=1)

    def forward(self, cube: Tensor) -> Tensor:
        """Map [..., C, H, W] to [..., c, H, W]."""
        return torch.einsum("gc,...chw->...ghw", self.rows, cube)


class LearnedPsf(nn.Module):
    """Target from a cube: one kernel for all bands, weights by softmax, a sample at each centre.

    `taps` relates it to a pair's grids. As published its side is the ratio, so that at an integer
    ratio on grids that share their edges the footprints of the samples tile the guide.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.empty(side, side))

    @property
    def values(self) -> Tensor:
        """[side, side], positive, sum 1."""
        return torch.softmax(self.logits.flatten(), dim=0).reshape(self.logits.shape)

    def forward(self, cube: Tensor, taps: Taps) -> Tensor:
        """Map [..., H, W] to [..., h, w]."""
        return torch.einsum("uv,...huwv->...hw", self.values, taps(cube))


def _wide(channels: int, width: float) -> int:
    return max(1, round(channels * width))


def _widths(stages: int, width: float) -> list[int]:
    widths = [*WIDTHS, *([WIDTHS[-1]] * stages)][:stages]
    return [_wide(w, width) for w in widths]


class CycFusionNet(nn.Module):
    """The four mappings together, as the published counts have them."""

    def __init__(self, bands: int, guides: int, sampling: Sampling, width: float = 1.0) -> None:
        super().__init__()
        self.from_target = SpatialUp(bands, stages_of(sampling), width)
        self.from_guide = SpectralUp(guides, bands, width)
        self.psf = LearnedPsf(round(sampling.mean_ratio))
        self.srf = LearnedSrf(guides, bands)


def untrained(
    bands: int, guides: int, sampling: Sampling, width: float, draws: torch.Generator
) -> CycFusionNet:
    """Return the network with Kaiming-normal weights from a CPU generator, and biases of zero."""
    net = undrawn(lambda: CycFusionNet(bands, guides, sampling, width))
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=draws)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.InstanceNorm2d):
            module.reset_parameters()
        elif isinstance(module, LearnedPsf | LearnedSrf):
            fan = (
                module.logits.numel()
                if isinstance(module, LearnedPsf)
                else module.logits[0].numel()
            )
            nn.init.normal_(module.logits, std=math.sqrt(2 / fan), generator=draws)
    return net
