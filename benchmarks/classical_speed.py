"""Speed of `pansharpkit fuse` beside the other tools, the limits of the machine, and linearity.

    python benchmarks/classical_speed.py [--side 8192] [--rounds 3] [--large 32768] [--threads 2]
        [--pair PAN.tif MS.tif] [--methods brovey gsa] [--parts limits] [--json FILE]

All commands run as processes of their own, alternating, on the demo scene (or another pair)
mirrored to side x side PAN pixels and a quarter of that in four MS bands, uint16. How long DEFLATE
takes at level 6, GDAL's default, depends on the pixels: hardly longer than level 1 where they are
noisy, like the demo's, thrice as long on an 11-bit scene of higher resolution.

Ours writes what GDAL writes, a tiled GeoTIFF with DEFLATE and predictor 2, without overviews and
without a report (`--no-cog --no-report --quiet`). GDAL: weighted Brovey, equal weights, cubic, its
own default level. OTB writes uncompressed. What the other tools do not do and ours does even so:
measure the registration, take statistics of the scene, read samples of the output back, force it to
disk.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import peer_tools
from large_scene import command, make_scene
from measure import Cost, alternated, middle, run

METHODS = ("brovey", "gsa", "mtf-glp-fs", "bdsd-pc")
PARTS = ("profiles", "limits", "linearity")
"""What is measured besides the comparison with the peers."""
ZSTD = ("--co", "COMPRESS=ZSTD", "--co", "ZSTD_LEVEL=1")


def tasks(
    pan: Path, ms: Path, folder: Path, threads: int, methods: Sequence[str]
) -> dict[str, Callable[[], Cost]]:
    """Return what is run in each round, by name."""
    out = folder / "out.tif"
    ours = ("--threads", str(threads))
    found: dict[str, Callable[[], Cost]] = {
        name: partial(run, command(pan, ms, out, name, more=ours)) for name in methods
    }
    if "brovey" in methods:
        packed = command(pan, ms, out, "brovey", more=(*ours, *ZSTD))
        found["brovey, zstd 1"] = partial(run, packed)
        found["brovey, COG"] = partial(run, command(pan, ms, out, "brovey", cog=True, more=ours))
    if peer_tools.here(peer_tools.GDAL):

        def gdal(options: tuple[str, ...]) -> Cost:
            (folder / "gdal.tif").unlink(missing_ok=True)
            made = folder / "gdal.tif"
            return run(peer_tools.gdal(pan, ms, made, threads=threads, options=options))

        found["GDAL Brovey"] = partial(gdal, peer_tools.DEFLATE)
        found["GDAL Brovey, deflate 1"] = partial(gdal, (*peer_tools.DEFLATE, "ZLEVEL=1"))
    if peer_tools.here(peer_tools.OTB):
        environment = peer_tools.otb_environment(threads)
        for method in peer_tools.OTB_METHODS:
            line = peer_tools.otb(pan, ms, folder / "otb.tif", method)
            found[f"OTB {method}"] = partial(run, line, environment)
    return found


def against_peers(
    pan: Path, ms: Path, folder: Path, threads: int, rounds: int, methods: Sequence[str]
) -> dict[str, Cost]:
    """Print and return the medians over all rounds."""
    ready = tasks(pan, ms, folder, threads, methods)
    found = {name: middle(costs) for name, costs in alternated(ready, rounds).items()}
    side = side_of(pan)
    print(f"\n{side} x {side} PAN, {threads} threads, medians of {rounds} alternating rounds")
    print(
        f"{'':24}{'wall s':>8} {'CPU s':>8} {'RSS MB':>8} {'Mpx/s':>7}  of GDAL Brovey  of OTB rcs"
    )
    for name, cost in found.items():
        print(f"{name:24}{cost.row()} {side**2 / cost.wall / 1e6:7.1f}  {_ratios(cost, found)}")
    return found


def side_of(pan: Path) -> int:
    """Return the side of a square PAN."""
    import rasterio

    with rasterio.open(pan) as dataset:
        return int(dataset.width)


def _ratios(cost: Cost, all_costs: dict[str, Cost]) -> str:
    texts = []
    for peer in ("GDAL Brovey", "OTB rcs"):
        other = all_costs.get(peer)
        texts.append(
            f"{cost.wall / other.wall:5.2f} / {cost.cpu / other.cpu:4.2f} cpu" if other else "-"
        )
    return "  ".join(texts)


def linearity(side: int, large: int, threads: int, folder: Path) -> None:
    """Print what further pixels cost in a small and in a large scene, and the memory of both."""
    print("\nLinearity (Brovey): each further megapixel should cost the same, and no memory")
    print(f"{'PAN pixels':>14} {'wall s':>8} {'CPU s':>8} {'RSS MB':>8} {'CPU ms/Mpx':>11}")
    figures: list[tuple[int, Cost]] = []
    for size in (side // 2, side, large):
        pan, ms = make_scene(folder, size)
        out = folder / "out.tif"
        cost = run(command(pan, ms, out, "brovey", more=("--threads", str(threads))))
        per_pixel = cost.cpu / size**2 * 1e9
        figures.append((size, cost))
        print(f"{size:>7}²{'':6} {cost.row()} {per_pixel:11.1f}", flush=True)
        for path in (pan, ms, out):
            path.unlink()
    near, far = (_further(*figures[i : i + 2]) for i in (0, 1))
    print(
        f"each further pixel of the largest over one of the smaller: wall x{far[0] / near[0]:.2f}, "
        f"CPU x{far[1] / near[1]:.2f}; RSS of the largest over the middle one "
        f"x{figures[2][1].rss_mb / figures[1][1].rss_mb:.2f}"
    )


def _further(small: tuple[int, Cost], large: tuple[int, Cost]) -> tuple[float, float]:
    """Return wall and CPU seconds per pixel that the larger scene has more."""
    more = large[0] ** 2 - small[0] ** 2
    return (large[1].wall - small[1].wall) / more, (large[1].cpu - small[1].cpu) / more


def limits(pan: Path, ms: Path, folder: Path) -> None:
    """Print what only reading the inputs and only writing the output cost, in this process."""
    import rasterio
    from rasterio.windows import Window

    def read(path: Path) -> None:
        with rasterio.open(path) as dataset:
            for _, window in dataset.block_windows(1):
                dataset.read(window=window)

    with rasterio.open(folder / "out.tif") as dataset:
        profile, part = dataset.profile, dataset.read(window=Window(0, 0, dataset.width, 2048))
    rows = profile["height"]

    def write(**options: object) -> None:
        changed = {**profile, **options, "bigtiff": "if_safer"}
        with rasterio.open(folder / "limit.tif", "w", **changed) as dataset:
            for row in range(0, rows, part.shape[1]):
                for col in range(0, part.shape[2], 512):
                    height = min(part.shape[1], rows - row)
                    piece = part[:, :height, col : col + 512]
                    dataset.write(piece, window=Window(col, row, piece.shape[2], height))

    print("\nLimits of input and output, one thread")
    for name, task in {
        "read PAN and MS": lambda: (read(pan), read(ms)),
        "write uncompressed": lambda: write(compress="none", predictor=1),
        "write deflate 1": lambda: write(compress="deflate", predictor=2, zlevel=1),
        "write deflate 6": lambda: write(compress="deflate", predictor=2, zlevel=6),
        "write zstd 1": lambda: write(compress="zstd", predictor=2, zstd_level=1),
    }.items():
        before, started = _cpu(), time.perf_counter()
        task()
        wall = time.perf_counter() - started
        print(f"{name:24}{wall:8.2f} {_cpu() - before:8.2f}", flush=True)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class _Stages:
    """Processor time of functions, summed over all threads that call them."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._lock = threading.Lock()

    def watch(self, owner: object, name: str, stage: str) -> None:
        genuine = getattr(owner, name)

        def watched(*args: object, **kwargs: object) -> object:
            started = time.thread_time()
            try:
                return genuine(*args, **kwargs)
            finally:
                with self._lock:
                    self.seconds[stage] += time.thread_time() - started

        setattr(owner, name, watched)


