"""Quality of the Guided Deep Decoder against iterations, beside the published program's curve.

    python benchmarks/gdd_curve.py pan_im4.mat [--iterations 900] [--channels 64] [--json OUT.json]

The file is the one that the authors distribute: an 8-band ground truth of 184 x 216 pixels, its
bicubic reduction by 4 with symmetric borders, and PAN. The figures of the published program come
from one run of it on two CPU cores; they are constants here because its code is not ours to run.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import scipy.io
import torch
from torch import Tensor
from torch.nn import functional

from pansharpkit.engine import resolve_device
from pansharpkit.methods.base import Context
from pansharpkit.methods.gdd import GddOptions, sharpen
from pansharpkit.metrics import reference as indices
from pansharpkit.physics import Observation, Optics, decimate, upsample
from pansharpkit.sampling import Sampling

RATIO = 4
SAMPLING = Sampling.edge_aligned(RATIO)
PUBLISHED_MU = 10.0
"""Weight of the data term that the authors use at reduced resolution."""
COLUMNS = ("psnr_db", "sam_deg", "ergas", "q8", "scc_laplacian", "scc")

Row = dict[str, float | None]

PUBLISHED: dict[tuple[int, str], Row] = {
    (400, "last"): dict(zip(COLUMNS, (33.45, 4.8, 3.5, 0.964, 0.82), strict=False)),
    (900, "last"): dict(zip(COLUMNS, (34.69, 4.11, 3.00, 0.972, 0.853), strict=False)),
    (900, "average"): dict(zip(COLUMNS, (35.27, 3.98, 2.82), strict=False)),
    (913, "average + 10 bp"): dict(zip(COLUMNS, (35.70, 3.62, 2.66, 0.978, 0.855), strict=False)),
}


@dataclass(frozen=True)
class Scene:
    truth: Tensor
    target: Tensor
    guide: Tensor

    @classmethod
    def load(cls, path: Path) -> Scene:
        data = scipy.io.loadmat(path)
        truth, target = (
            torch.from_numpy(np.ascontiguousarray(data[key].transpose(2, 0, 1), np.float32))
            for key in ("I_MS_GT", "I_MS_input")
        )
        guide = torch.from_numpy(np.ascontiguousarray(data["I_PAN_input"], np.float32))[None]
        return cls(truth, target, guide)

    @property
    def observation(self) -> Observation:
        bands = len(self.target)
        return Observation.whole(self.target, self.guide, SAMPLING, Optics((0.3,) * bands, 0.15))

    def back_projected(self, image: Tensor, steps: int = 10) -> Tensor:
        small = (self.target.shape[1], self.target.shape[2])
        for _ in range(steps):
            seen = decimate(image, SAMPLING, small, antialias=True, border="symmetric")
            image = image + self.enlarged(self.target - seen)
        return image

    def enlarged(self, coarse: Tensor) -> Tensor:
        size = (self.truth.shape[1], self.truth.shape[2])
        return upsample(coarse, SAMPLING, size, kernel="cubic")

    def scores(self, image: Tensor) -> Row:
        return {
            "psnr_db": indices.psnr_db(self.truth, image, peak=1.0),
            "sam_deg": indices.sam_deg(self.truth, image),
            "ergas": indices.ergas(self.truth, image, ratio=RATIO),
            "q8": indices.q2n(self.truth, image),
            "scc_laplacian": laplacian_correlation(self.truth, image),
            "scc": indices.scc(self.truth, image),
        }


def laplacian_correlation(first: Tensor, second: Tensor) -> float:
    """Return the mean over bands of the correlation after a 3 x 3 Laplacian.

    This is the SCC of the published curve; pansharpkit's own SCC is the reference toolbox's.
    """
    kernel = torch.full((1, 1, 3, 3), -1.0)
    kernel[..., 1, 1] = 8.0
    one, two = (functional.conv2d(image[:, None], kernel).flatten(1) for image in (first, second))
    one, two = one - one.mean(dim=1, keepdim=True), two - two.mean(dim=1, keepdim=True)
    return float(functional.cosine_similarity(one, two, dim=1).mean())


@dataclass
class Curve:
    """Scores at checkpoints, with the time that the optimisation alone took until there."""

    scene: Scene
    marks: frozenset[int]
    rows: list[dict[str, object]] = field(default_factory=list)
    watched: float = 0.0
    started: float = field(default_factory=time.perf_counter)

    def __call__(self, done: int, output: Tensor, average: Tensor) -> None:
        if done not in self.marks:
            return
        images = {"last": output.cpu(), "average": average.cpu()}
        begun = time.perf_counter()
        elapsed = begun - self.started - self.watched
        images["average + 10 bp"] = self.scene.back_projected(images["average"])
        for name, image in images.items():
            row = {"iterations": done, "output": name, "s_per_iteration": elapsed / done}
            self.rows.append({**row, **self.scene.scores(image)})
            print(line(done, name, self.rows[-1]), flush=True)
            if published := PUBLISHED.get((done, name)):
                print(line(done, "  published program", published), flush=True)
        self.watched += time.perf_counter() - begun


def line(done: int, name: str, row: Mapping[str, object]) -> str:
    formats = ("8.2f", "8.2f", "8.2f", "8.3f", "8.3f", "8.3f")
    cells = (
        f"{row[key]:{form}}" if row.get(key) is not None else f"{'–':>8}"
        for key, form in zip(COLUMNS, formats, strict=True)
    )
    pace = row.get("s_per_iteration")
    return f"{done:>6}  {name:<20}{''.join(cells)}" + (f"{pace:9.3f}" if pace else "")


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
    parser.add_argument("mat_file", type=Path)
    parser.add_argument("--iterations", type=int, default=900)
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--ema", type=float, default=0.98)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=Path, help="write everything here as well")
    return parser.parse_args()


def main() -> None:
    args = parse()
    if args.threads:
        torch.set_num_threads(args.threads)
    scene = Scene.load(args.mat_file)
    device = resolve_device(args.device)
    options = GddOptions(
        iterations=args.iterations, channels=args.channels, ema=args.ema, mu=PUBLISHED_MU
    )
    header = {"machine": machine(device), "seed": args.seed, "options": asdict(options)}
    print(json.dumps(header, indent=1))
    print(f"{'iter':>6}  {'output':<20}{''.join(f'{c[:7]:>8}' for c in COLUMNS)}   s/iter")
    print(line(0, "bicubic", scene.scores(scene.enlarged(scene.target))))
    known = {done for done, _ in PUBLISHED}
    marks = {*range(100, args.iterations, 100), *known, args.iterations}
    curve = Curve(scene, frozenset(marks))
    sharpen(scene.observation, options, Context(args.seed, device), curve)
    if args.json:
        args.json.write_text(json.dumps({**header, "rows": curve.rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
