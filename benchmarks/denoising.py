"""Denoising beside a real guide band: quality and cost against known noise.

    python benchmarks/denoising.py DATA [--crop 128] [--sigmas 10 25 50] [--out denoising]
    python benchmarks/denoising.py DATA --methods joint-bilateral gdd-denoise:iterations=300
    python benchmarks/denoising.py DATA --flash PICTURE.png

DATA holds the folders named in `SCENES`. A clean band is scaled so that its 99.5th percentile is
255, white normal noise of standard deviation σ is added, and another band of the same raster, as
it is, guides. PSNR (peak 255) and SSIM are against the clean band. The joint bilateral filter is
given the best of a grid of its two widths for each scene and σ, chosen by the clean band itself;
the others run with their defaults. ``--flash`` remakes the no-flash picture of DATA/gdd_official
under the guidance of the one with flash, and draws a crop of both and of the result.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import torch
from hs_quality import Entrant
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.metrics.reference import psnr_db, ssim
from pansharpkit.physics import Observation, Optics
from pansharpkit.sampling import Sampling

SCENES = (
    ("Landsat 8, red by green", "landsat8_pamplona_demo/LC08_20150630_pamplona_MS_30m.tif", 3, 2),
    ("Landsat 8, NIR by red", "landsat8_pamplona_demo/LC08_20150630_pamplona_MS_30m.tif", 4, 3),
    ("VHR, red by green", "vhr_zhengzhou_4band/ms.tif", 3, 2),
    ("VHR, NIR by red", "vhr_zhengzhou_4band/ms.tif", 4, 3),
)
"""Name, raster, and the numbers of the noisy and of the guiding band, from 1."""
METHODS = ("joint-bilateral", "gdd-denoise", "dip", "deep-decoder")
SPATIAL = (0.7, 1.0, 1.5, 2.0, 3.0, 5.0)
TONAL = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 2.0)
PEAK = 255.0
_TOP = 99.5


@dataclass(frozen=True)
class Row:
    """One method on one scene at one noise level."""

    scene: str
    sigma: float
    method: str
    psnr: float
    ssim: float
    cpu_s: float
    note: str = ""


def clean_pair(path: Path, band: int, guide: int, crop: int) -> tuple[Tensor, Tensor]:
    """Return the clean band and its guide, [1, h, w] each, from the middle of the raster."""
    with rasterio.open(path) as raster:
        side = (min(crop, raster.height), min(crop, raster.width))
        row, col = ((n - s) // 2 for n, s in zip(raster.shape, side, strict=True))
        window = rasterio.windows.Window(col, row, side[1], side[0])
        values = raster.read([band, guide], window=window).astype(np.float32)
    top = np.percentile(values, _TOP, axis=(1, 2), keepdims=True)
    scaled = torch.from_numpy(values * (PEAK / top))
    return scaled[:1], scaled[1:]


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


def rows(data: Path, crop: int, sigmas: Sequence[float], methods: Sequence[str]) -> Iterator[Row]:
    """Yield the figures as they come."""
    for (scene, path, band, guide), sigma in itertools.product(SCENES, sigmas):
        clean, beside = clean_pair(data / path, band, guide, crop)
        draws = torch.Generator().manual_seed(round(sigma))
        noisy = clean + sigma * torch.randn(clean.shape, generator=draws)
        seen = observation(noisy, beside)
        yield judged(scene, sigma, "noisy", clean, noisy)
        for text in methods:
            entrant = Entrant.parse(text)
            if text == "joint-bilateral":
                entrant = tuned(seen, clean)
            image, seconds = run(entrant, seen)
            yield judged(scene, sigma, entrant.label, clean, image, seconds)


def judged(
    scene: str, sigma: float, label: str, clean: Tensor, image: Tensor, seconds: float = 0.0
) -> Row:
    """Return the row of one image."""
    name, _, note = label.partition(":")
    quality = psnr_db(clean, image, peak=PEAK), ssim(clean, image, peak=PEAK)
    return Row(scene, sigma, name, quality[0] or 0.0, quality[1] or 0.0, seconds, note)


def table(found: Sequence[Row]) -> str:
    """Return Markdown: PSNR / SSIM by scene and σ, one column for each method."""
    names = list(dict.fromkeys(row.method for row in found))
    lines = ["| scene | σ | " + " | ".join(names) + " |", "|---|---:|" + "---|" * len(names)]
    for key in dict.fromkeys((row.scene, row.sigma) for row in found):
        cells = {r.method: f"{r.psnr:.2f} / {r.ssim:.3f}" for r in found
                 if (r.scene, r.sigma) == key}  # fmt: skip
        lines.append(
            f"| {key[0]} | {key[1]:g} | " + " | ".join(cells.get(n, "") for n in names) + " |"
        )
    seconds = {n: [r.cpu_s for r in found if r.method == n] for n in names}
    cells = [f"{sum(values) / len(values):.1f}" for values in seconds.values()]
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
    parser.add_argument("--iterations", default="250", help="of the flash / no-flash pair")
    given = parser.parse_args(arguments)
    if given.flash:
        text = flash(
            given.data, given.flash, given.crop, {"iterations": given.iterations, "shared": "0"}
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