def profile_here(pan: Path, ms: Path, out: Path, method: str) -> dict[str, float]:
    """Fuse in this process and return where the processor time went."""
    from pansharpkit_cli.options import loading

    with loading():
        from pansharpkit import observe, pipeline, registration, tilework
        from pansharpkit.intake import SceneRequest
        from pansharpkit.methods.moments import Moments
        from pansharpkit.requested import MethodRequest
        from pansharpkit.runs import RunOptions
        from pansharpkit.writer import raster
    imported, stages = _cpu(), _Stages()
    stages.watch(registration, "measure", "registration")
    stages.watch(observe.Observer, "read", "read and mask")
    stages.watch(observe.Observer, "observation", "to working range")
    stages.watch(tilework.TileWork, "_apply_safely", "fuse")
    stages.watch(tilework.TileWork, "stored", "cast")
    stages.watch(Moments, "of", "moments")
    stages.watch(raster.RasterWriter, "write", "hand to GDAL")
    stages.watch(raster, "verify", "verify")
    pipeline.fuse(
        pipeline.FuseRequest(
            SceneRequest((str(pan), str(ms))), out, MethodRequest(method), RunOptions(),
            overwrite=True, cog=False, report=False,
        )
    )  # fmt: skip
    total = _cpu()
    rest = total - imported - sum(stages.seconds.values())
    return {"import": imported, **stages.seconds, "compress and the rest": rest, "in all": total}


