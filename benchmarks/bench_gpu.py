"""What a GPU makes of the learned methods: speed, achieved FLOP/s, seams, agreement with the CPU.

    make bench-gpu                                    # or: python benchmarks/bench_gpu.py
    python benchmarks/bench_gpu.py --device cpu --small    # tries the script, measures nothing

Without a CUDA device it ends with exit code 2. The scene is the demo, mirrored to 15,000 x 15,000
PAN pixels with six bands. The rate of a method is that of one tile, its operations counted by
PyTorch, which sees nothing of CUDA graphs; the peak beside it is that of the product of two large
matrices.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from gpu_bars import verdicts
from mirrored import landsat
from numpy.typing import NDArray
from speed_methods import machine, pair
from torch.utils.flop_counter import FlopCounterMode

from pansharpkit import pipeline
from pansharpkit.engine import RunOptions, run
from pansharpkit.grid import Window
from pansharpkit.intake import SceneRequest, open_scene
from pansharpkit.methods import REGISTRY, create
from pansharpkit.methods.base import Context
from pansharpkit.methods.gdd.method import sharpen
from pansharpkit.methods.gdd.options import GddOptions
from pansharpkit.methods.gdd.problem import PansharpeningProblem
from pansharpkit.observe import FitSample, Observer
from pansharpkit.physics import Observation
from pansharpkit.requested import MethodRequest
from pansharpkit.scene import Scene

Options = Mapping[str, object]


@dataclass(frozen=True)
class Sizes:
    """How much is done: enough to measure, or just enough to see that the script works."""

    scene: int = 15_000
    seams: int = 3072
    agreement: int = 1024
    tile: int = 512
    tiles: tuple[int, int] = (256, 1024)
    loop: int = 256
    iterations: int = 60
    matrix: int = 8192
    scenenet: Options = field(default_factory=dict)
    gdd: Options = field(default_factory=lambda: {"preset": "balanced"})
    channels: int = 64


SMALL = Sizes(
    scene=256, seams=256, agreement=128, tile=64, tiles=(64, 128), loop=64, iterations=3,
    matrix=128, channels=2, scenenet={"steps": 3, "channels": 4},
    gdd={"channels": 2, "iterations": 2, "shared": 2, "preset": "balanced"},
)  # fmt: skip


class Bench:
    """All measurements on one device."""

    def __init__(self, device: str, sizes: Sizes, folder: Path) -> None:
        self.device, self.sizes, self.folder = device, sizes, folder
        wanted: dict[str, Options] = {"scenenet": sizes.scenenet, "gdd": sizes.gdd}
        self.methods = {name: given for name, given in wanted.items() if name in REGISTRY}
        self.skipped = sorted(set(wanted) - set(self.methods))

    def peak(self) -> dict[str, float]:
        """Return the device's TFLOP/s in a product of matrices, by precision."""
        found = {}
        kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16}
        for name, dtype in kinds.items():
            a = torch.ones(self.sizes.matrix, self.sizes.matrix, dtype=dtype, device=self.device)
            seconds = min(self.timed(lambda: a @ a) for _ in range(5))  # noqa: B023
            found[name] = 2 * self.sizes.matrix**3 / seconds / 1e12
        return found

    def timed(self, work: Callable[[], object]) -> float:
        """Return the seconds of some work, until the device has done it."""
        self.wait()
        started = time.perf_counter()
        work()
        self.wait()
        return time.perf_counter() - started

    def wait(self) -> None:
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()

    def whole_scene(self, name: str) -> dict[str, object]:
        """Fuse the large scene from files to a file, and say what that took and was to take."""
        pan, ms = landsat(self.folder, self.sizes.scene, bands=6)
        request = pipeline.FuseRequest(
            SceneRequest((str(pan), str(ms))),
            self.folder / "out.tif",
            MethodRequest(name, self.methods.get(name, {})),
            RunOptions(tile=self.sizes.tile, device=self.device),
            force=True,
            overwrite=True,
            report=False,
        )
        outcome = pipeline.fuse(request, announce=lambda found: None)
        seconds = outcome.run.seconds
        return {
            "seconds": dict(seconds),
            "total_s": sum(seconds.values()),
            "estimated_s": outcome.to_dict()["estimated_seconds"],
            "mpx_per_s": self.sizes.scene**2 / sum(seconds.values()) / 1e6,
            "faults": len(outcome.run.faults),
        }

    def rate(self, name: str) -> dict[str, float]:
        """Return the TFLOP/s of a method on one tile, as PyTorch counts its operations."""
        scene = self.scene(2 * self.sizes.tile)
        method, context = create(name, self.methods[name]), Context(0, self.device)
        seen = observation(scene, method.halo(scene.sampling), self.device)
        fitted = method.fit([seen], context)
        with FlopCounterMode(display=False) as counter:
            fitted.apply([seen], context)
        seconds = self.timed(lambda: fitted.apply([seen], context))
        flop = counter.get_total_flops()
        return {"gflop": flop / 1e9, "seconds": seconds, "tflop_per_s": flop / seconds / 1e12}

    def reference(self, *, compiled: bool = False) -> dict[str, float]:
        """Time an iteration of GDD as published, beside a loop that goes to the host each time."""
        seen = pair(self.sizes.loop, 4, 4.0).to(self.device)
        count = self.sizes.iterations
        channels = self.sizes.channels
        options = GddOptions(preset="reference", iterations=count, channels=channels)
        context, own = Context(0, self.device), replace(options, compiled=compiled)
        first = self.timed(lambda: sharpen(seen, own, context))
        ours = min(self.timed(lambda: sharpen(seen, own, context)) for _ in range(3))
        eager = min(self.timed(lambda: self.eager(seen, options, count)) for _ in range(3))
        return {
            "ms_per_iteration": 1e3 * ours / count,
            "eager_ms_per_iteration": 1e3 * eager / count,
            "times_faster": eager / ours,
            "seconds_before": first - ours,
        }

    def eager(self, seen: Observation, options: GddOptions, count: int) -> None:
        """Optimise the same network with image and loss fetched at every iteration."""
        problem = PansharpeningProblem(seen, options, self.device, 0)
        adam = torch.optim.Adam(problem.parameters(), lr=0.01)
        target = seen.target.cpu()
        for _ in range(count):
            loss, image = problem.evaluate()
            adam.zero_grad()
            torch.autograd.backward(loss)
            adam.step()
            loss.item()
            image.detach().cpu()
            target.to(self.device)

    def scene(self, side: int) -> Scene:
        """Return a mirrored scene of six bands."""
        pan, ms = landsat(self.folder, side, bands=6)
        return open_scene(SceneRequest((str(pan), str(ms))))

    def fused(self, name: str, side: int, tile: int, device: str) -> NDArray[np.float32]:
        """Return a scene fused in memory, [C, H, W]."""
        scene = self.scene(side)
        kept = np.zeros((6, scene.extent.height, scene.extent.width), np.float32)

        class Sink:
            def write(
                self, window: Window, values: NDArray[np.generic], valid: NDArray[np.bool_]
            ) -> None:
                kept[:, *window.slices] = values

        options = RunOptions(tile=tile, dtype="float32", device=device)
        run(scene, create(name, self.methods[name]), Sink(), options)
        return kept

    def seams(self, name: str) -> dict[str, float]:
        """Compare gradients across the borders of tiles with all others, and two tile sizes."""
        small, large = self.sizes.tiles
        first, second = (
            self.fused(name, self.sizes.seams, tile, self.device) for tile in (small, large)
        )
        return {
            **border_gradients(first, small),
            "rms_between_tile_sizes_dn": float(np.sqrt(np.mean((first - second) ** 2))),
            "rms_relative_percent": 100 * rms_share(first, second),
            "largest_difference_dn": float(np.abs(first - second).max()),
        }

    def agreement(self, name: str) -> dict[str, float]:
        """Compare the device with the CPU."""
        tile = self.sizes.tile
        here = self.fused(name, self.sizes.agreement, tile, "cpu")
        there = self.fused(name, self.sizes.agreement, tile, self.device)
        return {
            "rms_relative_percent": 100 * rms_share(here, there),
            "largest_difference_dn": float(np.abs(here - there).max()),
        }

    def repeatability(self, name: str) -> dict[str, bool]:
        """Say whether the same seed gives the same pixels twice."""
        side, tile = self.sizes.agreement, self.sizes.tile
        first, second = (self.fused(name, side, tile, self.device) for _ in range(2))
        return {"same_pixels": bool((first == second).all())}


