"""Deliveries in the layouts of Maxar and Airbus, composed of real Landsat pixels.

The metadata have the vendors' structure and invented numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasters import UTM30, write_geotiff
from scenes import MS, PAN, demo_source

from pansharpkit.grid import Window
from pansharpkit.source import ArraySource

Groups = Mapping[str, Any]
"""Keys with text, or with a group, or with a list of groups."""


@dataclass(frozen=True)
class Raster:
    """Pixels and where they lie."""

    values: NDArray[np.uint16]
    transform: Affine

    def part(self, rows: tuple[int, int], cols: tuple[int, int]) -> Raster:
        origin = Affine.translation(cols[0], rows[0])
        return Raster(self.values[:, slice(*rows), slice(*cols)], self.transform @ origin)

    def bands(self, indices: Sequence[int]) -> Raster:
        return Raster(self.values[list(indices)], self.transform)


def ground(rows: int = 60, cols: int = 72) -> tuple[Raster, Raster]:
    """Return PAN and MS (blue, green, red, nir) of one place, PAN two times as fine."""
    ms = demo_source(MS, Window(100, 120, rows, cols))
    pan = demo_source(PAN, Window(199, 240, 2 * rows, 2 * cols))
    return _raster(pan), _raster(ms)


def _raster(source: ArraySource) -> Raster:
    return Raster(np.asarray(source.values, np.uint16), source.grid.transform)


def pvl(groups: Groups, indent: str = "") -> str:
    """Return metadata as Maxar's text."""
    lines = []
    for key, value in groups.items():
        if isinstance(value, Mapping):
            lines += [f"{indent}BEGIN_GROUP = {key}", pvl(value, indent + "\t").rstrip("\n")]
            lines += [f"{indent}END_GROUP = {key}"]
        else:
            lines.append(f"{indent}{key} = {value};")
    return "\n".join([*lines, "" if indent else "END;\n"])


def xml(groups: Groups) -> str:
    """Return metadata as Maxar's XML, whose tags are upper case."""
    parts = []
    for key, value in groups.items():
        inner = xml(value) if isinstance(value, Mapping) else str(value).strip('"')
        tag = key.upper().removesuffix("_1")
        tag = "TILE" if tag.startswith("TILE_") and isinstance(value, Mapping) else tag
        parts.append(f"<{tag}>{inner}</{tag}>")
    return "".join(parts)


def imd(size: tuple[int, int], codes: Sequence[str], **changes: str) -> dict[str, Any]:
    """Return what an .IMD says; `changes` are for its top and for the acquisition."""
    image = {
        "satId": '"WV02"',
        "catId": '"1030010000000000"',
        "firstLineTime": "2015-06-30T10:49:14.000000Z",
        "cloudCover": "0.027",
        "meanSunEl": "64.7",
        "meanSunAz": "140.2",
    }
    top = {
        "version": '"28.4"',
        "productOrderId": '"000000000000_01_P001"',
        "imageDescriptor": '"Standard2A"',
        "bandId": '"P"' if tuple(codes) == ("P",) else '"Multi"',
        "panSharpenAlgorithm": '"None"',
        "numRows": str(size[0]),
        "numColumns": str(size[1]),
        "productLevel": '"LV2A"',
        "radiometricLevel": '"Corrected"',
        "radiometricEnhancement": '"Off"',
        "bitsPerPixel": "16",
    }
    groups: dict[str, Any] = {**top, **{k: v for k, v in changes.items() if k not in image}}
    for code in codes:
        groups[f"BAND_{code}"] = {"absCalFactor": "1.0e-02", "effectiveBandwidth": "5.0e-02"}
    groups["IMAGE_1"] = {**image, **{k: v for k, v in changes.items() if k in image}}
    return groups


