"""Where the tools put the MS: discs of known position, fused on several layouts of the two grids.

    python benchmarks/geometry.py [-m brovey,gsa,...] [--json FILE]

Discs that only the colours show (what one band gains the other loses, PAN sees nothing) lie at
random positions. Their centroids in the difference of two fused bands say where a tool put the MS;
the table gives the mean displacement of all discs and its length, in PAN pixels, and the largest
displacement of a single disc. The landscape behind them is seen by PAN and all bands alike.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import peer_tools
import rasterio
from affine import Affine
from large_scene import command
from measure import run
from numpy.typing import NDArray

FINE = 4
"""Fine pixels along a PAN pixel, on which the ground is drawn."""
SIDE = 600
"""PAN pixels."""
LIMIT = 0.05
"""Displacement that ours may have."""
METHODS = ("exp", "brovey", "gsa", "mtf-glp-fs", "bdsd-pc")
_RADIUS = 14.0  # of the discs, PAN pixels
_MTF = 0.3


@dataclass(frozen=True)
class Layout:
    """How the two grids lie to each other."""

    name: str
    ratio: float
    offset: float
    """From the outer corner of PAN to that of the MS, right and down, in PAN pixels."""


LAYOUTS = (
    Layout("edges shared, ratio 4", 4, 0.0),
    Layout("Landsat: half a PAN pixel", 2, -0.5),
    Layout("half an MS pixel", 4, 2.0),
    Layout("ratio 2.5", 2.5, 0.0),
    Layout("ratio 4.015, third of a pixel", 4.015, -1.34),
)


def centres() -> NDArray[np.float64]:
    """Return [n, 2] (row, col) positions in PAN pixels, measured from PAN's outer corner."""
    rng = np.random.default_rng(5)
    grid = np.arange(60, SIDE - 60, 60.0)
    rows, cols = np.meshgrid(grid, grid, indexing="ij")
    places = np.stack([rows.ravel(), cols.ravel()], axis=1)
    return places + rng.uniform(-8, 8, places.shape)


