"""CycFusion as published: training of the camera, of networks for the scene, and for a tile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pansharpkit.errors import FusionError
from pansharpkit.methods.base import Context
from pansharpkit.methods.cycfusion.net import CycFusionNet, untrained
from pansharpkit.methods.cycfusion.options import CycFusionOptions
from pansharpkit.methods.cycfusion.problem import (
    CycFusionProblem,
    View,
    camera_loss,
    cycle_loss,
)
from pansharpkit.methods.networks.nets import placed
from pansharpkit.methods.networks.optimise import Optimum, Schedule, Watch, mixed_seed, optimise
from pansharpkit.physics import Observation

Weights = Mapping[str, Tensor]
PRETRAINING_RATE = 0.001


@dataclass(frozen=True)
class FittedPublished:
    """What the scene gave to the networks of its tiles."""

    options: CycFusionOptions
    scale: float
    """What pixels are divided by, so that they lie in [0, 1]."""
    learns_camera: bool
    starts: tuple[Weights | None, ...]
    """Of each member: the camera's, or all weights, to begin with; None for random ones."""

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Optimise the networks of each observation and return the mean of their two cubes.

        Raises
        ------
        FusionError
            If the loss is lost from two starts.
        """
        return [self._fused(observation, context) for observation in batch]

    def _fused(self, seen: Observation, context: Context) -> Tensor:
        view = View(scaled(seen, self.scale), context.device, self._side(seen))
        cubes = [self.cube(seen, view, context, member) for member in range(len(self.starts))]
        cube = torch.stack(cubes).mean(dim=0) * self.scale
        return cube.to(seen.target.device, seen.target.dtype)

    def _side(self, seen: Observation) -> int | None:
        return round(seen.sampling.mean_ratio) if self.learns_camera else None

    def cube(
        self,
        seen: Observation,
        view: View,
        context: Context,
        member: int,
        watch: Watch = lambda done, output, average: None,
    ) -> Tensor:
        """Return what one member makes of a tile, [C, H, W] in the networks' range."""
        steps = self.options.resolved.iterations
        if steps == 0:
            draws = torch.Generator().manual_seed(mixed_seed(context.seed, member))
            net = started(seen, self.options, self.starts[member], draws, context.device)
            with torch.no_grad():
                return cycle_loss(view, net)[1][0]
        return descended(
            [view],
            seen,
            self.options,
            self.starts[member],
            context,
            steps,
            seed=(context.seed, seen.index, member),
            stage=f"cycfusion tile {seen.index}",
            watch=watch,
        ).output

    def summary(self) -> Mapping[str, object]:
        """Return the schedule, and the camera where it was learned."""
        start = self.starts[0]
        found: dict[str, object] = {"scale": self.scale, "camera_learned": self.learns_camera}
        if self.learns_camera and start is not None:
            found["srf"] = torch.softmax(start["srf.logits"], dim=1).tolist()
            psf = start["psf.logits"]
            found["psf"] = torch.softmax(psf.flatten(), dim=0).reshape(psf.shape).tolist()
        return found


def fitted(
    crops: Sequence[Observation],
    scale: float,
    options: CycFusionOptions,
    context: Context,
    *,
    learns_camera: bool,
) -> FittedPublished:
    """Train the camera, if it is to be learned, and the scene's networks, if there are any.

    Raises
    ------
    FusionError
        If the loss is lost from two starts.
    """
    chosen, first = options.resolved, crops[0]
    side = round(first.sampling.mean_ratio) if learns_camera else None
    views = [View(scaled(crop, scale), context.device, side) for crop in crops]
    camera: Weights | None = None
    if learns_camera and chosen.pretraining:
        camera = pretrained(views, first, options, context)
    if not chosen.shared:
        return FittedPublished(options, scale, learns_camera, (camera,) * chosen.members)
    starts = [
        weights_of(
            descended(
                views, first, options, camera, context, chosen.shared,
                seed=(context.seed, member, -1), stage="cycfusion networks",
            ).problem.net
        )
        for member in range(chosen.members)
    ]  # fmt: skip
    return FittedPublished(options, scale, learns_camera, tuple(starts))


