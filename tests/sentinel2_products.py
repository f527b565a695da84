"""Products in Sentinel-2's published layout, composed of real Landsat pixels.

Folders, file names and metadata have the structure of processing baseline 04.00 and later; the
numbers in the metadata are invented, the images are a hundred times smaller than real ones.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasters import UTM30
from scenes import MS, demo_source

from pansharpkit.grid import Window

ROWS, COLS = 60, 72
ORIGIN = Affine(10.0, 0.0, 600_000.0, 0.0, -10.0, 4_800_000.0)
SIZES = {"B01": 60, "B02": 10, "B03": 10, "B04": 10, "B05": 20, "B06": 20, "B07": 20, "B08": 10,
         "B8A": 20, "B09": 60, "B10": 60, "B11": 20, "B12": 20}  # fmt: skip
_FROM = {"B02": 0, "B03": 1, "B04": 2, "B08": 3}
STEM = "T30TXN_20210630T105031"


@dataclass
class Recipe:
    """A product to compose; tests change what they test."""

    level: str = "L2A"
    offset: int | None = -1000
    clouds: bool = True
    replaced: dict[str, str] = field(default_factory=dict)
    """Text of the metadata and what stands there instead."""
    craft: str = "Sentinel-2A"


def band(name: str, size: int) -> NDArray[np.uint16]:
    """Return real ground as a band at a pixel size; zero in the last six rows and columns."""
    fine = np.asarray(demo_source(MS, Window(100, 120, ROWS, COLS)).values, float)
    values = fine[_FROM.get(name, 3)] + 1000
    step = size // 10
    means = values.reshape(ROWS // step, step, COLS // step, step).mean((1, 3))
    edge = 6 // step if step < 6 else 1
    means[-edge:], means[:, -edge:] = 0, 0
    return np.rint(means).astype(np.uint16)


def classes(size: int) -> NDArray[np.uint8]:
    """Return a scene classification: vegetation with a cloud, a shadow and snow."""
    found = np.full((ROWS * 10 // size, COLS * 10 // size), 4, np.uint8)
    found[1:3, 2:4], found[4, 5], found[6, 6] = 9, 3, 11
    return found


def write_safe(folder: Path, recipe: Recipe | None = None) -> Path:
    """Write a product and return its .SAFE folder."""
    recipe = recipe or Recipe()
    level = recipe.level
    safe = folder / f"S2A_MSI{level}_20210630T105031_N0500_R051_T30TXN_20230101T000000.SAFE"
    granule = f"GRANULE/{level}_T30TXN_A031449_20210630T105345"
    listed = [_write_band(safe, granule, name, size, level) for name, size in _bands(level)]
    if recipe.clouds and level == "L2A":
        for size in (20, 60):
            name = f"{granule}/IMG_DATA/R{size}m/{STEM}_SCL_{size}m"
            _write(safe / f"{name}.jp2", classes(size)[None], size)
            listed.append(name)
    elif recipe.clouds:
        mask = np.zeros((3, ROWS // 6, COLS // 6), np.uint8)
        mask[0, 1, 1], mask[1, 2, 2], mask[2, 3, 3] = 1, 1, 1
        _write(safe / granule / "QI_DATA" / "MSK_CLASSI_B00.jp2", mask, 60)
    text = metadata(recipe, safe.name, listed)
    for old, new in recipe.replaced.items():
        assert old in text
        text = text.replace(old, new)
    (safe / f"MTD_MSI{level}.xml").write_text(text, encoding="utf-8")
    return safe


def _bands(level: str) -> list[tuple[str, int]]:
    """Return bands and pixel sizes that a level holds."""
    if level == "L1C":
        return list(SIZES.items())
    known = [(name, size) for name, size in SIZES.items() if name != "B10"]
    return known + [(name, 20) for name in ("B02", "B03", "B04")]


def _write_band(safe: Path, granule: str, name: str, size: int, level: str) -> str:
    image = f"{granule}/IMG_DATA/"
    image += f"{STEM}_{name}" if level == "L1C" else f"R{size}m/{STEM}_{name}_{size}m"
    _write(safe / f"{image}.jp2", band(name, size)[None], size)
    return image


def _write(path: Path, values: NDArray[np.generic], size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = values.shape
    profile = {
        "driver": "JP2OpenJPEG",
        "count": count,
        "height": height,
        "width": width,
        "dtype": values.dtype,
        "crs": UTM30,
        "transform": ORIGIN @ Affine.scale(size / 10),
        "QUALITY": "100",
        "REVERSIBLE": "YES",
    }
    with rasterio.open(path, "w", **profile) as out:
        out.write(values)


def metadata(recipe: Recipe, uri: str, images: list[str]) -> str:
    """Return the text of the product's metadata."""
    surface = recipe.level == "L2A"
    tag = "BOA_ADD_OFFSET" if surface else "RADIO_ADD_OFFSET"
    offsets = "" if recipe.offset is None else "".join(
        f'<{tag} band_id="{i}">{recipe.offset}</{tag}>' for i in range(13)
    )  # fmt: skip
    prefix = "BOA_" if surface else ""
    files = "".join(f"<IMAGE_FILE>{name}</IMAGE_FILE>" for name in images)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-{recipe.level[1:]}_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/x.xsd">
<n1:General_Info><Product_Info>
<PRODUCT_START_TIME>2021-06-30T10:50:31.024Z</PRODUCT_START_TIME>
<PRODUCT_URI>{uri}</PRODUCT_URI><PROCESSING_LEVEL>Level-{recipe.level[1:]}</PROCESSING_LEVEL>
<PROCESSING_BASELINE>05.00</PROCESSING_BASELINE>
<Datatake datatakeIdentifier="GS2A"><SPACECRAFT_NAME>{recipe.craft}</SPACECRAFT_NAME></Datatake>
<Product_Organisation><Granule_List><Granule granuleIdentifier="g" imageFormat="JPEG2000">
{files}</Granule></Granule_List></Product_Organisation></Product_Info>
<Product_Image_Characteristics>
<{prefix}QUANTIFICATION_VALUE unit="none">10000</{prefix}QUANTIFICATION_VALUE>
<Offsets>{offsets}</Offsets></Product_Image_Characteristics></n1:General_Info>
<n1:Quality_Indicators_Info><Cloud_Coverage_Assessment>3.2</Cloud_Coverage_Assessment>
</n1:Quality_Indicators_Info></n1:Level-{recipe.level[1:]}_User_Product>
"""


def pack(safe: Path) -> Path:
    """Zip a product as it is delivered."""
    packed = safe.with_suffix(".zip")
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(safe.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(safe.parent).as_posix())
    return packed
