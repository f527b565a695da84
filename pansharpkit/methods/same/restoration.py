"""Denoising by an untrained network that is stopped before it comes to the noise.

The loss falls for ever while the noise comes back, so that the number of iterations is the
regulariser. It is found without a clean image: the fit ends where what it leaves of the noisy image
is as strong as the noise was measured to be, or nearest to a copy that it is not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from pansharpkit.methods.base import Context
from pansharpkit.methods.gdd.net import SMALLEST
from pansharpkit.methods.gdd.problem import NOISE_RANGE, Shake, Weights, weights_of
from pansharpkit.methods.gdd.shared import draw_crops
from pansharpkit.methods.networks.held_out import FIT, LOUDER, REFIT, BestOnHeldOut, split
from pansharpkit.methods.networks.nets import Precision, convolutions_in, fast_layout, grown, placed
from pansharpkit.methods.networks.optimise import Optimiser, Schedule, Watch, mixed_seed, optimise
from pansharpkit.methods.networks.priors import ImageNet, Prior
from pansharpkit.methods.networks.standard import Standard
from pansharpkit.methods.same.guided_filter import guided
from pansharpkit.methods.same.noise_level import noise_level
from pansharpkit.methods.same.same_grid import same_grid
from pansharpkit.physics import Observation

StopRule = Literal["residual", "split", "never"]
"""Where a fit ends: at a residual as strong as the noise, where the fit to one copy of the image
comes nearest to another one with noise of its own (the image is fitted as long then), or after all
iterations."""


@dataclass(frozen=True)
class Plan:
    """Which network, for how long, and when to stop."""

    prior: Prior
    iterations: int
    shared: int = 0
    """Steps of the one network that all tiles start from."""
    rate: float = 0.01
    optimiser: Optimiser = "adam"
    ema: float = 0.0
    shake: float = 0.01
    """Deviation of the noise added to the network's input at every iteration."""
    rule: StopRule = "residual"
    stop: float = 1.0
    """Residual at which the fit ends, in deviations of the noise; 0 never ends early."""
    noise: float | None = None
    """Deviation of the noise in the image's own units, where it is known."""
    base: bool = False
    """Show the network what the guided filter makes, and let it make the difference to that."""
    share: float = 1.0
    """Of that difference to take."""
    precision: Precision = "auto"


def fit_restoration(
    plan: Plan, sample: Sequence[Observation], context: Context
) -> FittedRestoration:
    """Measure scene and noise, and train the shared network as far as the plan asks for it.

    Raises
    ------
    FusionError
        If no pixel is valid, or the training diverges twice.
    """
    seen = _OnOneGrid(sample)
    standard = Standard.of(seen, context)
    deviation = standard.target.deviation.flatten()
    if plan.noise is None:
        noise = noise_level(seen, context)
    else:
        noise = torch.full_like(deviation, plan.noise)
    fitted = FittedRestoration(plan, standard, noise)
    if not plan.shared:
        return fitted
    crops = draw_crops(seen, context)
    if len(crops) == 1:
        whole = replace(plan, shared=0, iterations=plan.shared + plan.iterations)
        return replace(fitted, plan=whole)
    return replace(fitted, weights=_trained(fitted, crops, context))


@dataclass(frozen=True)
class _OnOneGrid(Sequence[Observation]):
    """A sample whose targets lie on their guides' pixels."""

    sample: Sequence[Observation]

    def __len__(self) -> int:
        return len(self.sample)

    def __getitem__(self, index: int) -> Observation:  # type: ignore[override]
        return same_grid(self.sample[index])


def _trained(fitted: FittedRestoration, crops: Sequence[Observation], context: Context) -> Weights:
    plan = fitted.plan
    found = optimise(
        lambda seed: fitted.problem(crops, context.device, seed),
        Schedule(plan.shared, plan.rate, optimiser=plan.optimiser),
        seed=(context.seed, -1),
        steps=lambda total: context.steps(f"{plan.prior.kind} network", total),
    )
    return weights_of(found.problem.net)