def ground() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the landscape and the discs, each [n, n] on fine pixels around PAN by a margin."""
    rng = np.random.default_rng(7)
    count = (SIDE + 2 * _margin()) * FINE
    axis = (np.arange(count) + 0.5) / FINE - _margin()
    waves = np.zeros((count, count))
    for _ in range(24):
        angle, phase = rng.uniform(0, 2 * math.pi, 2)
        step = 2 * math.pi / rng.uniform(8, 60)
        across = np.sin(angle) * axis[:, None] + np.cos(angle) * axis[None, :]
        waves += np.sin(step * across + phase)
    discs = np.zeros((count, count))
    for row, col in centres():
        near = [np.flatnonzero(np.abs(axis - c) < _RADIUS + 3) for c in (row, col)]
        part = np.ix_(*near)
        away = np.hypot(axis[near[0]][:, None] - row, axis[near[1]][None, :] - col)
        discs[part] += np.clip((_RADIUS - away) * FINE + 0.5, 0, 1)
    return waves / waves.std(), discs


def _margin() -> int:
    return 24


def observed(
    fine: NDArray[np.float64], size: int, first: float, step: float, gain: float
) -> NDArray[np.float64]:
    """Return [size, size] samples, `step` PAN pixels apart, through the PSF of an MTF gain."""
    sigma = step / math.pi * math.sqrt(-2 * math.log(gain))
    axis = (np.arange(len(fine)) + 0.5) / FINE - _margin()
    place = first + (np.arange(size) + 0.5) * step
    weights = np.exp(-0.5 * ((place[:, None] - axis[None, :]) / sigma) ** 2)
    weights /= weights.sum(axis=1, keepdims=True)
    seen: NDArray[np.float64] = weights @ fine @ weights.T
    return seen


def write_pair(layout: Layout, folder: Path) -> tuple[Path, Path]:
    """Draw the scene for a layout of the grids and write it."""
    waves, discs = ground()
    size = int((SIDE - 2 * abs(layout.offset)) / layout.ratio)
    plain = observed(waves, size, layout.offset, layout.ratio, _MTF)
    round_ = observed(discs, size, layout.offset, layout.ratio, _MTF)
    bands = [1000 + 120 * plain + sign * 300 * round_ for sign in (1, -1, 0, 0)]
    pan = 1000 + 120 * observed(waves, SIDE, 0.0, 1.0, _MTF)
    corner = Affine(2, 0, 500_000, 0, -2, 4_500_000)
    moved = corner @ Affine.translation(layout.offset, layout.offset) @ Affine.scale(layout.ratio)
    paths = folder / "pan.tif", folder / "ms.tif"
    for path, values, transform in (
        (paths[0], np.stack([pan]), corner),
        (paths[1], np.stack(bands), moved),
    ):
        with rasterio.open(
            path, "w", driver="GTiff", count=len(values), height=values.shape[1],
            width=values.shape[2], dtype="uint16", crs="EPSG:32630", transform=transform,
        ) as dataset:  # fmt: skip
            dataset.write(np.rint(values).astype(np.uint16))
    return paths


def displacement(path: Path) -> tuple[NDArray[np.float64], float]:
    """Return the mean displacement (rows, cols) and the length of the largest, in PAN pixels."""
    with rasterio.open(path) as dataset:
        values = dataset.read([1, 2]).astype(float)
        to_pan = ~Affine(2, 0, 500_000, 0, -2, 4_500_000) @ dataset.transform
    shown = values[0] - values[1]
    found = []
    for row, col in centres():
        place = ~to_pan @ (col, row)
        reach = round(_RADIUS) + 8
        top, left = round(place[1]) - reach, round(place[0]) - reach
        part = shown[top : top + 2 * reach, left : left + 2 * reach]
        if top < 0 or left < 0 or part.shape != (2 * reach, 2 * reach):
            continue  # outside what the tool fused
        rows, cols = np.arange(2 * reach) + top + 0.5, np.arange(2 * reach) + left + 0.5
        x, y = part.sum(axis=0) @ cols / part.sum(), part.sum(axis=1) @ rows / part.sum()
        col_found, row_found = to_pan @ (x, y)
        found.append((row_found - row, col_found - col))
    away = np.array(found)
    return away.mean(axis=0), float(np.hypot(*away.T).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-m", "--methods", default=",".join(METHODS))
    parser.add_argument("--json", type=Path, help="write the figures here too")
    asked = parser.parse_args()
    methods = asked.methods.split(",")
    rows = []
    for text in peer_tools.missing():
        print(text)
    print(f"displacement of the MS in PAN pixels; ours may have {LIMIT}")
    print(f"{'layout':32}{'tool':14}{'rows':>8}{'cols':>8}{'length':>8}{'largest':>9}")
    worst = 0.0
    for layout in LAYOUTS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            pan, ms = write_pair(layout, folder)
            tools = {
                method: command(pan, ms, folder / f"{method}.tif", method) for method in methods
            }
            if peer_tools.here(peer_tools.GDAL):
                tools["GDAL Brovey"] = peer_tools.gdal(
                    pan, ms, folder / "GDAL Brovey.tif", threads=1
                )
            if peer_tools.here(peer_tools.OTB):
                tools["OTB rcs"] = peer_tools.otb(pan, ms, folder / "OTB rcs.tif")
            for tool, line in tools.items():
                try:
                    run(line, peer_tools.otb_environment(1))
                except (RuntimeError, subprocess.SubprocessError) as error:
                    print(f"{layout.name:32}{tool:14} failed: {str(error).splitlines()[-1]}")
                    continue
                mean, largest = displacement(folder / f"{tool}.tif")
                length = float(np.hypot(*mean))
                rows.append({
                    "layout": layout.name, "tool": tool, "rows": round(float(mean[0]), 4),
                    "cols": round(float(mean[1]), 4), "length": round(length, 4),
                    "largest": round(largest, 4),
                })  # fmt: skip
                worst = max(worst, length if tool in methods else 0.0)
                print(
                    f"{layout.name:32}{tool:14}{mean[0]:8.3f}{mean[1]:8.3f}{length:8.3f}"
                    f"{largest:9.3f}",
                    flush=True,
                )
    if asked.json is not None:
        asked.json.write_text(json.dumps({"limit": LIMIT, "rows": rows}))
    print(f"largest of ours: {worst:.3f}, {'within' if worst <= LIMIT else 'BEYOND'} {LIMIT}")


if __name__ == "__main__":
    main()
