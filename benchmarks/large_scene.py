"""Large scenes, made by mirroring the demo scene, and what one run over each costs.

    python benchmarks/large_scene.py [--side 8192] [-m gsa] [--report] [--cog]
    python benchmarks/large_scene.py --landsat 6 --side 7500 15000 -m scenenet --report --cog

The MS has a quarter of the PAN's resolution, as that of commercial satellites: the demo's 30 m
bands are averaged over 2 x 2 pixels; with --landsat it has half of it, as Landsat's, and that many
bands. Each run happens in a process of its own. With several sides the last line compares the last
with the first: time per pixel and memory.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from measure import Cost, run
from mirrored import landsat
from numpy.typing import NDArray
from rasterio.windows import Window

from pansharpkit.showcase import demo_files

RATIO = 4
_BLOCK = 512
_PAN = (616, 796)  # of the demo: whole MS pixels of 60 m, so that mirrored PAN and MS still agree


def make_scene(folder: Path, side: int, pair: tuple[Path, Path] | None = None) -> tuple[Path, Path]:
    """Write PAN of side x side pixels and MS of a quarter of that, tiled and compressed.

    `pair`, of about that ratio and with a common corner, is mirrored instead of the demo scene.
    """
    paths = (folder / f"pan{side}.tif", folder / f"ms{side}.tif")
    if pair is not None:
        return _mirror_pair(pair, paths, side)
    pan_file, ms_file = demo_files()
    with rasterio.open(pan_file) as dataset:
        pan, transform, crs = dataset.read(), dataset.transform, dataset.crs
    with rasterio.open(ms_file) as dataset:
        ms, names = dataset.read(), dataset.descriptions
    rows, cols = _PAN[0] // RATIO, _PAN[1] // RATIO
    blocks = ms[:, : 2 * rows, : 2 * cols].reshape(len(ms), rows, 2, cols, 2).astype(float)
    coarse = np.rint(blocks.mean(axis=(2, 4))).astype(ms.dtype)
    _write(paths[0], pan[:, : _PAN[0], : _PAN[1]], side, transform, crs, ("PAN",))
    _write(paths[1], coarse, side // RATIO, transform @ Affine.scale(RATIO), crs, names)
    return paths


def _mirror_pair(pair: tuple[Path, Path], paths: tuple[Path, Path], side: int) -> tuple[Path, Path]:
    with rasterio.open(pair[0]) as dataset:
        pan, transform, crs = dataset.read(), dataset.transform, dataset.crs
    with rasterio.open(pair[1]) as dataset:
        ms = dataset.read()
    rows, cols = (min(pan.shape[axis] // RATIO, ms.shape[axis]) for axis in (1, 2))
    names = tuple(f"band {i + 1}" for i in range(len(ms)))
    _write(paths[0], pan[:, : RATIO * rows, : RATIO * cols], side, transform, crs, ("PAN",))
    coarse = transform @ Affine.scale(RATIO)
    _write(paths[1], ms[:, :rows, :cols], side // RATIO, coarse, crs, names)
    return paths


def _write(
    path: Path, values: NDArray[np.generic], side: int, transform: Affine, crs: object,
    names: tuple[str, ...],
) -> None:  # fmt: skip
    """Write `values` mirrored again and again until they fill side x side pixels."""
    double = np.concatenate([values, values[:, ::-1]], axis=1)
    double = np.concatenate([double, double[:, :, ::-1]], axis=2)
    cols = np.arange(side) % double.shape[2]
    with rasterio.open(
        path, "w", driver="GTiff", height=side, width=side, count=len(values), dtype=values.dtype,
        crs=crs, transform=transform, tiled=True, blockxsize=_BLOCK, blockysize=_BLOCK,
        compress="deflate", zlevel=1, predictor=2, interleave="pixel", bigtiff="if_safer",
    ) as dataset:  # fmt: skip
        dataset.descriptions = names
        for row in range(0, side, _BLOCK):
            rows = np.arange(row, min(row + _BLOCK, side)) % double.shape[1]
            dataset.write(double[:, rows][:, :, cols], window=Window(0, row, side, len(rows)))


def command(
    pan: Path, ms: Path, out: Path, method: str, *, report: bool = False, cog: bool = False,
    more: tuple[str, ...] = (),
) -> list[str]:  # fmt: skip
    """Return the command line that fuses a pair; by default it writes just what GDAL writes."""
    return [
        sys.executable, "-m", "pansharpkit_cli.app", "fuse", str(pan), str(ms), "-o", str(out),
        "-m", method, "--overwrite", "--quiet",
        *([] if report else ["--no-report"]), *([] if cog else ["--no-cog"]), *more,
    ]  # fmt: skip


def measured(options: argparse.Namespace, side: int, folder: Path) -> tuple[Cost, int]:
    """Return what a run costs, and the size of its raster in bytes."""
    if options.landsat:
        pan, ms = landsat(folder, side, options.landsat)
    else:
        pan, ms = make_scene(folder, side)
    out = folder / "out.tif"
    cost = run(command(pan, ms, out, options.method, report=options.report, cog=options.cog))
    return cost, out.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, nargs="+", default=[8192], help="PAN pixels")
    parser.add_argument("--landsat", type=int, metavar="BANDS", help="bands, at a ratio of 2")
    parser.add_argument("-m", "--method", default="gsa")
    parser.add_argument("--report", action="store_true", help="assess and write the report too")
    parser.add_argument("--cog", action="store_true", help="write a COG, with overviews")
    options = parser.parse_args()
    costs = []
    for side in options.side:
        with tempfile.TemporaryDirectory() as name:
            cost, size = measured(options, side, Path(name))
        costs.append(cost)
        result = {
            "method": options.method,
            "pan_pixels": side**2,
            "bands": options.landsat or 4,
            **{key: round(value, 1) for key, value in asdict(cost).items()},
            "megapixels_per_s": round(side**2 / cost.wall / 1e6, 2),
            "output_mb": round(size / 1e6),
            "cores": os.cpu_count(),
            "machine": platform.processor() or platform.machine(),
        }
        print(json.dumps(result, indent=2), flush=True)
    if len(costs) > 1:
        pixels = (options.side[-1] / options.side[0]) ** 2
        first, last = costs[0], costs[-1]
        print(
            f"per pixel, the last beside the first: wall x{last.wall / first.wall / pixels:.2f}, "
            f"CPU x{last.cpu / first.cpu / pixels:.2f}; memory x{last.rss_mb / first.rss_mb:.2f}"
        )


if __name__ == "__main__":
    main()
