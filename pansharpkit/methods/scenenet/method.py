"""scenenet: a small network that learns, from the scene itself, what a classical image lacks.

The pair is degraded once more by its own ratio; there, the target as delivered is the solution. A
network of a few convolutions learns what MTF-GLP-FS lacks of it, and corrects MTF-GLP-FS on the
scene. No training data, no norm layers, no position: what it makes of a pixel depends on its
neighbourhood alone, so that tiles agree.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from pansharpkit.errors import OptionError
from pansharpkit.methods.base import Context
from pansharpkit.methods.finishing import (
    FULL,
    STEPS,
    Finish,
    Judge,
    Look,
    calm_of,
    choose,
    smoothing_reach,
)
from pansharpkit.methods.guides import blur_reach, interpolation_reach, pan
from pansharpkit.methods.moments import Table, gather, quotient
from pansharpkit.methods.networks.nets import Precision, fast_layout
from pansharpkit.methods.networks.standard import Standard
from pansharpkit.methods.pair_operators import FARTHEST, PairOperators, spread_reach
from pansharpkit.methods.scenenet.data import Based, draw_windows, lesson
from pansharpkit.methods.scenenet.files import load_weights, save_weights
from pansharpkit.methods.scenenet.net import DEPTH, ResidualNet, untrained
from pansharpkit.methods.scenenet.relation import relation
from pansharpkit.methods.scenenet.train import Course, Trained, Trainer, Weights
from pansharpkit.methods.side_by_side import in_turn
from pansharpkit.physics import Observation, PairOptics, estimate_optics, lowpass
from pansharpkit.sampling import Sampling

log = logging.getLogger(__name__)

_TURNS = 2  # lessons from each window
_LOOKED_AT = 3  # windows on which the finish is chosen


@dataclass(frozen=True)
class ScenenetOptions:
    """How the network is trained."""

    sharpness: Literal["auto", "guide", "target"] = "auto"
    """How sharp the image shall be: as PAN is, or as the MS camera would be at PAN's pixel size.
    The second wins Wald's protocol, whose truth is such an image, and rings on real PAN: ``auto``
    takes it for a pair that was degraded for that protocol, and the first for every other."""
    steps: int = 80
    """Steps of the training; 40 are enough from weights of the same sensor."""
    channels: int = 40
    """Width of the network."""
    precision: Precision = "auto"
    """Type of the hidden convolutions. ``auto`` is bfloat16 where the processor multiplies it at
    speed; images, losses and weights are float32 always."""
    weights: str | None = None
    """File of weights to begin with, written by ``save_weights`` on another scene."""
    save_weights: str | None = None
    """File to write the weights to."""

    def __post_init__(self) -> None:
        if self.steps < 0 or self.channels < 1:
            raise OptionError("scenenet: steps must not be negative, channels at least 1")
        if self.steps == 0 and self.weights is None:
            raise OptionError("scenenet: steps=0 needs weights=FILE to have something to apply")


@dataclass(frozen=True)
class Scenenet:
    """Train on the scene, compare with the base, apply everywhere."""

    options: ScenenetOptions = ScenenetOptions()

    def halo(self, sampling: Sampling) -> int:
        """Base, what it lacks, network, and the projections."""
        there = blur_reach(sampling) + FARTHEST
        base = there + interpolation_reach(sampling)
        back = there + spread_reach(sampling) + smoothing_reach(sampling)
        further = 2 * max(sampling.ratio) * (STEPS - 1)
        return round(base + there + spread_reach(sampling) + DEPTH + back + further)

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedScenenet:
        """Train on windows of the scene.

        Raises
        ------
        FusionError
            If there is nothing to learn from, or the training diverges.
        OptionError, OutputError
            If the weights cannot be read, do not fit, or cannot be written.
        """
        windows = draw_windows(sample, context)
        pair = estimate_optics(sample)
        asked = self.options.sharpness
        sharp_as = windows[0].optics.sharp_as if asked == "auto" else asked
        operators, guide_gain = relation(windows, pair, sharp_as)
        taught = [(window, turn) for turn in range(_TURNS) for window in windows]
        lessons = list(
            in_turn(
                "scenenet lessons",
                taught,
                lambda one: lesson(one[0], operators, guide_gain, one[1]),
                context,
            )
        )
        standard = Standard.of(windows, context)
        below = Based(
            operators.aligned(), _gains([x.seen for x in lessons], operators.aligned(), context)
        )
        course = Course.of(lessons, below, standard, context)
        trained = self._trained(course, context)
        based = Based(operators, _gains(windows, operators, context))
        fitted = FittedScenenet(based, standard, trained, Finish(), pair, guide_gain, sharp_as, ())
        return fitted.finished(windows, context)

    def _trained(self, course: Course, context: Context) -> Trained:
        chosen = self.options
        bands = int(course.lacks.shape[1])
        start: Weights | None = None
        if chosen.weights is not None:
            start = load_weights(chosen.weights, bands, chosen.channels)
        inputs, device = int(course.inputs.shape[1]), course.inputs.device
        trained = Trainer(
            lambda seed: untrained(inputs, bands, chosen.channels, seed, device, chosen.precision),
            chosen.steps,
            start,
            context,
        ).trained(course)
        if chosen.save_weights is not None and not context.rehearsing:
            save_weights(chosen.save_weights, trained.net, bands, chosen.channels)
        return trained


def _gains(seen: Sequence[Observation], operators: PairOperators, context: Context) -> Tensor:
    """Return the injection gains of MTF-GLP-FS, [C], or less where a band's detail is not PAN's.

    Across a scene a band can go with PAN and still differ from it in detail, as the infrared does
    among clouds. So the gain is at most the regression of what the band loses by one more
    degradation on what PAN, degraded to the same grid, loses.
    """
    bands = len(operators.gains)

    def tables(one: Observation) -> tuple[Table, Table]:
        exp, smooth = operators.upsample(one, one.target), operators.guide_lowpass(one)
        wide = torch.cat([exp, smooth, one.guide]), one.guide_mask
        both = torch.cat([one.target, operators.observe(one, pan(one).expand(bands, -1, -1))])
        lost = both - lowpass(both, one.sampling.ratio, operators.gains * 2)
        return wide, (lost, one.target_mask)

    wide, lost = (found.covariance for found in gather(seen, tables, context, in_turn))
    across = quotient(wide[:bands, -1], wide[bands:-1, -1])
    shared, guide = lost[:bands, bands:].diagonal(), lost.diagonal()[bands:]
    return torch.minimum(across, quotient(shared, guide).clamp_min(0))


@dataclass(frozen=True)
class FittedScenenet:
    """Base, network and finish of one scene."""

    based: Based
    standard: Standard
    trained: Trained
    finish: Finish
    pair: PairOptics
    guide_gain: float
    sharp_as: str
    looks: tuple[Look, ...]
    """Of the image and of the base, where that decided."""
    batched: ClassVar[bool] = True
    """See :class:`~pansharpkit.batches.Batched`: the network takes the tiles of a batch at once."""

    @property
    def wins(self) -> bool:
        """Whether the network beats its base where it was shown no truth."""
        return self.trained.gain_db > 0

    @torch.no_grad()
    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Correct the observations, those of one size together, and finish each."""
        alike = len({seen.size for seen in batch}) == 1
        images = self._images(batch) if alike else [self._images([seen])[0] for seen in batch]
        finish, operators = self.finish, self.based.operators
        return [finish.applied(s, operators, *pair) for s, pair in zip(batch, images, strict=True)]

    @torch.no_grad()
    def _images(self, batch: Sequence[Observation]) -> list[tuple[Tensor, Tensor]]:
        """Return base and network's image of each observation; all are of one size."""
        features = [self.based.features(seen) for seen in batch]
        if not self.wins:
            return [(one.base, one.base) for one in features]
        net: ResidualNet = self.trained.net.to(batch[0].target.device)
        inputs = torch.stack([one.standardised(self.standard).float() for one in features])
        corrections = net(inputs.contiguous(memory_format=fast_layout(inputs.device)))
        deviation = self.standard.target.deviation.to(features[0].base)
        return [
            (one.base, one.base + deviation * correction.to(one.base))
            for one, correction in zip(features, corrections, strict=True)
        ]

    def finished(self, windows: Sequence[Observation], context: Context) -> FittedScenenet:
        """Choose the finish: by sight at full resolution, in full where truth is the target's."""
        if self.sharp_as == "target":
            return replace(self, finish=FULL)
        some = windows[:: max(1, len(windows) // _LOOKED_AT)]
        images = [self._images([seen])[0] for seen in some]
        judges = [Judge(seen, self.based.operators) for seen in some]
        finish, found, base = choose(judges, images, calm_of(windows), context)
        return replace(self, finish=finish, looks=(found, base))

    def summary(self) -> Mapping[str, object]:
        """Return what was estimated, learnt and decided."""
        return {
            "sharpness": self.sharp_as,
            "gains": self.based.gains.tolist(),
            "mtf": list(self.based.operators.gains),
            "shift": [list(shift) for shift in self.based.operators.shifts],
            "guide_gain": self.guide_gain,
            "held_out_gain_db": self.trained.gain_db,
            "network_used": self.wins and self.finish.share > 0,
            "finish": {
                "width": self.finish.width,
                "rates": list(self.finish.rates),
                "share": self.finish.share,
                "calm": self.finish.calm,
            },
        }
