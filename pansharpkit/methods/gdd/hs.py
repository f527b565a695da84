"""Guided Deep Decoder for cubes: a network fitted to each tile, without training data.

The weights of the hyperspectral :class:`~pansharpkit.methods.gdd.net.GuidedDeepDecoder` are
optimised until the cube that it makes explains both images: seen through the target's PSF it is
the target, and through the guide's spectral response the guide.

Source: Uezato, Hong, Yokoya, He, ECCV 2020, with the losses of the authors' published program.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import torch
from torch import Tensor, nn

from pansharpkit.methods.base import Context
from pansharpkit.methods.gdd.hs_options import GddHsOptions
from pansharpkit.methods.gdd.method import MARGIN
from pansharpkit.methods.gdd.net import HYPERSPECTRAL, SMALLEST, coarsest, untrained
from pansharpkit.methods.gdd.problem import NOISE_RANGE, Shake
from pansharpkit.methods.hs.fuse import TwoViews
from pansharpkit.methods.hs.hyperspectral import srf_of
from pansharpkit.methods.hs.sylvester import Joint, Spread, mixed
from pansharpkit.methods.networks.nets import convolutions_in, fast_layout, grown, placed
from pansharpkit.methods.networks.optimise import Schedule, Watch, optimise
from pansharpkit.methods.networks.standard import Scaling, Standard
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling

__all__ = ["FittedGddHs", "GddHs", "GddHsOptions", "HsProblem"]

_SURE = 0.1  # power of the image's errors beside that of detail, where it is made consistent


@dataclass(frozen=True)
class GddHs:
    """Fit one Guided Deep Decoder to each tile.

    The network sees a whole tile at once, through its norms too, so that larger tiles are better
    and neighbours are blended.
    """

    options: GddHsOptions = field(default_factory=GddHsOptions)

    def halo(self, sampling: Sampling) -> int:
        """Give context, which no finite margin makes complete."""
        return MARGIN

    def overlap(self, sampling: Sampling) -> int:
        """Blend neighbours, whose networks are not the same."""
        return MARGIN

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedGddHs:
        """Find subspace, response and scaling of the scene.

        Raises
        ------
        FusionError
            If no pixel is valid.
        OptionError
            If the target has fewer bands than dimensions asked for.
        """
        views = TwoViews.of(sample, context, self.options.dimension)
        standard = Standard.of(sample, context)
        joint = views.joint(torch.linalg.inv(_SURE * views.detail))
        response = None if sample[0].optics.model is None else srf_of(sample[0]).double().cpu()
        return FittedGddHs(self.options, views, standard, joint, response)


@dataclass(frozen=True)
class Form:
    """What the network's output means: bands, or standardised coefficients of a subspace."""

    response: Tensor
    """[c, n] what the guide sees of the coefficients."""
    scaling: Scaling
    """Of the coefficients."""
    guide: Scaling


