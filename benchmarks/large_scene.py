"""Wall time and peak memory of `pansharpkit fuse` on the demo scene mirrored to a large one.

    python benchmarks/large_scene.py [--side 8192] [-m gsa] [--report]

The run happens in a process of its own; its peak resident memory is what the kernel says of it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

from pansharpkit.showcase import demo_files


def mirrored(source: Path, target: Path, side: int) -> None:
    """Write `source` mirrored again and again until it fills side x side pixels."""
    with rasterio.open(source) as dataset:
        values, profile = dataset.read(), dataset.profile
    double = np.concatenate([values, values[:, ::-1]], axis=1)
    double = np.concatenate([double, double[:, :, ::-1]], axis=2)
    repeat = -(-side // double.shape[2])
    profile.update(
        driver="GTiff", height=side, width=side, tiled=True, blockxsize=512, blockysize=512,
        compress="deflate", zlevel=1, predictor=2, interleave="pixel", bigtiff="if_safer",
    )  # fmt: skip
    with rasterio.open(target, "w", **profile) as dataset:
        for row in range(0, side, 512):
            rows = np.arange(row, min(row + 512, side)) % double.shape[1]
            strip = np.tile(double[:, rows], (1, 1, repeat))[:, :, :side]
            dataset.write(strip, window=Window(0, row, side, len(rows)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=8192, help="PAN pixels along a side")
    parser.add_argument("-m", "--method", default="gsa")
    parser.add_argument("--report", action="store_true", help="assess and write the report too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pan, ms, out = (Path(folder) / name for name in ("pan.tif", "ms.tif", "out.tif"))
        sources = demo_files()
        mirrored(sources[0], pan, options.side)
        mirrored(sources[1], ms, options.side // 2)
        command = [
            sys.executable, "-m", "pansharpkit_cli.app", "fuse", str(pan), str(ms), "-o", str(out),
            "-m", options.method, "--sensor", "landsat8_oli", "--force", "--json",
            *([] if options.report else ["--no-report"]),
        ]  # fmt: skip
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        wall = time.perf_counter() - started
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        result = {
            "method": options.method,
            "pan_pixels": options.side**2,
            "bands": 4,
            "wall_s": round(wall, 1),
            "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
            "megapixels_per_s": round(options.side**2 / wall / 1e6, 2),
            "peak_mb": round(usage.ru_maxrss / 1024),
            "output_mb": round(out.stat().st_size / 1e6),
            "input_mb_uncompressed": round(options.side**2 * 2 * (1 + 4 / 4) / 1e6),
            "stages_s": json.loads(done.stdout)["seconds"],
            "cores": os.cpu_count(),
            "machine": platform.processor() or platform.machine(),
        }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
