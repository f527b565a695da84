"""Products in PRISMA's published layout, composed of real Landsat pixels.

Wavelengths, widths and attributes have the structure that the product specification and public
readers give; the numbers are invented where the pixels do not give them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer
from scenes import MS, PAN, demo_source

from pansharpkit.grid import Window

ROWS, COLS, RATIO = 12, 15, 6
WEST, NORTH, EPSG = 605_025.0, 4_744_965.0, 32630
"""Map coordinates of the first cube pixel's centre."""
VNIR = np.linspace(1010.0, 400.0, 20)
SWIR = np.linspace(2500.0, 920.0, 40)
_LANDSAT_NM = (482.0, 561.0, 655.0, 865.0)


@dataclass(frozen=True)
class Made:
    """What a composed product holds, in the order of the file."""

    vnir: NDArray[np.uint16]
    """[rows, bands, cols]"""
    swir: NDArray[np.uint16]
    pan: NDArray[np.uint16]


@dataclass
class Recipe:
    """A product to compose; tests change what they test."""

    level: str = "2D"
    pan_inset: float = 15.0
    """Metres from the first cube pixel's centre to PAN's outer edge."""
    positions: bool = True
    """Whether there are latitudes and longitudes."""
    attributes: dict[str, Any] = field(default_factory=dict)
    """Added or, if None, left out."""
    storage: dict[str, Any] = field(default_factory=lambda: {"chunks": True, "compression": 4})
    clouds: bool = False


def pixels() -> Made:
    """Return real ground as both detectors' numbers and PAN's; PAN six times as fine."""
    pan = demo_source(PAN, Window(200, 240, ROWS * RATIO, COLS * RATIO)).values[0]
    fine = np.asarray(demo_source(MS, Window(100, 120, ROWS * 3, COLS * 3)).values, float)
    coarse = fine.reshape(4, ROWS, 3, COLS, 3).mean((2, 4))
    return Made(_bands(coarse, VNIR), _bands(coarse, SWIR), np.asarray(pan, np.uint16))


def _bands(coarse: NDArray[np.float64], centers: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Interpolate four Landsat bands to others; beyond the last one they fade."""
    flat = coarse.reshape(4, -1)
    spectra = np.array([np.interp(centers, _LANDSAT_NM, column) for column in flat.T]).T
    spectra *= np.minimum(1, 900 / centers)[:, None]
    return np.rint(spectra).reshape(-1, *coarse.shape[1:]).transpose(1, 0, 2).astype(np.uint16)


def write_prisma(path: Path, recipe: Recipe | None = None) -> Made:
    """Write a product; returns what it holds."""
    recipe, made = recipe or Recipe(), pixels()
    level = recipe.level
    with h5py.File(path, "w") as file:
        cube = file.create_group(f"HDFEOS/SWATHS/PRS_L{level}_HCO")
        pan = file.create_group(f"HDFEOS/SWATHS/PRS_L{level}_PCO")
        cube.create_dataset("Data Fields/VNIR_Cube", data=made.vnir, **recipe.storage)
        cube.create_dataset("Data Fields/SWIR_Cube", data=made.swir, **recipe.storage)
        pan.create_dataset("Data Fields/Cube", data=made.pan, **recipe.storage)
        if recipe.clouds:
            classes = np.zeros((ROWS, COLS), np.uint8)
            classes[2:4, 5:8], classes[0, 0] = 1, 10
            hrc = file.create_group(f"HDFEOS/SWATHS/PRS_L{level}_HRC")
            hrc.create_dataset("Data Fields/Cloud_Mask", data=classes)
        if recipe.positions:
            _positions(cube, 30.0, (ROWS, COLS), 15.0)
            _positions(pan, 5.0, made.pan.shape, recipe.pan_inset)
        for key, value in {**_attributes(level), **recipe.attributes}.items():
            if value is not None:
                file.attrs[key] = value
    return made


def _positions(group: h5py.Group, pixel: float, size: tuple[int, ...], inset: float) -> None:
    x = WEST - inset + pixel * (np.arange(size[1]) + 0.5)
    y = NORTH + inset - pixel * (np.arange(size[0]) + 0.5)
    way = Transformer.from_crs(EPSG, 4326, always_xy=True)
    lon, lat = way.transform(*np.meshgrid(x, y))
    group.create_dataset("Geolocation Fields/Longitude", data=lon.astype(np.float32))
    group.create_dataset("Geolocation Fields/Latitude", data=lat.astype(np.float32))


def _attributes(level: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "Product_ID": np.bytes_(f"PRS_L{level}_STD"),
        "Processing_Level": np.bytes_(level),
        "Product_StartTime": np.bytes_("2021-06-30T10:45:30.127000"),
        "Sun_zenith_angle": np.float32(28.5),
        "List_Cw_Vnir": np.append(VNIR[:-2], [0, 0]).astype(np.float32),
        "List_Cw_Swir": np.append(SWIR[:-1], [0]).astype(np.float32),
        "List_Fwhm_Vnir": np.append(np.full(18, 11.5), [0, 0]).astype(np.float32),
        "List_Fwhm_Swir": np.append(np.full(39, 12.5), [0]).astype(np.float32),
        "List_Cw_Vnir_Flags": np.append(np.ones(18), [0, 0]).astype(np.uint8),
        "List_Cw_Swir_Flags": np.append(np.ones(39), [0]).astype(np.uint8),
    }
    if level == "1":
        for name, factor in (("Vnir", 100.0), ("Swir", 100.0), ("Pan", 100.0)):
            found[f"ScaleFactor_{name}"] = np.float32(factor)
            found[f"Offset_{name}"] = np.float32(0)
        return found
    for name, top in (("Vnir", 1.2), ("Swir", 0.8), ("Pan", 1.0)):
        found[f"L2Scale{name}Min"], found[f"L2Scale{name}Max"] = np.float32(0), np.float32(top)
    if level == "2D":
        east, south = WEST + 30 * (COLS - 1), NORTH - 30 * (ROWS - 1)
        corners = {"UL": (WEST, NORTH), "UR": (east, NORTH), "LL": (WEST, south)}
        for name, (x, y) in {**corners, "LR": (east, south)}.items():
            found[f"Product_{name}corner_easting"] = x
            found[f"Product_{name}corner_northing"] = y
        found["Epsg_Code"], found["Projection_Id"] = np.int64(EPSG), np.bytes_("30")
    return found