def profiles(pan: Path, ms: Path, folder: Path) -> None:
    """Print where the processor time goes, method by method."""
    print("\nWhere the processor time goes (CPU s; compression runs in GDAL's own threads)")
    for method in METHODS:
        found = folder / "profile.json"
        run([sys.executable, __file__, "--profile", method, str(pan), str(ms), str(found)])
        figures = json.loads(found.read_text())
        print(f"{method:12}", "  ".join(f"{k} {v:.2f}" for k, v in figures.items()), flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=8192)
    parser.add_argument("--large", type=int, default=32768, help="0 leaves the large scene out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--parts", nargs="*", default=PARTS, choices=PARTS)
    parser.add_argument(
        "--pair", type=Path, nargs=2, metavar=("PAN", "MS"), help="mirror this pair of ratio 4"
    )
    parser.add_argument("--folder", type=Path, help="where scenes of some GB may lie for a while")
    parser.add_argument("--json", type=Path, help="write the figures beside the peers here too")
    return parser.parse_args()


def kept(asked: argparse.Namespace, found: dict[str, Cost]) -> dict[str, object]:
    """Return the figures beside the peers, for JSON."""
    rows = [
        {"tool": name, "wall_s": round(cost.wall, 2), "cpu_s": round(cost.cpu, 2),
         "rss_mb": round(cost.rss_mb)}
        for name, cost in found.items()
    ]  # fmt: skip
    return {"side": asked.side, "threads": asked.threads, "rounds": asked.rounds, "rows": rows}


def main() -> None:
    if "--profile" in sys.argv:
        method, pan, ms, found = sys.argv[sys.argv.index("--profile") + 1 :]
        figures = profile_here(Path(pan), Path(ms), Path(found).with_name("out.tif"), method)
        Path(found).write_text(json.dumps(figures))
        return
    asked = parse()
    for text in peer_tools.missing():
        print(text)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name)
        pair = None if asked.pair is None else (asked.pair[0], asked.pair[1])
        pan, ms = make_scene(folder, asked.side, pair)
        costs = against_peers(pan, ms, folder, asked.threads, asked.rounds, asked.methods)
        if asked.json is not None:
            asked.json.write_text(json.dumps(kept(asked, costs)))
        if "profiles" in asked.parts:
            profiles(pan, ms, folder)
        if "limits" in asked.parts:
            limits(pan, ms, folder)
        if "linearity" in asked.parts and asked.large:
            linearity(asked.side, asked.large, asked.threads, folder)


if __name__ == "__main__":
    main()
