"""How well the uncertainty of learned images tells where they are wrong, at reduced resolution.

    python benchmarks/uncertainty.py DATA [--cases S2/scenenet S3/gdd jasper/scenenet-hs]
    python benchmarks/uncertainty.py DATA --candidates --members 8
    python benchmarks/uncertainty.py DATA --figure docs/assets/uncertainty.svg

DATA is the folder of quality_scenes.py and hs_scenes.py. Pairs are degraded with the sensor's MTF,
which the method is told, so that the delivered MS is the truth. The error is that of the image of
the first seed; the uncertainty is what `fuse --uncertainty` writes beside it. Printed are

- rank and linear correlation of the two over pixels, and the rank correlation of means over 8 x 8
  pixels, averaged over the bands; the rank correlation over the pixels of all bands at once;
- the RMS error over the RMS uncertainty, the share of pixels with an error of at most twice the
  uncertainty, and the mean error of the least and of the most uncertain tenth, over that of all;
- the same for the local contrast of PAN, which costs nothing, and what the mean of all members
  gains.

`--candidates` compares other ways: fewer or more seeds, other averaging over neighbours, the
outputs of late iterations (GDD), eight turns of the input (scenenet).

With `--keep`, images are kept in a folder and used again. Networks run on one thread.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import hs_scenes
import matplotlib as mpl
import numpy as np
import torch
from gdd_curve import machine
from matplotlib.figure import Figure
from numpy.typing import NDArray
from quality_scenes import load
from scipy.stats import rankdata
from torch import Tensor
from torch.nn.functional import avg_pool2d

from pansharpkit.methods import create
from pansharpkit.methods.base import Context
from pansharpkit.methods.gdd.method import GddOptions, sharpen
from pansharpkit.methods.networks.ensemble import MEMBERS, REACH, deviation, of_member
from pansharpkit.methods.scenenet.method import FittedScenenet
from pansharpkit.physics import Observation, Optics, degrade
from pansharpkit.sampling import Sampling

CASES = (
    "S1/scenenet", "S2/scenenet", "S3/scenenet", "S6/scenenet", "S2/gdd", "S3/gdd",
    "jasper/scenenet-hs",
)  # fmt: skip
SIDES: Mapping[str, int] = {"scenenet": 256, "gdd": 128}
"""Pixels along the side of the central part that is used, at most; of cubes, all are."""
EDGE = 8
"""Pixels along the border that do not count."""
BLOCK = 8
OPTIONS: Mapping[str, Mapping[str, object]] = {"gdd": {"degradation": "mtf"}}

Image = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A pair at reduced resolution, its truth, and the images of a method from several seeds."""

    name: str
    method: str
    observation: Observation
    truth: Tensor
    """[C, H, W]."""


