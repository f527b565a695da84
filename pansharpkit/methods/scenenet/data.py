"""What scenenet learns from: windows of the scene, and pairs of them one scale down.

The scene is its own teacher. Degraded once more by its own ratio, it is a problem whose solution is
known: the target as it was delivered.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from pansharpkit.errors import FusionError
from pansharpkit.methods.base import Context
from pansharpkit.methods.guides import pan
from pansharpkit.methods.networks.optimise import mixed_seed
from pansharpkit.methods.networks.standard import Standard
from pansharpkit.methods.pair_operators import PairOperators
from pansharpkit.physics import Observation, degrade, lowpass, upsample
from pansharpkit.sampling import Sampling
from pansharpkit.workers import one_thread

SIDE = 80
"""Target pixels along a window's side."""
MARGIN = 12
"""Target pixels along the sides of a window that operators spoil and nothing is learnt from."""
WINDOWS = 48
"""Windows in all, at most."""
_CHOICE = 4  # candidates per window: those kept have contrasts of all sizes
_CELL = 12  # target pixels along the sides of the cells that are shown or held out
_HELD_OUT = 5  # one cell in so many is held out
_VALID = 0.5  # share of valid samples below which a window is not used
_SMALLEST = 16  # target pixels
_UNMOVED = 0.01  # target pixels
_JUDGED = 12  # windows whose sharpness is compared
SHARPEST_GUIDE = 0.8
"""Gain of the least blur that PAN is given in a lesson."""
_GAINS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.36, 0.43, 0.51, 0.6, 0.7, SHARPEST_GUIDE)


@dataclass(frozen=True)
class Features:
    """All that the network sees of an observation, and the base that it corrects; guide grid."""

    base: Tensor
    """[C, H, W] MTF-GLP-FS."""
    exp: Tensor
    """[C, H, W] upsampled target."""
    guide: Tensor
    """[1, H, W] PAN."""
    detail: Tensor
    """[1, H, W] PAN beyond the target's resolution."""
    missing: Tensor
    """[C, H, W] what the base, degraded, lacks of the target."""

    def standardised(self, standard: Standard) -> Tensor:
        """Return [2C + 2, H, W] in units of the scene's standard deviations."""
        return torch.cat(
            [
                standard.target.applied(self.exp),
                standard.guide.applied(self.guide),
                self.detail / standard.guide.deviation.to(self.detail),
                self.missing / standard.target.deviation.to(self.missing),
            ]
        )


@dataclass(frozen=True)
class Based:
    """How the base of a scene is made: MTF-GLP-FS with the pair's own operators."""

    operators: PairOperators
    gains: Tensor
    """[C] injection gains."""

    def features(self, seen: Observation) -> Features:
        """Return the base and what else the network sees."""
        exp = self.operators.upsample(seen, seen.target)
        below = self.operators.guide_lowpass(seen)
        guide = pan(seen)
        gains = self.gains.to(exp)[:, None, None]
        base = torch.addcmul(exp, gains, guide - below)
        missing = self.operators.spread(seen, seen.target - self.operators.observe(seen, base))
        detail = guide - below.mean(dim=0, keepdim=True)
        return Features(base, exp, guide, detail, missing)


@dataclass(frozen=True)
class Lesson:
    """A window one scale down, with its solution."""

    seen: Observation
    truth: Tensor
    """[C, H, W] the target as delivered, on the guide grid of `seen`."""
    mask: Tensor
    """[H, W] where the truth may be learnt from."""
    held: Tensor
    """[H, W] where it is held out, to judge by: the same places of the scene in all lessons."""
    edge: int
    """Pixels along the sides of which neither may."""


