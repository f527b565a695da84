"""Scenes of a batch as a batch leaves them: rasters in a folder, records, entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from pansharpkit.archive.entry import SceneEntry
from pansharpkit.archive.record import OutputFile, SceneError, SceneRecord
from pansharpkit.grid import Grid
from pansharpkit.writer import OutputProfile, lineage_tags, open_output

UTM30 = Grid(48, 64, Affine(15, 0, 605_000, 0, -15, 4_745_000), CRS.from_epsg(32630))
INDICES: Mapping[str, float | None] = {"hqnr": 0.93, "d_s": 0.04, "shift": 0.2, "r2": None}
HOSTILE = "<script>alert('1')</script>\"><img src=x onerror=alert(2)>\nnext line \u202e"


def profile(grid: Grid = UTM30, **changes: object) -> OutputProfile:
    """Return what a fused raster of four bands with known wavelengths is written with."""
    made = OutputProfile(
        grid,
        "uint16",
        ("B2 Blue", "B3 Green", "B4 Red", "B5 NIR"),
        nodata=0,
        wavelengths_nm=(482.0, 561.4, 654.6, None),
        fwhm_nm=(60.0, 57.0, 37.5, None),
        tags=lineage_tags(
            version="0.1.0",
            method="gsa",
            options={"sensor": "generic", "seed": 0},
            inputs={"pan.tif": None, "ms.tif": None},
        ),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def write_scene(out: Path, name: str = "scene", made: OutputProfile | None = None) -> SceneRecord:
    """Write a fused raster and its reports below `out`, and return the scene's record."""
    made = made or profile()
    folder = out / name
    folder.mkdir(parents=True)
    rows, cols = np.indices((made.grid.height, made.grid.width))
    bands = [200 + 10 * i + 3 * rows + 5 * cols for i in range(made.count)]
    valid = rows >= 4
    with open_output(folder / f"{name}.tif", made) as sink:
        sink.write(made.grid.window, np.stack(bands).astype(made.dtype), valid)
    for kind in ("json", "html"):
        (folder / f"{name}.report.{kind}").write_text(f"report of {name}")
    return record(name, OutputFile(
        f"{name}/{name}.tif", sink.manifest.sha256, sink.manifest.bytes, sink.manifest.modified_ns
    ))  # fmt: skip


def record(name: str, output: OutputFile | None = None, **changes: object) -> SceneRecord:
    """Return the record of a scene that was fused."""
    made = SceneRecord(
        id=name,
        state="done",
        output=output or OutputFile(f"{name}/{name}.tif", "ab" * 32, 1000, 10**18),
        report_json=f"{name}/{name}.report.json",
        report_html=f"{name}/{name}.report.html",
        method="gsa",
        seconds=12.5,
        indices=INDICES,
        host="node1",
        versions={"pansharpkit": "0.1.0", "gdal": "3.10.3", "torch": "not installed",
                  "platform": "Linux"},
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def failed(name: str, text: str = "pan.tif: is empty (0 bytes)") -> SceneRecord:
    """Return the record of a scene that failed."""
    return SceneRecord(id=name, state="failed", error=SceneError("FileReadError", text))


def entry(name: str, **changes: object) -> SceneEntry:
    """Return what was found in the archive for a scene."""
    made = SceneEntry(name, ("/data/in/pan.tif", "/data/in/ms.tif"), "pair")
    return replace(made, **changes)  # type: ignore[arg-type]
