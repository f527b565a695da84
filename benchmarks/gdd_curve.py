"""Quality of the Guided Deep Decoder against iterations, beside the published program's curve.

    python benchmarks/gdd_curve.py pan_im4.mat [--iterations 900] [--channels 64] [--json OUT.json]
    python benchmarks/gdd_curve.py tests/golden/l8_RR_r2_inputs.npz --channels 32
    python benchmarks/gdd_curve.py tests/golden/l8_RR_r2_inputs.npz --iterations 8001 --crop 96

The first file is the one that the authors distribute: an 8-band ground truth of 184 x 216 pixels,
its bicubic reduction by 4 with symmetric borders, and PAN. The figures of the published program are
of one run on two CPU cores; they are constants here because its code is not ours to run.
The second is a Landsat fixture of the tests, degraded with the MTF; the classical results that lie
beside it are scored too.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import scipy.io
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pansharpkit.engine import resolve_device
from pansharpkit.methods.base import Context
from pansharpkit.methods.gdd.method import GddOptions, sharpen
from pansharpkit.methods.gdd.options import Degradation
from pansharpkit.methods.networks.standard import Standard
from pansharpkit.metrics import reference as indices
from pansharpkit.physics import Observation, Optics, decimate, degrade, upsample
from pansharpkit.sampling import Sampling

PUBLISHED_MU = 10.0
"""Weight of the data term that the authors use at reduced resolution."""
LANDSAT_GAINS = (0.55, 0.55, 0.55, 0.53)
"""With which the fixtures were made."""
COLUMNS = ("psnr_db", "sam_deg", "ergas", "q2n", "scc_laplacian", "scc")

Row = dict[str, float | None]

# Of the authors' scene, with the SCC of laplacian_correlation.
PUBLISHED: dict[tuple[int, str], Row] = {
    (400, "last"): dict(zip(COLUMNS, (33.45, 4.8, 3.5, 0.964, 0.82), strict=False)),
    (900, "last"): dict(zip(COLUMNS, (34.69, 4.11, 3.00, 0.972, 0.853), strict=False)),
    (900, "average"): dict(zip(COLUMNS, (35.27, 3.98, 2.82), strict=False)),
    (913, "average + 10 bp"): dict(zip(COLUMNS, (35.70, 3.62, 2.66, 0.978, 0.855), strict=False)),
}


@dataclass(frozen=True)
class Scene:
    """A pair at reduced resolution in [0, 1], its truth, and how the target was made."""

    truth: Tensor
    target: Tensor
    guide: Tensor
    sampling: Sampling
    degradation: Degradation
    gains: tuple[float, ...]
    others: Mapping[str, Tensor] = field(default_factory=dict)
    """Results of other methods."""

    @property
    def observation(self) -> Observation:
        optics = Optics(self.gains, guide_mtf=0.15)
        return Observation.whole(self.target, self.guide, self.sampling, optics)

    def cropped(self, side: int) -> Scene:
        small = round(side / self.sampling.mean_ratio)
        return replace(
            self,
            truth=self.truth[:, :side, :side],
            target=self.target[:, :small, :small],
            guide=self.guide[:, :side, :side],
            others={name: image[:, :side, :side] for name, image in self.others.items()},
        )

    def reduced(self, image: Tensor) -> Tensor:
        size = (self.target.shape[1], self.target.shape[2])
        if self.degradation == "mtf":
            return degrade(image, self.sampling, size, self.gains, border="symmetric")
        return decimate(image, self.sampling, size, antialias=True, border="symmetric")

    def enlarged(self, coarse: Tensor) -> Tensor:
        size = (self.truth.shape[1], self.truth.shape[2])
        return upsample(coarse, self.sampling, size, kernel="cubic")

    def back_projected(self, image: Tensor, steps: int = 10) -> Tensor:
        for _ in range(steps):
            image = image + self.enlarged(self.target - self.reduced(image))
        return image

    def scores(self, image: Tensor) -> Row:
        ratio = self.sampling.mean_ratio
        return {
            "psnr_db": indices.psnr_db(self.truth, image, peak=1.0),
            "sam_deg": indices.sam_deg(self.truth, image),
            "ergas": indices.ergas(self.truth, image, ratio=ratio),
            "q2n": indices.q2n(self.truth, image),
            "scc_laplacian": laplacian_correlation(self.truth, image),
            "scc": indices.scc(self.truth, image),
        }


def authors_scene(path: Path) -> Scene:
    data = scipy.io.loadmat(path)
    truth, target = (tensor(data[key]) for key in ("I_MS_GT", "I_MS_input"))
    guide = tensor(data["I_PAN_input"][..., None])
    return Scene(truth, target, guide, Sampling.edge_aligned(4), "bicubic", (0.3,) * len(target))


def landsat_fixture(path: Path) -> Scene:
    data, others = np.load(path), np.load(str(path).replace("_inputs", "_fused"))
    peak = float(data["GT"].max())
    truth, target = (tensor(data[key]) / peak for key in ("GT", "MS_LR"))
    sampling = Sampling.toolbox(truth.shape[1] // target.shape[1])
    guide = tensor(data["PAN"][..., None]) / peak
    fused = {name: tensor(others[name]) / peak for name in ("EXP", "GSA", "MTF_GLP_FS")}
    return Scene(truth, target, guide, sampling, "mtf", LANDSAT_GAINS, fused)


def tensor(pixels: NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32))


def laplacian_correlation(first: Tensor, second: Tensor) -> float:
    """Return the mean over bands of the correlation after a 3 x 3 Laplacian.

    This is the SCC of the published curve; pansharpkit's own SCC is the reference toolbox's.
    """
    kernel = torch.full((1, 1, 3, 3), -1.0)
    kernel[..., 1, 1] = 8.0
    one, two = (functional.conv2d(image[:, None], kernel).flatten(1) for image in (first, second))
    one, two = one - one.mean(dim=1, keepdim=True), two - two.mean(dim=1, keepdim=True)
    return float(functional.cosine_similarity(one, two, dim=1).mean())


class Stopwatch:
    """Time on some clock, less the pauses."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._total = 0.0
        self.go_on()

    def stop(self) -> float:
        self._total += self._clock() - self._since
        return self._total

    def go_on(self) -> None:
        self._since = self._clock()