def pretrained(
    views: Sequence[View], seen: Observation, options: CycFusionOptions, context: Context
) -> Weights:
    """Return the weights of PSF and SRF with which both images agree once both are degraded."""

    def begin(seed: int) -> CycFusionProblem:
        draws = torch.Generator().manual_seed(seed)
        net = started(seen, options, None, draws, context.device)
        return CycFusionProblem(net, views, camera_loss, [net.psf, net.srf], seed)

    found = optimise(
        begin,
        Schedule(options.resolved.pretraining, PRETRAINING_RATE),
        seed=(context.seed, -2),
        steps=lambda total: context.steps("cycfusion camera", total),
    )
    weights = weights_of(found.problem.net)
    return {name: weights[name] for name in ("psf.logits", "srf.logits")}


def descended(
    views: Sequence[View],
    seen: Observation,
    options: CycFusionOptions,
    start: Weights | None,
    context: Context,
    steps: int,
    *,
    seed: tuple[int, ...],
    stage: str,
    watch: Watch = lambda done, output, average: None,
) -> Optimum[CycFusionProblem]:
    """Optimise all that is to be learned, from a start, on one view or several in turn."""
    chosen = options.resolved

    def begin(number: int) -> CycFusionProblem:
        draws = torch.Generator().manual_seed(number)
        net = started(seen, options, start, draws, context.device)
        learning = [net.from_target, net.from_guide]
        if views[0].learns_camera:
            learning += [net.psf, net.srf]
        return CycFusionProblem(net, views, cycle_loss, learning, number)

    def counted(total: int) -> Iterable[int]:
        return context.steps(stage, total)

    ema = chosen.ema if len(views) == 1 else 0.0
    return optimise(
        begin,
        Schedule(
            steps, chosen.rate, ema=ema, optimiser=chosen.optimiser, warm_up=chosen.warm_up,
            tolerance=options.tolerance if len(views) == 1 else 0.0,
        ),
        seed=seed,
        steps=counted,
        watch=watch,
    )  # fmt: skip


def started(
    seen: Observation,
    options: CycFusionOptions,
    start: Weights | None,
    draws: torch.Generator,
    device: str,
) -> CycFusionNet:
    """Return networks with random weights, or as far as there are any with those given."""
    net = untrained(
        int(seen.target.shape[0]),
        int(seen.guide.shape[0]),
        seen.sampling,
        options.resolved.width,
        draws,
    )
    if start is not None:
        net.load_state_dict(start, strict=False)
    return placed(net, device)


def weights_of(net: CycFusionNet) -> Weights:
    """Return a copy of all weights."""
    return {name: value.detach().clone() for name, value in net.state_dict().items()}


def scaled(seen: Observation, scale: float) -> Observation:
    """Return the observation with its pixels divided by the scale."""
    return replace(seen, target=seen.target / scale, guide=seen.guide / scale)


def scale_of(sample: Sequence[Observation], counted: Callable[[str, int], Iterable[int]]) -> float:
    """Return the largest pixel that counts, of target and guide, over a scene.

    Raises
    ------
    FusionError
        If no pixel counts, or none is positive.
    """
    largest = 0.0
    for number in counted("cycfusion range", len(sample)):
        seen = sample[number]
        for image, mask in ((seen.target, seen.target_mask), (seen.guide, seen.guide_mask)):
            if bool(mask.any()):
                largest = max(largest, float(image[:, mask].max()))
    if largest <= 0:
        raise FusionError(
            "the scene has no valid pixel above zero, so that it cannot be scaled to [0, 1]; check "
            "the nodata value, the cloud mask and the area of interest"
        )
    return largest