def case(text: str, folder: Path) -> Case:
    """Return a case by its name, ``SCENE/METHOD``."""
    scene, _, method = text.partition("/")
    if scene in hs_scenes.CUBES:
        cube = hs_scenes.load_cube(scene, folder)
        pair = hs_scenes.simulate(cube, 4, "worldview2", 35.0, dtype=torch.float32)
        return Case(scene, method, pair.observation, pair.truth)
    truth = load(scene, folder).truth
    side = SIDES.get(method, min(SIDES.values())) // truth.ratio * truth.ratio
    starts = [max(0, (n - side) // 2) for n in truth.bands.shape[1:]]
    rows, cols = (slice(start, start + side) for start in starts)
    whole = [n // truth.ratio * truth.ratio for n in truth.bands[:, rows, cols].shape[1:]]
    peak = float(truth.bands.max())
    bands, guide = (
        (x[:, rows, cols][:, : whole[0], : whole[1]] / peak).float()
        for x in (truth.bands, truth.guide)
    )
    sampling = Sampling.edge_aligned(truth.ratio)
    size = (whole[0] // truth.ratio, whole[1] // truth.ratio)
    target = degrade(bands, sampling, size, truth.sensor.mtf, border="symmetric")
    optics = Optics(truth.sensor.mtf, truth.sensor.pan_mtf, sharp_as="target")
    return Case(scene, method, Observation.whole(target, guide, sampling, optics), bands)


class Kept:
    """Images that were made before, in a folder or nowhere."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def image(self, one: Case, member: int, seed: int) -> tuple[Tensor, float]:
        """Return the image of a member, and the CPU seconds that it took."""
        path = self._folder and self._folder / f"{one.name}-{one.method}-{seed}-{member}.npz"
        if path and path.exists():
            stored = np.load(path)
            return torch.from_numpy(stored["image"]), float(stored["seconds"])
        context = of_member(Context(seed), member)
        started = time.process_time()
        fitted = create(one.method, OPTIONS.get(one.method)).fit([one.observation], context)
        (image,) = fitted.apply([one.observation], context)
        seconds = time.process_time() - started
        if path:
            np.savez(path, image=image.numpy(), seconds=seconds)
        return image, seconds


def spread(images: Sequence[Tensor], reach: int = REACH) -> Tensor:
    """Return what `fuse --uncertainty` would write, [C, H, W]."""
    square = sum(((other - images[0]).square() for other in images[1:]), torch.zeros(()))
    mask = torch.ones(images[0].shape[1:], dtype=torch.bool)
    return deviation(square / (2 * (len(images) - 1)), mask, reach)


def contrast(one: Case, reach: int = REACH) -> Tensor:
    """Return the local standard deviation of the guide, the same for every band."""
    mask = torch.ones(one.observation.size, dtype=torch.bool)
    guide = one.observation.guide.mean(dim=0, keepdim=True)
    local = avg_pool2d(guide, 2 * reach + 1, 1, reach, count_include_pad=False)
    return deviation((guide - local).square(), mask, reach).expand(len(one.truth), -1, -1)


@dataclass(frozen=True)
class Agreement:
    """How an uncertainty agrees with the errors."""

    rank: float
    linear: float
    block_rank: float
    """Rank correlation of means over blocks."""
    all_rank: float
    """Rank correlation over the pixels of all bands at once."""
    factor: float
    """RMS error over RMS uncertainty."""
    within: float
    """Share of pixels with an error of at most twice the uncertainty."""
    deciles: tuple[float, ...]
    """Mean error where the uncertainty is lowest, ..., highest, over the mean error."""

    def line(self) -> str:
        return (
            f"{self.rank:7.2f}{self.linear:8.2f}{self.block_rank:8.2f}{self.all_rank:8.2f}"
            f"{self.factor:8.1f}"
            f"{self.within:8.0%}   {self.deciles[0]:.2f} .. {self.deciles[-1]:.2f}"
        )


def agreement(error: Image, found: Image) -> Agreement:
    """Compare [C, H, W] absolute errors with an uncertainty, band by band."""
    rows = [_of_band(e, s) for e, s in zip(error, found, strict=True)]
    rank, linear, block_rank, factor, within = np.mean([row[:5] for row in rows], axis=0).tolist()
    deciles = np.mean([row[5] for row in rows], axis=0).tolist()
    all_rank = _correlation(rankdata(error), rankdata(found))
    return Agreement(rank, linear, block_rank, all_rank, factor, within, tuple(deciles))


def _of_band(error: Image, found: Image) -> tuple[float, float, float, float, float, Image]:
    e, s = error.ravel(), found.ravel()
    parts = np.array_split(e[np.argsort(s, kind="stable")], 10)
    factor = np.sqrt(np.mean(e**2) / max(np.mean(s**2), 1e-30))
    return (
        _correlation(rankdata(e), rankdata(s)),
        _correlation(e, s),
        _correlation(rankdata(_blocks(error)), rankdata(_blocks(found))),
        float(factor),
        float(np.mean(e <= 2 * s)),
        np.array([part.mean() for part in parts]) / e.mean(),
    )


def _correlation(a: Image, b: Image) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else 0.0


def _blocks(image: Image) -> Image:
    rows, cols = (n // BLOCK for n in image.shape)
    whole = image[: rows * BLOCK, : cols * BLOCK].reshape(rows, BLOCK, cols, BLOCK)
    return np.asarray(whole.mean(axis=(1, 3)).ravel())


def inner(image: Tensor) -> Image:
    return image[:, EDGE:-EDGE, EDGE:-EDGE].double().numpy()


def psnr_gain(one: Case, images: Sequence[Tensor]) -> float:
    """Return by how many dB the mean of the images is better than the first."""
    mean = torch.stack(list(images)).mean(dim=0)
    wrong = [float(np.mean(inner(x - one.truth) ** 2)) for x in (images[0], mean)]
    return 10 * float(np.log10(wrong[0] / wrong[1]))


def candidates(one: Case, images: Sequence[Tensor], seed: int) -> Iterator[tuple[str, Tensor]]:
    """Yield other measures of uncertainty, by name."""
    for count in (2, 4, 8):
        if count <= len(images):
            for reach in (0, 1, 2, 4):
                yield f"{count} seeds, averaged over {2 * reach + 1}", spread(images[:count], reach)
    yield "contrast of PAN", contrast(one)
    if one.method == "gdd":
        yield from _late(one, seed)
    if one.method == "scenenet":
        yield from _turned(one, seed)


def _late(one: Case, seed: int) -> Iterator[tuple[str, Tensor]]:
    """Yield the deviation of the outputs of the last half of the iterations, and of a quarter."""
    outputs: list[Tensor] = []
    chosen = GddOptions(**OPTIONS["gdd"]).resolved  # type: ignore[arg-type]
    fitted = create("gdd", OPTIONS["gdd"]).fit([one.observation], Context(seed))
    standard = fitted.standard  # type: ignore[attr-defined]
    sharpen(
        standard.applied(one.observation),
        fitted.options,  # type: ignore[attr-defined]
        Context(seed),
        watch=lambda done, output, average: outputs.append(output.cpu()),
    )
    whole = chosen.shared + chosen.iterations
    for share in (2, 4):
        late = torch.stack(outputs[-whole // share :])
        scale = standard.target.deviation.to(late)
        variance = late.var(dim=0) * scale**2
        mask = torch.ones(one.observation.size, dtype=torch.bool)
        for reach in (0, REACH):
            name = f"last {len(late)} outputs, averaged over {2 * reach + 1}"
            yield name, deviation(variance, mask, reach)


def _turned(one: Case, seed: int) -> Iterator[tuple[str, Tensor]]:
    """Yield the deviation of what one network makes of its input turned in eight ways."""
    fitted = create("scenenet").fit([one.observation], Context(seed))
    assert isinstance(fitted, FittedScenenet)
    features = fitted.based.features(one.observation)
    inputs = features.standardised(fitted.standard)[None].float()
    made = []
    for way in range(8):
        turned = _turn(inputs, way)
        with torch.no_grad():
            made.append(_turn_back(fitted.trained.net(turned.contiguous()), way)[0])
    scale = fitted.standard.target.deviation.to(made[0])
    variance = torch.stack(made).var(dim=0) * scale**2
    mask = torch.ones(one.observation.size, dtype=torch.bool)
    for reach in (0, REACH):
        yield f"8 turns, averaged over {2 * reach + 1}", deviation(variance, mask, reach)


def _turn(x: Tensor, way: int) -> Tensor:
    x = x.flip(-1) if way & 1 else x
    x = x.flip(-2) if way & 2 else x
    return x.transpose(-1, -2) if way & 4 else x


def _turn_back(x: Tensor, way: int) -> Tensor:
    x = x.transpose(-1, -2) if way & 4 else x
    x = x.flip(-2) if way & 2 else x
    return x.flip(-1) if way & 1 else x


def draw(rows: Sequence[Mapping[str, object]], path: Path) -> None:
    """Draw the mean error against the uncertainty's decile."""
    figure = Figure(figsize=(7.2, 3.6), layout="constrained")
    axes = figure.add_subplot()
    places = np.arange(1, 11)
    for row in rows:
        found = row["uncertainty"]
        assert isinstance(found, Agreement)
        axes.plot(places, found.deciles, marker="o", ms=3, lw=1.2, label=str(row["case"]))
    axes.axhline(1, color="0.6", lw=0.8, ls=":")
    axes.set_xticks(places)
    axes.set_xlabel("tenth of the pixels, from the least to the most uncertain")
    axes.set_ylabel("mean error / mean of all")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    path.parent.mkdir(parents=True, exist_ok=True)
    style = {"svg.hashsalt": "pansharpkit", "svg.fonttype": "none"}
    with mpl.rc_context(style):
        figure.savefig(path, metadata={"Date": None})


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--cases", nargs="+", default=list(CASES), metavar="SCENE/METHOD")
    parser.add_argument("--members", type=int, default=MEMBERS)
    parser.add_argument("--candidates", action="store_true")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


HEAD = f"{'rank':>7}{'linear':>8}{'8 x 8':>8}{'bands':>8}{'factor':>8}{'within':>8}   deciles"


def main() -> None:
    args = parse()
    torch.set_num_threads(1)
    kept = Kept(args.keep)
    print(json.dumps(machine("cpu"), indent=1))
    print(f"seed {args.seed}, {args.members} members\n{'':<44}{HEAD}")
    rows: list[dict[str, object]] = []
    for text in args.cases:
        one = case(text, args.data)
        made = [kept.image(one, member, args.seed) for member in range(args.members)]
        images = [image for image, _ in made]
        error = np.abs(inner(images[0] - one.truth))
        found = agreement(error, inner(spread(images)))
        plain = agreement(error, inner(contrast(one)))
        gain, seconds = psnr_gain(one, images), sum(cost for _, cost in made)
        print(f"{text:<30}{'uncertainty':<14}{found.line()}", flush=True)
        print(f"{'':<30}{'contrast':<14}{plain.line()}")
        print(f"{'':<30}mean of all {gain:+.2f} dB, {seconds:.0f} CPU s, one {made[0][1]:.0f}")
        rows.append({"case": text, "uncertainty": found, "contrast": plain, "gain_db": gain,
                     "cpu_s": seconds, "one_cpu_s": made[0][1]})  # fmt: skip
        ways = candidates(one, images, args.seed) if args.candidates else ()
        others = {name: agreement(error, inner(tried)) for name, tried in ways}
        for name, other in others.items():
            print(f"  {name:<42}{other.line()}", flush=True)
        rows[-1]["candidates"] = others
    if args.figure:
        draw(rows, args.figure)
    if args.json:
        told = {"machine": machine("cpu"), "seed": args.seed, "members": args.members, "rows": rows}
        args.json.write_text(json.dumps(told, indent=1, default=vars) + "\n")


if __name__ == "__main__":
    main()
