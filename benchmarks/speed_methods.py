"""Speed of each classical method: megapixels of the guide per second, one run after a warm-up.

    python benchmarks/speed_methods.py [--size 512] [--bands 4] [--threads 1] [--repeats 5]
        [--json FILE]

`fit` is over the whole array as one block, `apply` over one tile that includes the halo; only the
pixels inside the halo are counted. Fastest of the repeats.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch

from pansharpkit.methods import REGISTRY, create
from pansharpkit.methods.backprojection import BackProjected
from pansharpkit.methods.base import Context, Method
from pansharpkit.physics import Observation, Optics
from pansharpkit.sampling import Sampling

RATIOS = (2.0, 4.0, 2.5)
NAMES = tuple(name for name, entry in REGISTRY.items() if entry.auto)


def pair(size: int, bands: int, ratio: float) -> Observation:
    """Return float32 noise; the methods do not look at what they multiply."""
    generator = torch.Generator().manual_seed(0)
    small = int(size / ratio)
    gains = tuple([0.3] * (bands - 1) + [0.25])
    return Observation.whole(
        torch.rand(bands, small, small, generator=generator),
        torch.rand(1, size, size, generator=generator),
        Sampling.edge_aligned(ratio),
        Optics(gains, 0.15),
    )


def fastest(run: Callable[[], object], repeats: int) -> float:
    """Return the seconds of the fastest of some runs, after one that fills the caches."""
    run()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def machine() -> str:
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="ascii") as lines:  # noqa: PTH123
            names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
        model = names[0] if names else model
    except OSError:
        pass
    return f"{model}, {os.cpu_count()} cores, torch {torch.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512, help="inner tile, guide pixels")
    parser.add_argument("--bands", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{machine()}, {options.threads} thread(s)")
    print(f"inner tile {options.size}² x {options.bands} bands, float32")
    print(f"{'method':16}{'ratio':>6}{'halo':>6}{'apply ms':>10}{'Mpx/s':>8}{'fit ms':>9}")
    context = Context()
    methods: dict[str, Method] = {name: create(name) for name in NAMES}
    methods["gsa + 1 step"] = BackProjected(create("gsa"))
    rows = []
    for ratio in RATIOS:
        for name, method in methods.items():
            halo = method.halo(Sampling.edge_aligned(ratio))
            tile = pair(options.size + 2 * halo, options.bands, ratio)
            fitted = method.fit([tile], context)
            apply = fastest(lambda: fitted.apply([tile], context), options.repeats)  # noqa: B023
            fit = fastest(lambda: method.fit([tile], context), options.repeats)  # noqa: B023
            rate = options.size**2 / apply / 1e6
            rows.append({
                "method": name, "ratio": ratio, "halo": halo, "apply_ms": round(1e3 * apply, 2),
                "mpx_per_s": round(rate, 2), "fit_ms": round(1e3 * fit, 2),
            })  # fmt: skip
            print(
                f"{name:16}{ratio:6.3g}{halo:6d}{1e3 * apply:10.1f}{rate:8.1f}{1e3 * fit:9.1f}",
                flush=True,
            )
    if options.json is not None:
        options.json.write_text(json.dumps({"size": options.size, "rows": rows}))


if __name__ == "__main__":
    main()
