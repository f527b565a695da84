"""How well SRF and PSF are estimated from a pair alone, where the truth is known.

    python benchmarks/hs_blind.py DATA [--methods filters ridge cycfusion] [--steps 10000]
    python benchmarks/hs_blind.py DATA --degradation block --out blind

DATA and the pairs are those of hs_scenes.py: three real cubes, two presets as guides, ratios 4 and
8, without noise and with 35 dB in both images, blurred by the Gaussian of the cube's MTF (or by the
mean over blocks, as in the papers). Prints Markdown; `--out NAME` writes NAME.md and NAME.json too.

SRF cosine: between true and estimated weights of a guide band; least and median over the bands.
SRF error %: what the estimated weights make of the true fine cube, less the guide without noise,
root mean square, beside the guide; worst and median band. This, not the cosine, reaches a fusion.
PSF centre: distance of its centroid from the truth, guide pixels. PSF width %: of its standard
deviation, the mean of both axes. CPU s: of this process.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from hs_scenes import CUBES, NOISES, RATIOS, HsScene, scenes

from pansharpkit.physics import sigma_of_gain
from pansharpkit.physics.blind import BLIND_METHODS, BlindMethod, estimate_model, width_of
from pansharpkit.physics.blind_gradient import STEPS, Descent

COSINE, CENTRE_PX = 0.99, 0.1
"""What counts as found."""


@dataclass(frozen=True)
class Row:
    """One estimate beside the truth."""

    scene: str
    method: str
    noise: float | None
    samples: int
    cosine_least: float
    cosine_median: float
    bands_below: int
    bands: int
    srf_error_worst: float
    srf_error_median: float
    centre_px: float
    width_error: float
    residual: float
    cpu_s: float

    @property
    def found(self) -> bool:
        """Whether every band and the centre of the PSF count as found."""
        return self.cosine_least >= COSINE and self.centre_px <= CENTRE_PX


def judge(scene: HsScene, method: BlindMethod, steps: int) -> Row:
    """Estimate blindly and compare."""
    started = time.process_time()
    found = estimate_model(
        [scene.blind()], scene.centres_nm, scene.fwhm_nm, method=method, descent=Descent(steps)
    )
    cpu = time.process_time() - started
    rows, truth = np.array(found.model.srf), np.array(scene.model.srf)
    cube = scene.truth.double().flatten(1).numpy()
    norms = np.linalg.norm(rows, axis=1) * np.linalg.norm(truth, axis=1)
    cosine = (rows * truth).sum(axis=1) / norms
    off = np.linalg.norm((rows - truth) @ cube, axis=1) / np.linalg.norm(truth @ cube, axis=1)
    return Row(
        scene.name, method, scene.noise, found.samples, float(cosine.min()),
        float(np.median(cosine)), int((cosine < COSINE).sum()), len(rows), 100 * float(off.max()),
        100 * float(np.median(off)), float(np.hypot(*found.centre)),
        100 * (float(np.mean(found.width)) / _true_width(scene) - 1),
        100 * max(found.residual), cpu,
    )  # fmt: skip


def _true_width(scene: HsScene) -> float:
    if scene.model.psf is not None:
        return float(np.mean(width_of(scene.model.psf)))
    return sigma_of_gain(scene.observation.optics.mtf[0], scene.ratio)


def table(rows: list[Row]) -> Iterator[str]:
    """Return the rows as Markdown, and what came of the bar."""
    yield (
        "| pair | method | SRF cosine least / median | bands < .99 | SRF error % worst / median "
        "| PSF centre px | PSF width % | missed % | CPU s |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in rows:
        yield (
            f"| {row.scene} | {row.method} | {row.cosine_least:.3f} / {row.cosine_median:.3f} "
            f"| {row.bands_below} of {row.bands} "
            f"| {row.srf_error_worst:.3f} / {row.srf_error_median:.3f} | {row.centre_px:.3f} "
            f"| {row.width_error:+.1f} | {row.residual:.3f} | {row.cpu_s:.1f} |"
        )
    yield ""
    for method in dict.fromkeys(row.method for row in rows):
        for noisy in (False, True):
            group = [r for r in rows if r.method == method and (r.noise is not None) == noisy]
            if group:
                yield _summary(method, noisy, group)


def _summary(method: str, noisy: bool, group: list[Row]) -> str:
    below, bands = sum(r.bands_below for r in group), sum(r.bands for r in group)
    centre = sum(r.centre_px <= CENTRE_PX for r in group)
    return (
        f"- {method}, {'with' if noisy else 'without'} noise: SRF cosine >= {COSINE} in "
        f"{bands - below} of {bands} bands, all of a pair in "
        f"{sum(r.cosine_least >= COSINE for r in group)} of {len(group)}; PSF centre within "
        f"{CENTRE_PX} px in {centre} of {len(group)}; median SRF error "
        f"{np.median([r.srf_error_median for r in group]):.3f} %"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--methods", nargs="+", choices=BLIND_METHODS, default=BLIND_METHODS)
    parser.add_argument("--cubes", nargs="+", choices=CUBES, default=list(CUBES))
    parser.add_argument("--ratios", nargs="+", type=int, default=RATIOS)
    parser.add_argument("--quiet", action="store_true", help="only pairs without noise")
    parser.add_argument("--degradation", choices=("gaussian", "block"), default="gaussian")
    parser.add_argument("--steps", type=int, default=STEPS, help="of cycfusion")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    rows = [
        judge(scene, method, asked.steps)
        for scene in scenes(
            asked.data, cubes=asked.cubes, ratios=asked.ratios,
            noises=(None,) if asked.quiet else NOISES, degradation=asked.degradation,
        )
        for method in asked.methods
    ]  # fmt: skip
    text = "\n".join(table(rows))
    print(text)
    if asked.out is not None:
        asked.out.with_suffix(".md").write_text(text + "\n")
        asked.out.with_suffix(".json").write_text(json.dumps([asdict(r) for r in rows], indent=1))


if __name__ == "__main__":
    main()
