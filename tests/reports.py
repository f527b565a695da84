"""Reports and pictures to make pages of."""

from __future__ import annotations

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from pansharpkit.grid import Grid
from pansharpkit.registration import Registration
from pansharpkit.report import (
    Clipped,
    GridSummary,
    Histogram,
    MethodSummary,
    Provenance,
    QualityReport,
    RasterSummary,
    SceneSummary,
    tiles_of_map,
)
from pansharpkit.report.quicklook import Layers

HOSTILE = "<script>alert('1')</script>\"><img src=http://evil/x>"


def raster(name: str, size: tuple[int, int], gsd: float, *bands: str) -> RasterSummary:
    grid = Grid(*size, Affine(gsd, 0, 605000, 0, -gsd, 4745000), CRS.from_epsg(32630))
    return RasterSummary(name, bands, "uint16", "0", GridSummary.of(grid))


def make_report(*bands: str) -> QualityReport:
    bands = bands or ("B2 Blue", "B3 Green", "B4 Red")
    curve = tuple((float(x), 0.99 - 0.02 * x * x) for x in np.linspace(-4, 4, 33))
    return QualityReport(
        protocol="full-resolution",
        scene=SceneSummary(
            raster("pan.tif", (600, 800), 15, "B8"),
            raster("ms.tif", (300, 400), 30, *bands),
            raster("out.tif", (600, 800), 15, *bands),
            "landsat8_oli",
            (2.0, 2.0),
            (0.5, -0.0688),
            "2015-06-30",
        ),
        method=MethodSummary("gsa", {"haze": False, "window": None}, {"weights": [0.364, -0.19]}),
        indices={
            "d_s": 0.0413,
            "hqnr": 0.9312,
            "d_lambda": None,
            "homemade": 12.3,
            "ndvi_drift": 0.006,
        },
        intervals={"hqnr": (0.9241, 0.9383)},
        per_band={band: {"q": 0.93, "psnr_db": None} for band in bands},
        per_tile=tiles_of_map(
            np.array([[0.9, 0.8], [np.nan, 0.7]]),
            400,
            (600, 800),
            others={
                "d_s": np.array([[0.1, 0.2], [np.nan, 0.3]]),
                "consistency_error_percent": np.array([[1.0, 2], [np.nan, np.nan]]),
            },
        ),
        tile_index="q2n",
        n_pixels=478080,
        masked_fraction=0.004,
        clipped={bands[0]: Clipped(0, 1234)},
        registration=Registration(0.11, -0.61, 0.988, 0.962, True, curve, 120_000, 0.3),
        definitions={"hqnr, d_s": "a shared definition", "rounding": "no rounding"},
        provenance=Provenance(
            "pansharpkit fuse pan.tif ms.tif -o out.tif",
            7,
            "cpu",
            {"pansharpkit": "0.1.0", "numpy": "2.4.6"},
            {"fit": 0.31, "apply": 75.9},
            {"pan.tif": "ab" * 32, "ms.tif": None},
            licences={"numpy": "BSD-3-Clause"},
        ),
        warnings=("MS lies 0.62 PAN pixels beside the PAN",),
        histograms=(
            Histogram("B2 Blue", 0, 9, (1, 2, 3), (2, 2, 2)),
            Histogram("NDVI", -1, 1, (1, 4), (2, 3)),
        ),
        views={"detail-1": (0, 0, 320, 320)},
    )


def layers(height: int = 90, width: int = 120) -> Layers:
    rng = np.random.default_rng(5)
    ms = rng.integers(200, 4000, (3, height, width)).astype(np.uint16)
    valid = np.ones((height, width), bool)
    valid[:10] = False
    return Layers(ms, ms + 10, ms.mean(axis=0), valid)
