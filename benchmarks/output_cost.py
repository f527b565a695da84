"""Time and size of the output for several codecs, on real fused scenes.

    python benchmarks/output_cost.py PAN.tif MS.tif [--repeats 10] [--threads 1]
    python benchmarks/output_cost.py --data DATA [--repeats 3]

The pixels are a ratio fusion (Brovey, equal weights) of the given pair, so that the noise and the
detail are those of a real output. They are not mirrored to a larger size: ZSTD finds the copies.
With DATA, the pairs known to the other benchmarks, uint16 only, and one table of all of them. The
defaults in `pansharpkit/writer/layout.py` follow these tables.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.shutil import copy
from rasterio.warp import reproject

CODECS = (
    {"COMPRESS": "NONE"},
    {"COMPRESS": "LZW", "PREDICTOR": "YES"},
    {"COMPRESS": "DEFLATE", "LEVEL": "1", "PREDICTOR": "YES"},
    {"COMPRESS": "DEFLATE", "LEVEL": "6", "PREDICTOR": "YES"},
    {"COMPRESS": "DEFLATE", "LEVEL": "9", "PREDICTOR": "YES"},
    {"COMPRESS": "DEFLATE", "LEVEL": "6", "PREDICTOR": "NO"},
    {"COMPRESS": "ZSTD", "LEVEL": "1", "PREDICTOR": "YES"},
    {"COMPRESS": "ZSTD", "LEVEL": "9", "PREDICTOR": "YES"},
)


def fused_scene(pan_path: Path, ms_path: Path) -> NDArray[np.float32]:
    """Return [C, H, W] of a quick ratio fusion on the PAN grid."""
    with rasterio.open(pan_path) as pan_file, rasterio.open(ms_path) as ms_file:
        pan = pan_file.read(1).astype(np.float32)
        ms = np.empty((ms_file.count, *pan.shape), np.float32)
        reproject(
            ms_file.read().astype(np.float32), ms,
            src_transform=ms_file.transform, src_crs=ms_file.crs,
            dst_transform=pan_file.transform, dst_crs=pan_file.crs,
            resampling=Resampling.cubic,
        )  # fmt: skip
    fused: NDArray[np.float32] = ms * pan / np.maximum(ms.mean(axis=0), 1)
    return fused


def write_source(path: Path, values: NDArray[np.generic]) -> None:
    """Write the uncompressed tiled file that the COG is copied from."""
    bands, height, width = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=bands, height=height, width=width, dtype=values.dtype,
        tiled=True, blockxsize=256, blockysize=256, interleave="band", crs="EPSG:3857",
        transform=rasterio.transform.from_origin(0, 0, 15, 15),
    ) as target:  # fmt: skip
        target.write(values)


def cost(source: Path, target: Path, codec: dict[str, str], threads: str) -> tuple[float, float]:
    """Return seconds to write the COG and seconds to read it back."""
    start = time.perf_counter()
    copy(source, target, driver="COG", BLOCKSIZE=512, NUM_THREADS=threads,
         OVERVIEW_RESAMPLING="AVERAGE", **codec)  # fmt: skip
    written = time.perf_counter()
    with rasterio.open(target) as file:
        file.read()
    return written - start, time.perf_counter() - written


def measure(values: NDArray[np.generic], folder: Path, repeats: int, threads: str) -> None:
    """Print one table, the best of `repeats` for each codec."""
    source = folder / "source.tif"
    write_source(source, values)
    print(f"\n{values.dtype}, {values.shape}, {values.nbytes / 1e6:.1f} MB, {threads} threads")
    print(f"{'codec':42s} {'write ms':>8s} {'read ms':>8s} {'MB':>8s} {'file/raw':>9s}")
    for codec in CODECS:
        target = folder / "target.tif"
        runs = [cost(source, target, codec, threads) for _ in range(repeats)]
        size = target.stat().st_size
        name = " ".join(f"{key}={value}" for key, value in codec.items())
        write, read = (min(run[i] for run in runs) for i in (0, 1))
        print(
            f"{name:42s} {write * 1e3:8.1f} {read * 1e3:8.1f} {size / 1e6:8.2f} "
            f"{size / values.nbytes:9.3f}",
            flush=True,
        )


PAIRS = {
    "pamplona": ("landsat8_pamplona_demo/LC08_20150630_pamplona_PAN_15m.tif",
                 "landsat8_pamplona_demo/LC08_20150630_pamplona_MS_30m.tif"),
    "zhengzhou": ("vhr_zhengzhou_4band/pan.tif", "vhr_zhengzhou_4band/ms.tif"),
    "rotterdam": ("sn6_rotterdam_wv2/tile1_pan_0.5m.tif", "sn6_rotterdam_wv2/tile1_ms_2m.tif"),
    "alabama, red": ("landsat8_alabama_full_cloudy/l8_B8.tif",
                     "landsat8_alabama_full_cloudy/l8_B4.tif"),
}  # fmt: skip


def compare_scenes(data: Path, folder: Path, repeats: int, threads: str) -> None:
    """Print write time per raw megabyte and compression of each codec on each scene."""
    names = [" ".join(codec.values()) for codec in CODECS]
    print(
        "| ms per MB / file over raw | "
        + " | ".join(names)
        + " |"
        + "\n|---"
        + "|---" * len(names)
        + "|"
    )
    for scene, (pan, ms) in PAIRS.items():
        fused = fused_scene(data / pan, data / ms)
        values = np.clip(np.rint(fused), 0, 65535).astype(np.uint16)
        source, target = folder / "source.tif", folder / "target.tif"
        write_source(source, values)
        cells = []
        for codec in CODECS:
            write = min(cost(source, target, codec, threads)[0] for _ in range(repeats))
            share = target.stat().st_size / values.nbytes
            cells.append(f"{write / values.nbytes * 1e9:.1f} / {share:.3f}")
        print(f"| {scene} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    """Parse the command line and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pan", type=Path, nargs="?")
    parser.add_argument("ms", type=Path, nargs="?")
    parser.add_argument("--data", type=Path, help="folder of the pairs that are known")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--threads", default="1")
    options = parser.parse_args()
    if options.data is not None:
        with tempfile.TemporaryDirectory() as folder:
            compare_scenes(options.data, Path(folder), options.repeats, options.threads)
        return
    if options.pan is None or options.ms is None:
        parser.error("give PAN and MS, or --data")
    fused = fused_scene(options.pan, options.ms)
    with tempfile.TemporaryDirectory() as folder:
        integers = np.clip(np.rint(fused), 0, 65535).astype(np.uint16)
        for values in (integers, fused):
            measure(values, Path(folder), options.repeats, options.threads)


if __name__ == "__main__":
    main()
