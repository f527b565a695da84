"""How much of PAN's detail any image can keep that agrees with the MS: a bound for all methods.

    python benchmarks/detail_limit.py DATA [--scenes S1 S2 S6] [--error 2]

Two goals at full resolution, detail that is PAN's and agreement with the MS, and what they leave
each other. For each band, of all images x that degrade to the MS within an error of so many per
cent (root mean square beside the band's mean, operator as estimated from the pair), the one whose
detail H x correlates best with PAN's, H p, at its own energy. It solves

    min |H x - t H p|² + m |D x - y|²,    t = |H g| / |H p|,

with g the image of MTF-GLP-FS and m such that the error is the one allowed: the Lagrangian of
"largest <H x, H p> of all with that energy and that error", so that no method, of whatever kind, is
above it. Detail is taken twice: by the MTF of the band, as in the quality report, and finer, what a
Gaussian of one PAN pixel removes. Means over the bands.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import mdtable
import torch
from quality_scenes import Pair, load
from torch import Tensor

from pansharpkit.engine import RunOptions, run
from pansharpkit.evaluate import estimated_optics
from pansharpkit.grid import Window
from pansharpkit.physics import degrade, lowpass
from pansharpkit.requested import MethodRequest
from pansharpkit.sampling import Sampling
from pansharpkit.scene import Scene
from pansharpkit.scratch import scratch

FINE = math.exp(-0.5 * math.pi**2)
"""Gain at PAN's Nyquist frequency of a Gaussian of one pixel."""
EDGE = 4
"""MS pixels at the edge of the crop whose detail does not count."""
STEPS, ROUNDS, NEAR = 80, 10, 0.02
RIDGE = 1e-6
Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Band:
    """One band of a crop, what its sensor does to it, and what counts as its detail."""

    guide: Tensor
    """[H, W], PAN."""
    seen: Tensor
    """[h, w], MS."""
    plain: Tensor
    """[H, W], MTF-GLP-FS."""
    detail: Map
    """[H, W] to [H, W]."""
    observe: Map
    """[H, W] to [h, w]."""

    def error(self, image: Tensor) -> float:
        """Return what an image lacks of the MS, per cent of the band's mean."""
        lacks = self.observe(image) - self.seen
        return 100 * float(lacks.square().mean().sqrt() / self.seen.mean())

    def correlation(self, image: Tensor) -> float:
        """Return the correlation of an image's detail with PAN's."""
        own, guide = self.detail(image), self.detail(self.guide)
        return float((own * guide).sum() / (own.square().sum() * guide.square().sum()).sqrt())

    def energy(self, image: Tensor) -> float:
        """Return the energy of an image's detail beside that of MTF-GLP-FS."""
        own, plain = self.detail(image), self.detail(self.plain)
        return float(own.square().sum() / plain.square().sum())

    def nearest(self, allowed: float) -> Tensor:
        """Return the image of best correlation whose error is the one allowed, or less."""
        image, weight = self.plain, 1.0
        if self.error(image) <= allowed:
            return image
        for _ in range(ROUNDS):
            image = self._solved(image, weight)
            found = self.error(image) / allowed
            if abs(found - 1) <= NEAR:
                break
            weight *= min(20.0, max(0.1, found**1.5))
        return image

    def _solved(self, image: Tensor, weight: float) -> Tensor:
        """Go on from an image by conjugate gradients."""
        guide = self.detail(self.guide)
        share = (self.detail(self.plain).square().sum() / guide.square().sum()).sqrt()

        def normal(x: Tensor) -> Tensor:
            back = self._back(self.detail, self.detail(x))
            return back + weight * self._back(self.observe, self.observe(x)) + RIDGE * x

        wanted = share * self._back(self.detail, guide)
        wanted = wanted + weight * self._back(self.observe, self.seen) + RIDGE * self.plain
        rest = wanted - normal(image)
        way, size = rest, rest.square().sum()
        for _ in range(STEPS):
            curved = normal(way)
            length = size / (way * curved).sum()
            image, rest = image + length * way, rest - length * curved
            way = rest + rest.square().sum() / size * way
            size = rest.square().sum()
        return image

    def _back(self, operator: Map, values: Tensor) -> Tensor:
        """Apply the transpose of an operator."""
        start = torch.zeros_like(self.plain, requires_grad=True)
        with torch.enable_grad():
            inner = (operator(start) * values).sum()
        return torch.autograd.grad(inner, start)[0]