def observation(scene: Scene, halo: int, device: str) -> Observation:
    """Return one block of a scene as methods see it."""
    return FitSample(Observer.of(scene, device=device), halo)[0]


def border_gradients(image: NDArray[np.float32], tile: int) -> dict[str, float]:
    """Return gradients across borders in proportion to the others, and their rank among lines."""
    ratios, ranks = [], []
    for axis in (1, 2):
        steps = np.abs(np.diff(image, axis=axis)).mean(axis=(0, 3 - axis))
        borders = np.arange(tile - 1, len(steps) - tile // 2, tile)
        others = np.delete(steps, borders)
        ratios.append(float(steps[borders].mean() / others.mean()))
        ranks.append(max(float((others < step).mean()) for step in steps[borders]))
    return {
        "border_gradient_ratio": float(np.mean(ratios)),
        "steepest_border_quantile": max(ranks),
    }


def rms_share(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return the rms difference in proportion to the standard deviation."""
    return float(np.sqrt(np.mean((first - second) ** 2)) / first.std())


def shown(values: Mapping[str, object]) -> str:
    """Return measurements on one line."""
    return ", ".join(
        f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in values.items()
    )


def measure(bench: Bench) -> dict[str, object]:
    """Run everything, print it as it comes, and return it."""
    found: dict[str, object] = {}

    def keep(title: str, values: Mapping[str, object]) -> None:
        found[title] = dict(values)
        print(f"{title}: {shown(values)}", flush=True)

    for name in bench.skipped:
        keep(name, {"skipped": "not in this version's registry"})
    keep("peak TFLOP/s", bench.peak())
    keep("reference at one tile", bench.reference())
    if bench.device.startswith("cuda"):  # a CPU compiles for minutes, and gains nothing
        keep("reference at one tile, compiled", bench.reference(compiled=True))
    keep("exp, whole scene: reading and writing", bench.whole_scene("exp"))
    for name in bench.methods:
        keep(f"{name}, rate", bench.rate(name))
        keep(f"{name}, whole scene", bench.whole_scene(name))
        keep(f"{name}, seams", bench.seams(name))
        keep(f"{name}, device against CPU", bench.agreement(name))
        keep(f"{name}, twice", bench.repeatability(name))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="sizes that only try the script")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    given = parser.parse_args()
    if given.device.startswith("cuda") and not torch.cuda.is_available():
        print("bench-gpu needs a CUDA device, and PyTorch finds none here", file=sys.stderr)
        raise SystemExit(2)
    logging.getLogger("pansharpkit").setLevel(logging.ERROR)
    named = torch.cuda.get_device_name() if given.device.startswith("cuda") else given.device
    print(f"{named}; {machine()}")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(given.device, SMALL if given.small else Sizes(), Path(folder))
        found = measure(bench)
    if not given.small:
        print("\n" + "\n".join(verdicts(found, list(bench.methods))))
    if given.json is not None:
        given.json.write_text(json.dumps({"device": named, **found}, indent=2))


if __name__ == "__main__":
    main()