@dataclass
class Curve:
    """Scores at checkpoints, with the time that the optimisation alone took until there.

    Wall time, and the time of all threads of this process, which a busy machine changes less.
    """

    scene: Scene
    marks: frozenset[int]
    published: Mapping[tuple[int, str], Row]
    standard: Standard | None = None
    """Scaling to undo before an image is judged."""
    rows: list[dict[str, object]] = field(default_factory=list)
    wall: Stopwatch = field(default_factory=lambda: Stopwatch(time.perf_counter))
    cpu: Stopwatch = field(default_factory=lambda: Stopwatch(time.process_time))

    def __call__(self, done: int, output: Tensor, average: Tensor) -> None:
        if done not in self.marks:
            return
        images = {"last": output.cpu(), "average": average.cpu()}
        if self.standard is not None:
            images = {name: self.standard.undone(image) for name, image in images.items()}
        pace = {"s_per_iteration": self.wall.stop() / done, "cpu_s": self.cpu.stop()}
        images["average + 10 bp"] = self.scene.back_projected(images["average"])
        for name, image in images.items():
            self.rows.append(
                {"iterations": done, "output": name, **self.scene.scores(image), **pace}
            )
            print(line(done, name, self.rows[-1]), flush=True)
            if theirs := self.published.get((done, name)):
                print(line(done, "  published program", theirs), flush=True)
        self.wall.go_on()
        self.cpu.go_on()


def line(done: int, name: str, row: Mapping[str, object]) -> str:
    formats = ("8.2f", "8.2f", "8.2f", "8.3f", "8.3f", "8.3f")
    cells = (
        f"{row[key]:{form}}" if row.get(key) is not None else f"{'–':>8}"
        for key, form in zip(COLUMNS, formats, strict=True)
    )
    pace = f"{row['s_per_iteration']:9.3f}{row['cpu_s']:9.1f}" if "cpu_s" in row else ""
    return f"{done:>6}  {name:<20}{''.join(cells)}{pace}"


def machine(device: str) -> dict[str, object]:
    info = Path("/proc/cpuinfo")
    models = (
        [x for x in info.read_text().splitlines() if "model name" in x] if info.exists() else []
    )
    return {
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else "cpu",
        "cpu": models[0].partition(":")[2].strip() if models else platform.processor(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pair", type=Path)
    parser.add_argument("--crop", type=int, help="side of the upper left part that is used")
    parser.add_argument("--iterations", type=int, default=900)
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--ema", type=float, default=0.98)
    parser.add_argument("--standardise", action="store_true", help="scale bands by the scene first")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, help="write everything here as well")
    return parser.parse_args()


def main() -> None:
    args = parse()
    if args.threads:
        torch.set_num_threads(args.threads)
    scene = (landsat_fixture if args.pair.suffix == ".npz" else authors_scene)(args.pair)
    if args.crop:
        scene = scene.cropped(args.crop)
    device = resolve_device(args.device)
    options = GddOptions(
        preset="reference",
        iterations=args.iterations,
        channels=args.channels,
        ema=args.ema,
        mu=PUBLISHED_MU,
        degradation=scene.degradation,
        standardise=args.standardise,
    )
    header = {"machine": machine(device), "seed": args.seed, "options": asdict(options)}
    print(json.dumps(header, indent=1))
    print(f"{'iter':>6}  {'output':<20}{''.join(f'{c[:7]:>8}' for c in COLUMNS)}   s/iter    CPU s")
    images = {"bicubic": scene.enlarged(scene.target), **scene.others}
    beside = {name: scene.scores(image) for name, image in images.items()}
    for name, scores in beside.items():
        print(line(0, name, scores))
    published = {} if scene.others else PUBLISHED
    known = {done for done, _ in published}
    marks = {*range(100, args.iterations, 100), *known, args.iterations}
    context = Context(args.seed, device)
    observation = scene.observation
    standard = Standard.of([observation], context) if args.standardise else None
    curve = Curve(scene, frozenset(marks), published, standard)
    sharpen(standard.applied(observation) if standard else observation, options, context, curve)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MiB")
    if args.json:
        others = [{"output": name, **scores} for name, scores in beside.items()]
        figures = {**header, "peak_mib": peak, "others": others, "rows": curve.rows}
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
