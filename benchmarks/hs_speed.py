"""Speed of the HS-MS methods, in megapixels times bands of the result per second.

    python benchmarks/hs_speed.py [--methods gsa-hs fuse] [--side 768] [--bands 128] [--threads 2]

The scene is made up: mixtures of a dozen spectra with noise, 8 guide bands, ratio 4. Fit and apply
are timed apart, on tiles as the engine cuts them; the bar is the sum over one scene. The last
column says how much of the machine was really used: on a busy one the wall time means nothing,
and CPU seconds over `threads` is the better guess.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor

from pansharpkit.methods import create
from pansharpkit.methods.base import Context
from pansharpkit.model import ObservationModel
from pansharpkit.physics import Observation, Optics, degrade
from pansharpkit.sampling import Sampling

METHODS = ("gsa-hs", "sfim-hs", "glp-hs", "fuse", "hysure")
GUIDES, PURE, RATIO = 8, 12, 4


def scene(side: int, bands: int) -> Observation:
    """Return a made-up pair of that many guide pixels along a side."""
    random = torch.Generator().manual_seed(0)
    wave = torch.linspace(0, 1, bands)[:, None]
    spectra = 0.2 + torch.exp(-(((wave - torch.linspace(0, 1, PURE)) / 0.15) ** 2))
    shares = torch.rand(PURE, side, side, generator=random)
    shares = torch.nn.functional.avg_pool2d(shares[None], 5, 1, 2)[0]
    centres = (torch.arange(GUIDES) + 0.5)[:, None] / GUIDES
    srf = torch.exp(-(((wave[:, 0] - centres) * GUIDES) ** 2))
    srf = srf / srf.sum(dim=1, keepdim=True)
    guide = torch.tensordot(srf @ spectra, shares, dims=1)
    sampling, gains = Sampling.edge_aligned(RATIO), (0.3,) * bands
    small = (side // RATIO, side // RATIO)
    target = torch.tensordot(spectra, degrade(shares, sampling, small, (0.3,) * PURE), dims=1)
    target = target + 0.002 * torch.randn(target.shape, generator=random)
    guide = guide + 0.002 * torch.randn(guide.shape, generator=random)
    rows = tuple(tuple(row) for row in srf.tolist())
    optics = Optics(gains, 0.3, model=ObservationModel(rows))
    return Observation.whole(target, guide, sampling, optics)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return wall and CPU seconds of the fastest of three calls."""
    best = (float("inf"), float("inf"))
    for _ in range(3):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        best = min(best, (time.perf_counter() - wall, time.process_time() - cpu))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--side", type=int, default=768, help="guide pixels")
    parser.add_argument("--bands", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    seen, context = scene(args.side, args.bands), Context()
    size = args.side**2 * args.bands / 1e6
    print(f"{args.side} x {args.side} x {args.bands}, {args.threads} threads")
    print("| method | fit s | apply s | CPU s | Mpx.band/s | Mpx.band per CPU s |")
    print("|---|---|---|---|---|---|")
    for name in args.methods:
        method = create(name)
        fitted = method.fit([seen], context)

        def apply() -> list[Tensor]:
            return fitted.apply([seen], context)  # noqa: B023

        fit = timed(lambda: method.fit([seen], context))  # noqa: B023
        done = timed(apply)
        wall, cpu = fit[0] + done[0], fit[1] + done[1]
        print(
            f"| {name} | {fit[0]:.2f} | {done[0]:.2f} | {cpu:.2f} | {size / wall:.0f} | "
            f"{size / cpu:.0f} |"
        )


if __name__ == "__main__":
    main()
