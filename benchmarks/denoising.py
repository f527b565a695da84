"""Denoising beside a real guide band: quality and cost against known noise.

    python benchmarks/denoising.py DATA [--crop 128] [--sigmas 10 25 50] [--out denoising]
    python benchmarks/denoising.py DATA --methods oracle gdd-denoise:iterations=300 dip
    python benchmarks/denoising.py DATA --flash PICTURE.png

DATA holds the folders named in `SCENES`: those the method was tuned on, and those that judge it.
A clean band is scaled so that its 99.5th percentile is 255, white normal noise of standard
deviation σ is added, and another band of the same place, as it is, guides. PSNR (peak 255) and SSIM
are against the clean band. All methods run with their defaults and know neither σ nor the clean
band, but the ``oracle``: the joint bilateral filter with the best of a grid of its two widths for
each scene and σ, chosen by the clean band, which nobody has. ``guided`` is what `gdd-denoise`
starts from, alone.
``--flash`` remakes the no-flash picture of DATA/gdd_official, with the published network and loss,
under the guidance of the one with flash, and draws a crop of both and of the result.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Literal

import numpy as np
import rasterio
import torch
from hs_quality import Entrant
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.networks.standard import Standard
from pansharpkit.methods.same.guided_filter import guided
from pansharpkit.methods.same.noise_level import noise_level
from pansharpkit.metrics.reference import psnr_db, ssim
from pansharpkit.physics import Observation, Optics
from pansharpkit.sampling import Sampling

PAMPLONA = "landsat8_pamplona_demo/LC08_20150630_pamplona_MS_30m.tif"
ALABAMA = "landsat8_alabama_mini/LC80200392015216LGN00_B{}.TIF"
ZHENGZHOU = "vhr_zhengzhou_4band/ms.tif"
ROTTERDAM = "sn6_rotterdam_wv2/tile1_ms_2m.tif"


@dataclass(frozen=True)
class Scene:
    """A band to be made noisy, and the one that guides."""

    name: str
    role: Literal["tuning", "judging"]
    clean: tuple[str, int]
    """Raster and number of its band, from 1."""
    guide: tuple[str, int]


SCENES = (
    Scene("Landsat 8 Pamplona, red by green", "tuning", (PAMPLONA, 3), (PAMPLONA, 2)),
    Scene("Landsat 8 Pamplona, NIR by red", "tuning", (PAMPLONA, 4), (PAMPLONA, 3)),
    Scene("VHR Zhengzhou, red by green", "tuning", (ZHENGZHOU, 3), (ZHENGZHOU, 2)),
    Scene("VHR Zhengzhou, NIR by red", "tuning", (ZHENGZHOU, 4), (ZHENGZHOU, 3)),
    Scene(
        "Landsat 8 Alabama, red by green", "judging", (ALABAMA.format(4), 1), (ALABAMA.format(3), 1)
    ),
    Scene(
        "Landsat 8 Alabama, NIR by red", "judging", (ALABAMA.format(5), 1), (ALABAMA.format(4), 1)
    ),
    Scene(
        "Landsat 8 Alabama, SWIR by NIR", "judging", (ALABAMA.format(6), 1), (ALABAMA.format(5), 1)
    ),
    Scene("VHR Rotterdam, red by green", "judging", (ROTTERDAM, 3), (ROTTERDAM, 2)),
    Scene("VHR Rotterdam, NIR by red", "judging", (ROTTERDAM, 4), (ROTTERDAM, 3)),
    Scene("VHR Rotterdam, blue by NIR", "judging", (ROTTERDAM, 1), (ROTTERDAM, 4)),
)
METHODS = ("joint-bilateral", "oracle", "guided", "gdd-denoise")
SPATIAL = (0.7, 1.0, 1.5, 2.0, 3.0, 5.0)
TONAL = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 2.0)
PEAK = 255.0
_TOP = 99.5


@dataclass(frozen=True)
class Row:
    """One method on one scene at one noise level."""

    scene: Scene
    sigma: float
    method: str
    psnr: float
    ssim: float
    cpu_s: float
    note: str = ""


def middle(data: Path, place: tuple[str, int], crop: int) -> Tensor:
    """Return a band from the middle of a raster, [1, h, w], scaled."""
    with rasterio.open(data / place[0]) as raster:
        side = (min(crop, raster.height), min(crop, raster.width))
        row, col = ((n - s) // 2 for n, s in zip(raster.shape, side, strict=True))
        window = rasterio.windows.Window(col, row, side[1], side[0])
        values = raster.read(place[1], window=window).astype(np.float32)
    return torch.from_numpy(values * (PEAK / np.percentile(values, _TOP)))[None]


def observation(noisy: Tensor, guide: Tensor) -> Observation:
    """Return what a method sees, in the working range."""
    same = Sampling((1.0, 1.0), (0.0, 0.0))
    optics = Optics((0.3,) * len(noisy), 0.15)
    return Observation.whole(noisy / PEAK, guide / PEAK, same, optics)


def tuned(seen: Observation, clean: Tensor) -> Entrant:
    """Return the joint bilateral filter with the widths that suit the clean band best."""

    def quality(entrant: Entrant) -> float:
        return psnr_db(clean, run(entrant, seen)[0], peak=PEAK) or 0.0

    grid = [
        Entrant(f"joint-bilateral:spatial={s:g},tonal={t:g}", "joint-bilateral",
                {"spatial": str(s), "tonal": str(t)})
        for s, t in itertools.product(SPATIAL, TONAL)
    ]  # fmt: skip
    return max(grid, key=quality)


def run(entrant: Entrant, seen: Observation) -> tuple[Tensor, float]:
    """Return the restored image in 0..255, and the CPU seconds that it took."""
    context = Context()
    started = time.process_time()
    image = entrant.method().fit([seen], context).apply([seen], context)[0]
    return PEAK * image, time.process_time() - started


def alone(seen: Observation) -> tuple[Tensor, float]:
    """Return what the guided filter of `gdd-denoise` makes, and the CPU seconds."""
    started = time.process_time()
    standard = Standard.of([seen], Context())
    noise = noise_level([seen], Context()) / standard.target.deviation.flatten()
    here = standard.applied(seen)
    made = guided(here.target, here.guide, here.target_mask, noise)
    return PEAK * standard.undone(made), time.process_time() - started


def rows(data: Path, crop: int, sigmas: Sequence[float], methods: Sequence[str]) -> Iterator[Row]:
    """Yield the figures as they come."""
    for scene, sigma in itertools.product(SCENES, sigmas):
        clean, beside = (middle(data, place, crop) for place in (scene.clean, scene.guide))
        draws = torch.Generator().manual_seed(round(sigma))
        noisy = clean + sigma * torch.randn(clean.shape, generator=draws)
        seen = observation(noisy, beside)
        yield judged(scene, sigma, "noisy", clean, noisy)
        for text in methods:
            label, made = text, alone
            if text != "guided":
                entrant = tuned(seen, clean) if text == "oracle" else Entrant.parse(text)
                label, made = f"{text}:{entrant.label}", partial(run, entrant)
            image, seconds = made(seen)
            yield judged(scene, sigma, label, clean, image, seconds)


def judged(
    scene: Scene, sigma: float, label: str, clean: Tensor, image: Tensor, seconds: float = 0.0
) -> Row:
    """Return the row of one image."""
    name, _, note = label.partition(":")
    quality = psnr_db(clean, image, peak=PEAK), ssim(clean, image, peak=PEAK)
    return Row(scene, sigma, name, quality[0] or 0.0, quality[1] or 0.0, seconds, note)


def table(found: Sequence[Row]) -> str:
    """Return Markdown: PSNR / SSIM by scene and σ, a column for each method, and their means."""
    names = list(dict.fromkeys(row.method for row in found))
    lines = ["| scene | σ | " + " | ".join(names) + " |", "|---|---:|" + "---|" * len(names)]

    def add(title: str, chosen: Sequence[Row]) -> None:
        cells = []
        for name in names:
            mine = [row for row in chosen if row.method == name]
            psnr, alike = (fmean(getattr(row, key) for row in mine) for key in ("psnr", "ssim"))
            cells.append(f"{psnr:.2f} / {alike:.3f}")
        lines.append(f"| {title} | " + " | ".join(cells) + " |")

    for scene, sigma in dict.fromkeys((row.scene, row.sigma) for row in found):
        add(f"{scene.name} | {sigma:g}", [r for r in found if (r.scene, r.sigma) == (scene, sigma)])
    for role in dict.fromkeys(row.scene.role for row in found):
        add(f"**mean, {role}** | ", [r for r in found if r.scene.role == role])
    cells = [f"{fmean(r.cpu_s for r in found if r.method == name):.1f}" for name in names]
    return "\n".join([*lines, "| CPU s, mean | | " + " | ".join(cells) + " |"])


def flash(data: Path, picture: Path, crop: int, options: dict[str, str]) -> str:
    """Remake the no-flash picture, draw crops side by side, and say how noisy each is."""
    images = []
    for name in ("im_noflash.jpg", "im_flash.jpg"):
        with rasterio.open(data / "gdd_official" / name) as raster:
            images.append(torch.from_numpy(raster.read().astype(np.float32)))
    noisy, lit = (_middle(image, crop) for image in images)
    made, seconds = run(Entrant("gdd-denoise", "gdd-denoise", options), observation(noisy, lit))
    strip = torch.cat([noisy, lit, made.clamp(0, PEAK)], dim=2).round().to(torch.uint8).numpy()
    profile = {"driver": "PNG", "width": strip.shape[2], "height": strip.shape[1], "count": 3,
               "dtype": "uint8"}  # fmt: skip
    with rasterio.open(picture, "w", **profile) as raster:
        raster.write(strip)
    levels = [_roughness(image) for image in (noisy, lit, made)]
    return (
        f"finest diagonal detail, of 255: no flash {levels[0]:.2f}, flash {levels[1]:.2f}, "
        f"restored {levels[2]:.2f}; {seconds:.0f} CPU s"
    )


def _middle(image: Tensor, crop: int) -> Tensor:
    row, col = ((n - min(n, crop)) // 2 for n in image.shape[1:])
    return image[:, row : row + crop, col : col + crop]


def _roughness(image: Tensor) -> float:
    return float(image.diff(dim=1).diff(dim=2).abs().median() / 2 / 0.6745)


def main(arguments: Sequence[str]) -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--crop", type=int, default=128, help="pixels along a side")
    parser.add_argument("--sigmas", type=float, nargs="+", default=[10.0, 25.0, 50.0])
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--out", type=Path, help="write the table to this file, too")
    parser.add_argument("--flash", type=Path, help="draw the flash / no-flash pair instead")
    parser.add_argument("--iterations", default="300", help="of the flash / no-flash pair")
    given = parser.parse_args(arguments)
    if given.flash:
        text = flash(
            given.data,
            given.flash,
            given.crop,
            {"preset": "published", "iterations": given.iterations},
        )
        sys.stdout.write(text + "\n")
        return 0
    found = []
    for row in rows(given.data, given.crop, given.sigmas, given.methods):
        sys.stderr.write(f"{row}\n")
        found.append(row)
    text = table(found) + "\n"
    sys.stdout.write(text)
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