def cuts(length: int, count: int) -> list[tuple[int, int]]:
    """Cut a length into pieces; the last is the shortest, as vendors do it."""
    step = -(-length // count)
    return list(pairwise([*range(0, length, step), length]))


def write_maxar_image(
    folder: Path,
    stem: str,
    raster: Raster,
    codes: Sequence[str],
    *,
    tiles: tuple[int, int] = (2, 3),
    form: str = "imd",
    crs: str = UTM30,
    **changes: str,
) -> Path:
    """Write one image in Maxar's layout and return its metadata file.

    `form` is imd (with .TIL), single (.IMD alone), xml, or xml-ns (with a namespace).
    """
    folder.mkdir(parents=True, exist_ok=True)
    size = raster.values.shape[1:]
    what = imd(size, codes, **changes)
    til: dict[str, Any] = {"bandId": what["bandId"], "numTiles": "0"}
    if form == "single":
        write_geotiff(folder / f"{stem}.TIF", raster.values, raster.transform, crs)
    else:
        places = [
            (r, c, rows, cols)
            for r, rows in enumerate(cuts(size[0], tiles[0]), 1)
            for c, cols in enumerate(cuts(size[1], tiles[1]), 1)
        ]
        for number, (r, c, rows, cols) in enumerate(places, 1):
            head, order = stem.rsplit("-", 1)
            name = f"{head}_R{r}C{c}-{order}.TIF"
            part = raster.part(rows, cols)
            write_geotiff(folder / name, part.values, part.transform, crs)
            til[f"TILE_{number}"] = {
                "filename": f'"{name}"',
                "ULColOffset": cols[0],
                "ULRowOffset": rows[0],
                "LRColOffset": cols[1] - 1,
                "LRRowOffset": rows[1] - 1,
            }
        til["numTiles"] = str(len(places))
    if form in ("imd", "single"):
        if form == "imd":
            (folder / f"{stem}.TIL").write_text(pvl(til))
        path = folder / f"{stem}.IMD"
        path.write_text(pvl(what))
        return path
    space = ' xmlns="http://example.com/isd"' if form == "xml-ns" else ""
    path = folder / f"{stem}.XML"
    path.write_text(f"<?xml version='1.0'?><isd{space}>{xml({'IMD': what, 'TIL': til})}</isd>")
    return path


def write_maxar(
    folder: Path, *, form: str = "imd", pan: Raster | None = None, **changes: str
) -> Path:
    """Write a bundle: a PAN and a MUL folder with four bands each in the usual order."""
    own_pan, ms = ground()
    stem = "15JUN30104914-{}2AS-000000000000_01_P001"
    write_maxar_image(
        folder / "000000000000_01_P001_PAN",
        stem.format("P"),
        pan or own_pan,
        ("P",),
        form=form,
        **changes,
    )
    write_maxar_image(
        folder / "000000000000_01_P001_MUL",
        stem.format("M"),
        ms,
        ("B", "G", "R", "N"),
        form=form,
        tiles=(2, 2),
        **changes,
    )
    (folder / "README.TXT").write_text("delivery")
    for part in ("PAN", "MUL"):  # the same name in both, as in real deliveries
        (folder / f"000000000000_01_P001_{part}" / "README.TXT").write_text(part)
    return folder


@dataclass(frozen=True)
class Files:
    """A set of image files of a DIMAP product."""

    prefix: str
    indices: Sequence[int]
    """Bands of the raster."""
    codes: Sequence[str] = ()
    """Identifiers that a list of indices gives; none for products without such a list."""


CALIBRATION = """<Band_Radiance><BAND_ID>{0}</BAND_ID><GAIN>10.0</GAIN><BIAS>0.5</BIAS>
</Band_Radiance><Band_Solar_Irradiance><BAND_ID>{0}</BAND_ID><VALUE>1500</VALUE>
</Band_Solar_Irradiance><Band_Reflectance><BAND_ID>{0}</BAND_ID><GAIN>10000</GAIN><BIAS>0</BIAS>
</Band_Reflectance>"""

DIM = """<?xml version="1.0" encoding="UTF-8"?>
<Dimap_Document>
<Metadata_Identification><METADATA_FORMAT version="2.15">DIMAP</METADATA_FORMAT>
</Metadata_Identification>
<Dataset_Identification><DATASET_NAME version="1.0">{name}</DATASET_NAME></Dataset_Identification>
<Coordinate_Reference_System><Projected_CRS>
<PROJECTED_CRS_CODE>urn:ogc:def:crs:EPSG::32630</PROJECTED_CRS_CODE></Projected_CRS>
</Coordinate_Reference_System>
<Geoposition><Raster_CRS><RASTER_GEOMETRY>GROUND</RASTER_GEOMETRY>
<PIXEL_CRS_TYPE>CELL</PIXEL_CRS_TYPE></Raster_CRS><Geoposition_Insert>
<ULXMAP unit="m">{left}</ULXMAP><ULYMAP unit="m">{top}</ULYMAP>
<XDIM unit="m">{step}</XDIM><YDIM unit="m">{step}</YDIM></Geoposition_Insert></Geoposition>
<Processing_Information><Product_Settings><PROCESSING_LEVEL>{level}</PROCESSING_LEVEL>
<SPECTRAL_PROCESSING>{spectral}</SPECTRAL_PROCESSING><Radiometric_Settings>
<RADIOMETRIC_PROCESSING>{radiometric}</RADIOMETRIC_PROCESSING></Radiometric_Settings>
</Product_Settings></Processing_Information>
<Raster_Data><Data_Access><DATA_FILE_ORGANISATION>BAND_COMPOSITE</DATA_FILE_ORGANISATION>
{files}</Data_Access>
<Raster_Dimensions><NROWS>{rows}</NROWS><NCOLS>{cols}</NCOLS><NBANDS>{bands}</NBANDS>
<Tile_Set><NTILES>{count}</NTILES>{tiling}</Tile_Set></Raster_Dimensions>
{display}</Raster_Data>
<Radiometric_Data><Band_Measurement_List>{calibration}</Band_Measurement_List></Radiometric_Data>
<Geometric_Data><Use_Area><Located_Geometric_Values><LOCATION_TYPE>Center</LOCATION_TYPE>
<TIME>{date}T{time}Z</TIME><Solar_Incidences><SUN_ELEVATION unit="deg">64.7</SUN_ELEVATION>
</Solar_Incidences></Located_Geometric_Values></Use_Area></Geometric_Data>
<Dataset_Sources><Source_Identification><Strip_Source><MISSION>{mission}</MISSION>
<MISSION_INDEX>{index}</MISSION_INDEX><IMAGING_DATE>{date}</IMAGING_DATE>
<IMAGING_TIME>{time}</IMAGING_TIME></Strip_Source></Source_Identification></Dataset_Sources>
</Dimap_Document>
"""

SPECIAL = """<Special_Value><SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT>
<SPECIAL_VALUE_COUNT>0</SPECIAL_VALUE_COUNT></Special_Value><Special_Value>
<SPECIAL_VALUE_TEXT>SATURATED</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_COUNT>4095</SPECIAL_VALUE_COUNT>
</Special_Value>"""

CHANNELS = """<Raster_Display><Band_Display_Order><RED_CHANNEL>B2</RED_CHANNEL>
<GREEN_CHANNEL>B1</GREEN_CHANNEL><BLUE_CHANNEL>B0</BLUE_CHANNEL><ALPHA_CHANNEL>B3</ALPHA_CHANNEL>
</Band_Display_Order>{}</Raster_Display>"""


def write_dimap_image(
    folder: Path,
    name: str,
    raster: Raster,
    codes: Sequence[str],
    sets: Sequence[Files],
    *,
    tiles: tuple[int, int] = (2, 2),
    suffix: str = "TIF",
    georeferenced: bool = True,
    **changes: str,
) -> Path:
    """Write one image in the layout of DIMAP version 2 and return its DIM_*.XML."""
    folder.mkdir(parents=True, exist_ok=True)
    _, rows, cols = raster.values.shape
    blocks = []
    for group in sets:
        lines = []
        for r, row in enumerate(cuts(rows, tiles[0]), 1):
            for c, col in enumerate(cuts(cols, tiles[1]), 1):
                file = f"{group.prefix}_R{r}C{c}.{suffix}"
                part = raster.part(row, col).bands(group.indices)
                write_image(folder / file, part, georeferenced)
                lines.append(
                    f'<Data_File tile_R="{r}" tile_C="{c}"><DATA_FILE_PATH href="{file}"/>'
                    "</Data_File>"
                )
        listed = "".join(
            f"<Raster_Index><BAND_ID>{code}</BAND_ID><BAND_INDEX>{i}</BAND_INDEX></Raster_Index>"
            for i, code in enumerate(group.codes, 1)
        )
        display = f"<Raster_Index_List>{listed}</Raster_Index_List>{SPECIAL}" if listed else ""
        display = f"<Raster_Display>{display}</Raster_Display>" if display else ""
        blocks.append(f"<Data_Files>{''.join(lines)}{display}</Data_Files>")
    size = [pieces[0][1] for pieces in (cuts(rows, tiles[0]), cuts(cols, tiles[1]))]
    facts = {
        "name": name,
        "left": raster.transform.c,
        "top": raster.transform.f,
        "step": raster.transform.a,
        "level": "ORTHO",
        "spectral": "PAN" if len(codes) == 1 else "MS",
        "radiometric": "BASIC",
        "rows": rows,
        "cols": cols,
        "bands": len(codes),
        "count": tiles[0] * tiles[1],
        "files": "".join(blocks),
        "tiling": f'<Regular_Tiling><NTILES_SIZE nrows="{size[0]}" ncols="{size[1]}"/>'
        f'<NTILES_COUNT ntiles_R="{tiles[0]}" ntiles_C="{tiles[1]}"/>'
        "<OVERLAP_ROW>0</OVERLAP_ROW><OVERLAP_COL>0</OVERLAP_COL></Regular_Tiling>",
        "display": ""
        if sets[0].codes
        else CHANNELS.format(SPECIAL)
        if len(codes) > 1
        else f"<Raster_Display>{SPECIAL}</Raster_Display>",
        "calibration": "".join(CALIBRATION.format(code) for code in codes),
        "mission": "PHR",
        "index": "1A",
        "date": "2015-06-30",
        "time": "10:49:14.0",
        **changes,
    }
    path = folder / f"DIM_{name}.XML"
    path.write_text(DIM.format(**facts))
    return path


def write_image(path: Path, raster: Raster, georeferenced: bool = True) -> Path:
    """Write a GeoTIFF, or JPEG 2000 without loss."""
    transform, crs = (raster.transform, UTM30) if georeferenced else (None, None)
    if path.suffix != ".JP2":
        return write_geotiff(path, raster.values, transform, crs)
    count, height, width = raster.values.shape
    profile: dict[str, Any] = {"count": count, "height": height, "width": width, "dtype": "uint16"}
    if georeferenced:
        profile |= {"transform": transform, "crs": crs}
    options = {"QUALITY": "100", "REVERSIBLE": "YES"}
    with rasterio.open(path, "w", driver="JP2OpenJPEG", **profile, **options) as out:
        out.write(raster.values)
    return path


def write_dimap(folder: Path, *, suffix: str = "TIF", **changes: Any) -> Path:
    """Write a bundle of Pléiades: PAN, and an MS whose files hold red, green, blue, infrared."""
    pan, ms = ground()
    write_dimap_image(
        folder / "IMG_PHR1A_P_001",
        "PHR1A_P_201506301049140_ORT_1",
        pan,
        ("P",),
        [Files("IMG_PHR1A_P_201506301049140_ORT_1", [0])],
        suffix=suffix,
        **changes,
    )
    write_dimap_image(
        folder / "IMG_PHR1A_MS_002",
        "PHR1A_MS_201506301049142_ORT_2",
        ms,
        ("B0", "B1", "B2", "B3"),
        [Files("IMG_PHR1A_MS_201506301049142_ORT_2", [2, 1, 0, 3])],
        suffix=suffix,
        tiles=(1, 2),
        **changes,
    )
    (folder / "VOL_PHR.XML").write_text("<Dimap_Document/>")
    return folder


def write_pneo(folder: Path) -> Path:
    """Write a bundle of Pléiades Neo, whose six MS bands lie in two sets of files."""
    pan, ms = ground()
    values = ms.values[[2, 1, 0, 3, 2, 0]]
    values[4:] += np.array([7, 9], np.uint16)[:, None, None]
    six = Raster(values, ms.transform)
    neo = {"mission": "PNEO", "index": "3"}
    write_dimap_image(
        folder / "IMG_01_PNEO3_PAN",
        "PNEO3_PAN",
        pan,
        ("PAN",),
        [Files("IMG_PNEO3_PAN_P", [0], ("PAN",))],
        **neo,
    )
    write_dimap_image(
        folder / "IMG_02_PNEO3_MS-FS",
        "PNEO3_MS-FS",
        six,
        ("R", "G", "B", "NIR", "RE", "DB"),
        [
            Files("IMG_PNEO3_MS-FS_RGB", [0, 1, 2], ("R", "G", "B")),
            Files("IMG_PNEO3_MS-FS_NED", [3, 4, 5], ("NIR", "RE", "DB")),
        ],
        spectral="MS-FS",
        **neo,
    )
    return folder
