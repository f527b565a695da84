"""A QGIS style beside a fused raster, so that it opens in natural colours."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from pansharpkit.archive.product import Product, read_product
from pansharpkit.archive.stac.single import is_geotiff
from pansharpkit.archive.thumbnail import read_small
from pansharpkit.errors import OptionError
from pansharpkit.writer.whole import write_whole

_SIDE = 1024
_GAMMA = 1.5  # that of the report's pictures
_CHANNELS = ("red", "green", "blue")
_HEAD = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
Limits = Sequence[tuple[float, float]]


def path_of(output: Path) -> Path:
    """Return the name under which QGIS looks for the style of a raster."""
    return output.with_suffix(".qml")


def check_styled(output: Path, *, overwrite: bool) -> None:
    """Refuse an output that has no style, or one whose style is there already.

    Raises
    ------
    OptionError
        If it is no GeoTIFF, or there is a style that must not be replaced.
    """
    if not is_geotiff(output):
        raise OptionError(f"{output}: --qml is for GeoTIFFs; write a .tif")
    if not overwrite and path_of(output).exists():
        raise OptionError(f"{path_of(output)} exists; pass --overwrite to replace it")


def write_style(output: Path) -> Path:
    """Write the style beside a fused raster and return its path.

    Natural colours where the bands allow, from the 2nd to the 98th percentile of each.

    Raises
    ------
    PansharpkitError
        If the raster cannot be read, or the style not be written.
    """
    path = path_of(output.absolute())
    write_whole(path, style(read_product(output)))
    return path


def style(product: Product) -> str:
    """Return the style of a raster, as QGIS 3 stores it."""
    from pansharpkit.report.quicklook import limits_of, rgb_bands

    bands = product.bands
    shown = rgb_bands([band.name for band in bands], [band.center_nm for band in bands])
    wanted = sorted(set(shown))
    channels = shown if len(wanted) > 1 else wanted
    values, valid = read_small(product, wanted, _SIDE)
    found = dict(zip(wanted, limits_of(values, valid).tolist(), strict=True))
    return _document([band + 1 for band in channels], [tuple(found[band]) for band in channels])


def _document(bands: Sequence[int], limits: Limits) -> str:
    """Return the style that shows one band in grey or three in colours, numbered from 1."""
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology")
    pipe = ET.SubElement(root, "pipe")
    pipe.append(_grey(bands, limits) if len(bands) == 1 else _colours(bands, limits))
    ET.SubElement(pipe, "brightnesscontrast", brightness="0", contrast="0", gamma=f"{_GAMMA:g}")
    ET.SubElement(root, "blendMode").text = "0"
    ET.indent(root)
    return _HEAD + ET.tostring(root, encoding="unicode") + "\n"


def _colours(bands: Sequence[int], limits: Limits) -> ET.Element:
    numbers = {f"{name}Band": str(band) for name, band in zip(_CHANNELS, bands, strict=True)}
    renderer = _renderer("multibandcolor", numbers)
    for name, ends in zip(_CHANNELS, limits, strict=True):
        _enhance(renderer, f"{name}ContrastEnhancement", ends)
    return renderer


def _grey(bands: Sequence[int], limits: Limits) -> ET.Element:
    renderer = _renderer("singlebandgray", {"grayBand": str(bands[0]), "gradient": "BlackToWhite"})
    _enhance(renderer, "contrastEnhancement", limits[0])
    return renderer


def _renderer(kind: str, bands: dict[str, str]) -> ET.Element:
    renderer = ET.Element("rasterrenderer", type=kind, opacity="1", alphaBand="-1", attrib=bands)
    ET.SubElement(renderer, "rasterTransparency")
    origin = ET.SubElement(renderer, "minMaxOrigin")
    # "None" keeps the limits below; anything else would let QGIS estimate its own.
    for name, text in (("limits", "None"), ("extent", "WholeRaster"), ("statAccuracy", "Exact")):
        ET.SubElement(origin, name).text = text
    return renderer


def _enhance(renderer: ET.Element, name: str, ends: tuple[float, float]) -> None:
    enhancement = ET.SubElement(renderer, name)
    for tag, value in zip(("minValue", "maxValue"), ends, strict=True):
        ET.SubElement(enhancement, tag).text = f"{value:.10g}"
    ET.SubElement(enhancement, "algorithm").text = "StretchToMinimumMaximum"