@dataclass(frozen=True)
class FittedGddHs:
    """What the scene gave, carried to the tiles."""

    options: GddHsOptions
    views: TwoViews
    standard: Standard
    joint: Joint
    srf: Tensor | None
    """[c, C], where it is known."""

    @property
    def form(self) -> Form:
        """What the network makes and sees."""
        basis = self.views.subspace.basis
        if not self.options.resolved.subspace:
            seen = self.views.response @ basis.T if self.srf is None else self.srf
            return Form(seen, _plain(len(basis)), _plain(len(seen)))
        target = self.standard.target
        mean = mixed(basis.T, target.mean)
        second = self.views.subspace.power - mean.flatten().square()
        deviation = second.clamp_min(float(self.views.subspace.noise.min()) ** 2).sqrt()
        scaling = Scaling(mean, deviation[:, None, None])
        return Form(self.views.response, scaling, self.standard.guide)

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Optimise a network for each observation and return what it makes.

        Raises
        ------
        FusionError
            If the loss is lost from two starts.
        """
        return [self.fused(observation, context) for observation in batch]

    def fused(
        self,
        seen: Observation,
        context: Context,
        watch: Watch = lambda done, output, average: None,
    ) -> Tensor:
        """Return the fused [C, H, W] of one tile.

        `watch` sees the [n, H, W] coefficients, or bands, and their average after every iteration.
        """
        chosen, subspace = self.options.resolved, self.views.subspace
        here = seen.to(context.device)
        if chosen.subspace:
            here = replace(here, target=subspace.coefficients(here.target))
        form = self.form
        found = optimise(
            lambda seed: HsProblem(here, form, self.options, context.device, seed),
            Schedule(
                chosen.iterations,
                chosen.rate,
                ema=chosen.ema,
                optimiser=chosen.optimiser,
                tolerance=self.options.tolerance,
            ),
            seed=(context.seed, seen.index),
            steps=lambda total: context.steps(f"gdd tile {seen.index}", total),
            watch=watch,
        )
        return self._cube(seen, found.output.to(seen.target))

    def _cube(self, seen: Observation, image: Tensor) -> Tensor:
        chosen, subspace = self.options.resolved, self.views.subspace
        if not (chosen.subspace or chosen.consistent):
            return image
        coefficients = image if chosen.subspace else subspace.coefficients(image)
        if chosen.consistent:
            coefficients = self.joint.best(seen, Spread.of(seen))(coefficients)
        return subspace.cube(coefficients)

    def summary(self) -> Mapping[str, object]:
        """Return the schedule, and what was found of both images."""
        return {**asdict(self.options.resolved), **self.views.summary()}


def _plain(count: int) -> Scaling:
    return Scaling(
        torch.zeros(count, 1, 1, dtype=torch.float64), torch.ones(count, 1, 1, dtype=torch.float64)
    )


class HsProblem:
    """A network, its fixed noise, and the two images that its own must explain."""

    def __init__(
        self, seen: Observation, form: Form, options: GddHsOptions, device: str, seed: int
    ) -> None:
        self._chosen, self._form, self._size = options.resolved, form, seen.size
        draws = torch.Generator().manual_seed(seed)
        count = int(seen.target.shape[0])
        arch = replace(HYPERSPECTRAL, channels=self._chosen.channels)
        self.net = placed(untrained(count, len(seen.guide), arch, draws), device)
        inputs = grown(form.guide.applied(seen.guide.float())[None], SMALLEST)
        self._inputs = inputs.contiguous(memory_format=fast_layout(device))
        small = coarsest((int(inputs.shape[-2]), int(inputs.shape[-1])))
        self._noise = (NOISE_RANGE * torch.rand(1, count, *small, generator=draws)).to(device)
        self._shake = Shake(self._chosen.noise, device, seed)
        self._spread = Spread.of(seen)
        part = (self._spread.rows, self._spread.cols)
        self._target = seen.target[:, *part].float()
        self._guide = seen.guide.float()
        self._coarse = _shares(seen.target_mask[part])
        self._fine = _shares(seen.guide_mask)
        self._unit = float(form.scaling.deviation.square().mean())

    def parameters(self) -> Iterable[nn.Parameter]:
        """Return the network's weights."""
        return self.net.parameters()

    def evaluate(self) -> tuple[Tensor, Tensor]:
        """Return the loss and the coefficients [n, H, W]."""
        noise = self._noise + self._shake.like(self._noise)
        with convolutions_in(self._chosen.precision, noise.device):
            features = self.net.features(noise, self._inputs)
        whole: Tensor = self.net.last(features.float())
        image = self._form.scaling.undone(whole[0, :, : self._size[0], : self._size[1]])
        return self._loss(image), image

    def _loss(self, image: Tensor) -> Tensor:
        """Weigh both mean squared differences, in units of what the scaling makes 1."""
        lacks = (self._spread.observe(image) - self._target).square().mean(dim=0) / self._unit
        wrong = mixed(self._form.response, image) - self._guide
        size = self._form.guide.deviation.to(wrong)
        off = (wrong / size).square().mean(dim=0)
        loss: Tensor = self._chosen.mu * (self._coarse * lacks).sum() + (self._fine * off).sum()
        return loss


def _shares(mask: Tensor) -> Tensor:
    """Return [h, w] weights, equal over the valid pixels and 1 in sum."""
    valid = mask.float()
    return valid / valid.sum().clamp(min=1)
