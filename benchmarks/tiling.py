"""How much the tile size changes a result, and whether seams show.

    python benchmarks/tiling.py

On the demo scene, for every classical method: the largest difference between tiles of 64, 130 and
512 pixels and no tiles at all, in DN; and the mean gradient across tile edges over the mean
gradient everywhere, which is 1 without seams.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from pansharpkit.engine import RunOptions, run
from pansharpkit.grid import Window
from pansharpkit.intake import SceneRequest, open_scene
from pansharpkit.methods import create
from pansharpkit.scene import Scene
from pansharpkit.showcase import demo_files

METHODS = ("exp", "brovey", "gsa", "bdsd-pc", "mtf-glp-fs")
TILES = (64, 130, 512)


class Memory:
    def __init__(self, scene: Scene) -> None:
        shape = (len(scene.target.names), scene.extent.height, scene.extent.width)
        self.values = np.zeros(shape, np.float32)

    def write(self, window: Window, values: NDArray[np.generic], valid: NDArray[np.bool_]) -> None:
        self.values[:, *window.slices] = values


def fused(scene: Scene, name: str, tile: int) -> NDArray[np.float32]:
    sink = Memory(scene)
    run(scene, create(name), sink, RunOptions(tile=tile, dtype="float32"))
    return sink.values


def seam_ratio(values: NDArray[np.float32], tile: int) -> float:
    """Mean absolute step across the columns at tile edges over that at all columns."""
    steps = np.abs(np.diff(values, axis=2)).mean(axis=(0, 1))
    edges = np.arange(tile, values.shape[2] - tile // 2, tile) - 1
    return float(steps[edges].mean() / steps.mean())


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    inputs = tuple(str(path) for path in demo_files())
    scene = open_scene(SceneRequest(inputs, sensor="landsat8_oli"))
    print(f"{'method':12}" + "".join(f"{f'{t} px: max DN':>16}{'seam':>7}" for t in TILES))
    for name in METHODS:
        whole = fused(scene, name, 4096)
        line = f"{name:12}"
        for tile in TILES:
            tiled = fused(scene, name, tile)
            ratio, untiled = seam_ratio(tiled, tile), seam_ratio(whole, tile)
            line += f"{np.abs(tiled - whole).max():16.5f}{ratio / untiled:7.3f}"
        print(line)


if __name__ == "__main__":
    main()