def bands(scene: Scene, fine: bool) -> list[Band]:
    """Return the bands of a scene's crop, whole MS pixels of it."""
    optics, gains = estimated_optics(scene), scene.sensor.mtf
    crop, ratio = scene.extent, scene.sampling.ratio
    target = _under(scene)
    place = scene.sampling.windowed((crop.row, crop.col), (target.row, target.col))
    guide, seen = (
        torch.from_numpy(source.read(window)[0].astype("float32"))
        for source, window in ((scene.guide, crop), (scene.target, target))
    )
    method = MethodRequest("mtf-glp-fs").prepared(scene).method
    with scratch(scene.grid, scene.target.names) as (sink, source):
        run(scene, method, sink, RunOptions(dtype="float32", nodata=math.nan))
        plain = torch.from_numpy(source.values.copy())
    inner = _inner(crop, ratio)

    def observed(place: Sampling, gain: float) -> Map:
        size = target.height, target.width
        return lambda x: degrade(x[None], place, size, (gain,))[0]

    def detailed(gain: float) -> Map:
        widths, gains = ((1.0, 1.0), (FINE,)) if fine else (ratio, (gain,))
        return lambda x: (x - lowpass(x[None], widths, gains)[0]) * inner

    return [
        Band(guide[0], ms, image, detailed(gain), observed(place.shifted(*shift), blur))
        for ms, image, gain, shift, blur in zip(
            seen, plain, gains, optics.shift, optics.mtf, strict=True
        )
    ]


def _under(scene: Scene) -> Window:
    """Return the MS pixels that lie in the scene's crop altogether."""
    crop, (down, across), (row, col) = scene.extent, scene.sampling.ratio, scene.sampling.phase
    first = [
        math.ceil((start - phase) / step + 0.5 - 0.5 / step)
        for start, phase, step in ((crop.row, row, down), (crop.col, col, across))
    ]
    stop = [
        math.floor((end - phase) / step + 0.5 - 0.5 / step)
        for end, phase, step in ((crop.stop[0], row, down), (crop.stop[1], col, across))
    ]
    return Window(first[0], first[1], stop[0] - first[0], stop[1] - first[1])


def _inner(crop: Window, ratio: tuple[float, float]) -> Tensor:
    rows, cols = (round(EDGE * step) for step in ratio)
    inner = torch.zeros(crop.height, crop.width)
    inner[rows:-rows, cols:-cols] = 1
    return inner


def row(pair: Pair, fine: bool, allowed: float) -> list[str]:
    """Return a line of the table."""
    if pair.full is None:
        raise SystemExit(f"{pair.name} has no pair at full resolution")
    found = []
    for band in bands(pair.full, fine):
        image = band.nearest(allowed)
        measured = (band.correlation, band.error, band.energy)
        found.append([of(x) for x in (band.plain, image) for of in measured])
    plain, error, _, best, reached, energy = (fmean(column) for column in zip(*found, strict=True))
    return [
        pair.name, "one PAN pixel" if fine else "the band's MTF", f"{plain:.3f}", f"{error:.1f}",
        f"{best:.3f}", f"{reached:.1f}", f"{energy:.2f}",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--scenes", nargs="+", default=["S1", "S2", "S6"])
    parser.add_argument("--error", type=float, default=2.0, help="allowed, per cent")
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    pairs = [load(name, args.data) for name in args.scenes]
    rows = [row(pair, fine, args.error) for pair in pairs for fine in (False, True)]
    head = (
        "scene", "detail beyond", "`mtf-glp-fs`: correlation", "error %",
        "best of all at the error allowed", "error then %", "energy of its detail",
    )  # fmt: skip
    print(mdtable.written(head, rows))


if __name__ == "__main__":
    main()
