"""Large cubes, mirrored from a real one, and the time and memory that one run over each takes.

    python benchmarks/hs_large.py DATA [--side 1024 2048] [--bands 224] [-m fuse] [--out-name o.tif]

DATA holds `hs_jasper` (AVIRIS, 198 bands; further bands repeat the last ones). The cube is mirrored
until it has SIDE / 4 pixels along a side, and is the target; a WorldView-2 guide of SIDE pixels is
made from the finer cube. Both are tiled GeoTIFFs. Each run happens in a process of its own. With
several sides the last line compares the last with the first. Memory is the peak of the resident
set; pages of a file that the kernel could drop at any time count in it as well.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import rasterio
import torch
from affine import Affine
from hs_scenes import SRFS, Cube, load_cube
from measure import Cost, run
from numpy.typing import NDArray
from rasterio.windows import Window

from pansharpkit.physics import degrade
from pansharpkit.sampling import Sampling
from pansharpkit.sensor import load_sensor
from pansharpkit.sensor.projection import srf_matrix

RATIO, SCALE = 4, 10_000
PRESET = "worldview2"
_BLOCK = 256
_FINE = Affine(5.0, 0, 570_000.0, 0, -5.0, 4_140_000.0)


def make_pair(data: Path, folder: Path, side: int, bands: int) -> tuple[Path, Path]:
    """Write the guide of side x side pixels and the cube of a quarter of that."""
    cube = _widened(load_cube("jasper", data), bands)
    sensor = load_sensor(PRESET).subset(SRFS[PRESET])
    srf = np.array(srf_matrix(sensor, cube.centres_nm, cube.fwhm_nm))
    size = (cube.values.shape[1] // RATIO, cube.values.shape[2] // RATIO)
    coarse = degrade(cube.values, Sampling.edge_aligned(RATIO), size, (cube.mtf,) * bands)
    guide = np.tensordot(srf, cube.values.numpy(), axes=1)
    fine, small = folder / f"guide{side}.tif", folder / f"cube{side}.tif"
    _write(fine, guide, side, _FINE, SRFS[PRESET], ())
    names = tuple(f"band {i + 1} ({nm:g} nm)" for i, nm in enumerate(cube.centres_nm))
    _write(small, coarse.numpy(), side // RATIO, _FINE @ Affine.scale(RATIO), names, cube.fwhm_nm)
    return fine, small


def _widened(cube: Cube, bands: int) -> Cube:
    """Return the cube with that many bands; further ones repeat its last, a little above them."""
    extra = max(0, bands - len(cube.values))
    values = torch.cat([cube.values, cube.values[len(cube.values) - extra :]])[:bands]
    centres = [*cube.centres_nm, *(cube.centres_nm[-1] + 10 * (i + 1) for i in range(extra))]
    widths = [*cube.fwhm_nm, *cube.fwhm_nm[len(cube.fwhm_nm) - extra :]]
    return Cube(cube.name, values, tuple(centres[:bands]), tuple(widths[:bands]), cube.mtf)


def _write(
    path: Path, values: NDArray[np.float64], side: int, transform: Affine,
    names: tuple[str, ...], widths: tuple[float, ...],
) -> None:  # fmt: skip
    """Write values x 10000 mirrored again and again until they fill side x side pixels."""
    whole = np.rint(SCALE * values).clip(0, 65535).astype(np.uint16)
    double = np.concatenate([whole, whole[:, ::-1]], axis=1)
    double = np.concatenate([double, double[:, :, ::-1]], axis=2)
    cols = np.arange(side) % double.shape[2]
    with rasterio.open(
        path, "w", driver="GTiff", height=side, width=side, count=len(values), dtype="uint16",
        crs="EPSG:32610", transform=transform, tiled=True, blockxsize=_BLOCK, blockysize=_BLOCK,
        compress="deflate", zlevel=1, predictor=2, bigtiff="if_safer",
    ) as dataset:  # fmt: skip
        dataset.descriptions = names
        for band, width in enumerate(widths, 1):
            dataset.update_tags(band, ns="IMAGERY", FWHM_UM=f"{width / 1000:g}")
        for row in range(0, side, _BLOCK):
            rows = np.arange(row, min(row + _BLOCK, side)) % double.shape[1]
            dataset.write(double[:, rows][:, :, cols], window=Window(0, row, side, len(rows)))


def measured(asked: argparse.Namespace, side: int, folder: Path) -> tuple[Cost, int]:
    """Return what a run costs, and the size of its output in bytes."""
    guide, cube = make_pair(asked.data, folder, side, asked.bands)
    out = folder / asked.out_name
    cost = run(
        [
            sys.executable, "-m", "pansharpkit_cli.app", "fuse", str(guide), str(cube),
            "-o", str(out), "-m", asked.method, "--guide-sensor", PRESET, "--quiet",
            *([] if asked.cog else ["--no-cog"]), *([] if asked.report else ["--no-report"]),
        ]
    )  # fmt: skip
    return cost, out.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with the cubes")
    parser.add_argument("--side", type=int, nargs="+", default=[1024, 2048], help="guide pixels")
    parser.add_argument("--bands", type=int, default=224)
    parser.add_argument("-m", "--method", default="fuse")
    parser.add_argument("--out-name", default="fused.tif", help=".img for ENVI")
    parser.add_argument("--report", action="store_true", help="assess and write the report too")
    parser.add_argument("--cog", action="store_true", help="write a COG, with overviews")
    asked = parser.parse_args()
    costs = []
    for side in asked.side:
        with tempfile.TemporaryDirectory() as name:
            cost, size = measured(asked, side, Path(name))
        costs.append(cost)
        result = {
            "method": asked.method, "side": side, "bands": asked.bands,
            "fused_mb": round(2 * side**2 * asked.bands / 2**20), "output_mb": round(size / 2**20),
            **{key: round(value, 1) for key, value in asdict(cost).items()},
            "mpx_band_per_cpu_s": round(side**2 * asked.bands / 1e6 / cost.cpu, 1),
            "machine": platform.processor() or platform.machine(),
        }  # fmt: skip
        print(json.dumps(result), flush=True)
    if len(costs) > 1:
        pixels = (asked.side[-1] / asked.side[0]) ** 2
        first, last = costs[0], costs[-1]
        print(f"pixels x{pixels:.1f}: CPU x{last.cpu / first.cpu:.2f}, "
              f"memory x{last.rss_mb / first.rss_mb:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