def draw_windows(sample: Sequence[Observation], context: Context) -> list[Observation]:
    """Return square windows from all blocks, of calm and of busy content alike.

    Raises
    ------
    FusionError
        If no block holds a window with valid pixels.
    """
    each = max(2, math.ceil(WINDOWS / max(1, len(sample))))
    found: list[Observation] = []
    for number in context.steps("scenenet windows", len(sample)):
        draws = torch.Generator().manual_seed(mixed_seed(context.seed, number))
        found += _stratified(sample[number], each, draws)
    if not found:
        raise FusionError(
            f"no window of {_SMALLEST} x {_SMALLEST} MS pixels is valid: there is nothing to learn "
            "from; use a classical method"
        )
    sides = [min(window.target_size) for window in found]
    usual = max(sides)
    kept = [window for window, side in zip(found, sides, strict=True) if side == usual]
    return [replace(window, index=number) for number, window in enumerate(kept)]


def _stratified(block: Observation, count: int, draws: torch.Generator) -> list[Observation]:
    """Return `count` windows of a block that are evenly spread in the order of their contrast."""
    side = min(SIDE, *block.target_size)
    if side < _SMALLEST:
        return []
    candidates = []
    for _ in range(_CHOICE * count):
        corner = [
            int(torch.randint(n - side + 1, (1,), generator=draws)) for n in block.target_size
        ]
        rows, cols = (slice(start, start + side) for start in corner)
        mask = block.target_mask[rows, cols]
        if float(mask.float().mean()) >= _VALID:
            contrast = float(block.target[:, rows, cols].mean(dim=0)[mask].std())
            candidates.append((contrast, corner[0], corner[1]))
    chosen = sorted(candidates)[_CHOICE // 2 :: _CHOICE]
    return [_window(block, (row, col), side) for _, row, col in chosen]


def _window(block: Observation, corner: tuple[int, int], side: int) -> Observation:
    """Cut `side` x `side` target samples with the guide pixels under them."""
    fine = []
    for axis in (0, 1):
        ratio, phase = block.sampling.ratio[axis], block.sampling.phase[axis]
        low = math.ceil(ratio * (corner[axis] - 0.5) + phase - 1e-6)
        high = math.ceil(ratio * (corner[axis] + side - 0.5) + phase - 1e-6)
        fine.append(slice(max(0, low), min(block.size[axis], high)))
    rows, cols = (slice(start, start + side) for start in corner)
    return replace(
        block,
        target=block.target[:, rows, cols],
        guide=block.guide[:, fine[0], fine[1]],
        sampling=block.sampling.windowed((fine[0].start, fine[1].start), corner),
        target_mask=block.target_mask[rows, cols],
        guide_mask=block.guide_mask[fine[0], fine[1]],
        origin=(block.origin[0] + fine[0].start, block.origin[1] + fine[1].start),
    )


def lesson(
    window: Observation, operators: PairOperators, guide_gain: float, turn: int = 0
) -> Lesson:
    """Degrade a window once more; its number and `turn` decide which samples are kept.

    The guide is blurred to `guide_gain` at the target's Nyquist frequency: that says how sharp PAN
    is beside what is to be made of it.
    """
    ratio = window.sampling.ratio
    places = [(rows / ratio[0], cols / ratio[1]) for rows, cols in operators.shifts]
    truth = torch.cat([_moved(b[None], at) for b, at in zip(window.target, places, strict=True)])
    guide = degrade(pan(window), window.sampling, window.target_size, (guide_gain,))
    kept = _nth_sampling(window, turn)
    size = [
        math.floor((n - 1 - first) / step) + 1
        for n, first, step in zip(window.target_size, kept.phase, ratio, strict=True)
    ]
    small = degrade(truth, kept, (size[0], size[1]), operators.gains)
    mask = window.target_mask.clone()
    edge = MARGIN if min(window.target_size) > 4 * MARGIN else 0
    if edge:
        mask[:edge], mask[-edge:], mask[:, :edge], mask[:, -edge:] = False, False, False, False
    every = torch.ones(size, dtype=torch.bool, device=mask.device)
    seen = Observation(small, guide, kept, window.optics, every, mask, window.index)
    held = held_out(window)
    return Lesson(seen, truth, mask & ~held, mask & held, edge)


def held_out(window: Observation) -> Tensor:
    """Return [h, w], True in one cell of :data:`_HELD_OUT`: windows overlap, cells do not."""
    cells = []
    for axis in (0, 1):
        ratio, phase = window.sampling.ratio[axis], window.sampling.phase[axis]
        first = round((window.origin[axis] + phase) / ratio)
        places = first + torch.arange(window.target_size[axis], device=window.target.device)
        cells.append(places.div(_CELL, rounding_mode="floor"))
    rows, cols = cells[0][:, None], cells[1][None, :]
    return (rows + 2 * cols) % _HELD_OUT == 0


def _moved(band: Tensor, place: tuple[float, float]) -> Tensor:
    """Resample [1, h, w] so that what lies at k + place comes to k."""
    if max(abs(place[0]), abs(place[1])) < _UNMOVED:
        return band
    return upsample(band, Sampling((1.0, 1.0), place), (band.shape[1], band.shape[2]))


def _nth_sampling(window: Observation, turn: int) -> Sampling:
    """Return one of the ratio^2 whole-pixel phases, in turn, at the window's own fraction."""
    ratio, phase = window.sampling.ratio, window.sampling.phase
    whole = [max(1, int(r)) for r in ratio]
    chosen = (window.index + turn * (whole[0] + 1)) % (whole[0] * whole[1])
    first = (chosen // whole[1], chosen % whole[1])
    starts = [p - math.floor(p) + f for p, f in zip(phase, first, strict=True)]
    return Sampling(ratio, (starts[0], starts[1]))


def gain_as_sharp_as_target(windows: Sequence[Observation]) -> float:
    """Return the gain to which PAN must be blurred to be as sharp as the target, in (0, 1).

    Sharpness is the energy of the finest octave beside that of the next, over both images as they
    are: optics, noise, aliasing and what was done to the product on the ground.
    """
    return _matching_gain(windows, _sharpness(windows, lambda w: w.target))


def gain_as_sharp_as_guide(windows: Sequence[Observation]) -> float:
    """Return the gain to which PAN must be blurred to look, a scale down, as sharp as it does now.

    Rests on the self-similarity of landscapes, and is never less than what the preset says: a
    product may have been sharpened, and an instrument does not get better than it was built.
    """
    found = _matching_gain(windows, _sharpness(windows, pan))
    return max(found, windows[0].optics.guide_mtf)


def _matching_gain(windows: Sequence[Observation], wanted: float) -> float:
    @cache
    def found(gain: float) -> float:
        return _sharpness(windows, lambda w: degrade(pan(w), w.sampling, w.target_size, (gain,)))

    place = bisect_left(_GAINS, wanted, key=found)  # the more gain, the sharper
    if place in (0, len(_GAINS)):
        return _GAINS[max(0, place - 1)]
    low, high = _GAINS[place - 1 : place + 1]
    return low + (high - low) * (wanted - found(low)) / max(found(high) - found(low), 1e-9)


def _sharpness(windows: Sequence[Observation], image: Callable[[Observation], Tensor]) -> float:
    """Return the mean over bands of log(energy of the finest octave / of the next)."""
    some = windows[:: max(1, len(windows) // _JUDGED)]
    fine = middle = torch.zeros(1, dtype=torch.float64)
    with one_thread():
        for window in some:
            energies = _octaves(image(window))
            fine, middle = fine + energies[0].cpu(), middle + energies[1].cpu()
    if float(middle.min()) <= 0 or float(fine.min()) <= 0:
        return -math.inf
    return float((fine / middle).log().mean())


def _octaves(image: Tensor) -> tuple[Tensor, Tensor]:
    """Return the energy of the finest octave and of the next, [C] each."""
    once, twice = (_blurred(image.double(), sigma) for sigma in (0.8, 1.6))
    return (image - once).square().sum(dim=(1, 2)), (once - twice).square().sum(dim=(1, 2))


def _blurred(image: Tensor, sigma: float) -> Tensor:
    gain = math.exp(-0.5 * (sigma * math.pi) ** 2)
    return lowpass(image, (1.0, 1.0), (gain,) * len(image))