@dataclass(frozen=True)
class FittedRestoration:
    """What the scene gave, carried to the tiles."""

    plan: Plan
    standard: Standard
    noise: Tensor
    """[C] deviation of each band's noise, in the image's units."""
    weights: Weights | None = None

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Optimise a network for each observation and return what it makes.

        Raises
        ------
        FusionError
            If the loss is lost from two starts.
        """
        return [self.restored(observation, context) for observation in batch]

    def restored(
        self,
        observation: Observation,
        context: Context,
        watch: Watch = lambda done, output, average: None,
    ) -> Tensor:
        """Return the clean [C, H, W]; `watch` sees standardised outputs and their averages."""
        plan, here = self.plan, same_grid(observation)
        view = NoisyView(self.standard.applied(here), plan, self._relative, context.device, 0)
        best, splits = BestOnHeldOut(view.judged), plan.rule == "split"

        def enough(done: int, output: Tensor) -> bool:
            if splits:
                return best(done, output)
            return plan.rule == "residual" and self._at_noise(view, output)

        found = optimise(
            lambda seed: self.problem([here], context.device, seed),
            Schedule(plan.iterations, plan.rate, ema=plan.ema, optimiser=plan.optimiser),
            seed=(context.seed, observation.index),
            steps=lambda total: context.steps(
                f"{plan.prior.kind} tile {here.index}",
                min(total, FIT) if splits and context.rehearsing else total,
            ),
            watch=watch,
            enough=enough,
        )
        if splits:
            known = best.done or min(plan.iterations, REFIT)  # a rehearsal does not come to look
            again = replace(plan, rule="never", iterations=known, share=best.share)
            return replace(self, plan=again).restored(observation, context, watch)
        made = view.base + plan.share * (found.output - view.base)
        return self.standard.undone(made).contiguous().to(observation.target)

    def _at_noise(self, view: NoisyView, output: Tensor) -> bool:
        """Return whether what is left of the bands is no stronger than their noise."""
        left = view.residual(output)
        return bool(
            (left <= (self.plan.stop * self._relative.to(output)).square()).float().mean() > HALF
        )

    @property
    def _relative(self) -> Tensor:
        """[C] noise in standard units."""
        return self.noise / self.standard.target.deviation.flatten()

    def problem(self, seen: Sequence[Observation], device: str, seed: int) -> RestorationProblem:
        """Return a network at its start, and the images that it is to make."""
        views = [
            NoisyView(
                self.standard.applied(one), self.plan, self._relative, device,
                mixed_seed(seed, number),
            )
            for number, one in enumerate(seen)
        ]  # fmt: skip
        draws = torch.Generator().manual_seed(seed)
        net = self.plan.prior.network(views[0].bands, views[0].guides, draws)
        if self.weights is not None:
            net.load_state_dict(self.weights, strict=False)
        elif self.plan.base:
            for parameter in net.last.parameters():
                parameter.data.zero_()
        return RestorationProblem(placed(net, device), views, self.plan.shake, device, seed)

    def summary(self) -> Mapping[str, object]:
        """Return the schedule, and how noisy the image was found to be."""
        plan = self.plan
        return {
            "network": plan.prior.kind,
            "channels": plan.prior.arch.channels,
            "sees": plan.prior.sees if plan.prior.kind == "dip" else "guide",
            "shared": plan.shared,
            "iterations": plan.iterations,
            "rate": plan.rate,
            "optimiser": plan.optimiser,
            "ema": plan.ema,
            "rule": plan.rule,
            "stop": plan.stop,
            "noise": self.noise.tolist(),
        }


HALF = 0.5
"""Share of the bands that must have come to their noise."""


class NoisyView:
    """One noisy image as a network sees it, in standard units."""

    def __init__(
        self, observation: Observation, plan: Plan, noise: Tensor, device: str, seed: int
    ) -> None:
        here = observation.to(device)
        self._target, self._size = here.target.float(), here.size
        counted = here.target_mask & here.guide_mask
        self._weights = counted.float() / counted.sum().clamp(min=1)
        self._other, noise = self._target, noise.to(self._target)
        if plan.rule == "split":
            self._target, self._other = split(self._target, noise, here.index)
            noise = noise * LOUDER
        self._corrects = plan.base
        shown, self.base = here.guide.float(), torch.zeros_like(self._target)
        if plan.base:
            itself = shown.shape == here.target.shape and torch.equal(shown, here.target.float())
            # An image's own noise would look like what a guide knows.
            beside = torch.zeros_like(shown) if itself else shown
            self.base = guided(self._target, beside, counted, noise)
            shown = torch.cat([self.base if itself else shown, self.base])
        guide = grown(shown[None], SMALLEST)
        self._guide = guide.contiguous(memory_format=fast_layout(device))
        self.bands, self.guides = int(here.target.shape[0]), int(shown.shape[0])
        shape = plan.prior.noise_shape(self.bands, (int(guide.shape[-2]), int(guide.shape[-1])))
        draws = torch.Generator().manual_seed(seed)
        self.input = (NOISE_RANGE * torch.rand(1, *shape, generator=draws)).to(device)
        self._precision = plan.precision

    def image(self, net: ImageNet, shake: Tensor) -> Tensor:
        """Return what the network makes, [C, H, W]."""
        with convolutions_in(self._precision, self.input.device):
            features = net.features(self.input + shake, self._guide)
        whole: Tensor = net.last(features.float())
        image: Tensor = self.base + whole[0, :, : self._size[0], : self._size[1]]
        return image

    def residual(self, image: Tensor) -> Tensor:
        """Return the mean squared difference to each noisy band, [C]."""
        left: Tensor = (self._weights * (image - self._target).square()).sum(dim=(1, 2))
        return left

    def judged(self, image: Tensor) -> tuple[float, float]:
        """Return the error by the copy that is not fitted, and the share of the difference to take.

        The share is the one that makes the error least.
        """
        change, left = image - self.base, self._other - self.base
        share = 1.0
        if self._corrects:
            gained, size = (self._weights * torch.stack([change * left, change**2])).sum((1, 2, 3))
            share = float((gained / size.clamp_min(1e-30)).clamp(0, 1))
        return float((self._weights * (share * change - left).square()).sum()), share


class RestorationProblem:
    """One network, and the noisy images that it is shown in turn, in random order."""

    def __init__(
        self, net: ImageNet, views: Sequence[NoisyView], shake: float, device: str, seed: int
    ) -> None:
        self.net = net
        self._views = views
        self._order = torch.Generator().manual_seed(seed)
        self._waiting: list[int] = []
        self._shake = Shake(shake, device, seed)

    def parameters(self) -> Iterable[nn.Parameter]:
        """Return the network's weights."""
        return self.net.parameters()

    def evaluate(self) -> tuple[Tensor, Tensor]:
        """Return the mean squared difference to the next image, and what the network made."""
        if not self._waiting:
            self._waiting = torch.randperm(len(self._views), generator=self._order).tolist()
        view = self._views[self._waiting.pop()]
        image = view.image(self.net, self._shake.like(view.input))
        return view.residual(image).mean(), image
