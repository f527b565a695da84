"""Where an ENVI image lies: its map info and its coordinate system string."""

from __future__ import annotations

import math

from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import CRSError

from pansharpkit.errors import GridError, OptionError
from pansharpkit.grid import Grid
from pansharpkit.readers.envi.header import Header
from pansharpkit.readers.safe_open import printable
from pansharpkit.readers.xmltree import finite

_UTM = {"wgs84": (32600, 32700), "nad83": (26900, None), "nad27": (26700, None)}
"""EPSG codes of UTM zone 0 north and south by datum."""
_GEOGRAPHIC = {"wgs84": 4326, "nad83": 4269, "nad27": 4267}
_UNITS = {"utm": ("meters", "metres"), "geographiclatlon": ("degrees",)}
"""In what map info of these kinds counts; others, such as feet, need a coordinate system string."""
_LONGEST_WKT = 20_000
_FEWEST = 7


def read_grid(header: Header, height: int, width: int, assume_crs: str | None) -> Grid:
    """Return the grid of an ENVI image.

    Without a usable map info the grid has no CRS and the identity for its transform: the file does
    not say where it lies. The reference pixel (1, 1) is the outer corner of the first pixel; a
    rotation is degrees counter-clockwise.

    Raises
    ------
    GridError
        If the map info makes no sense, or its CRS is not known and none is assumed.
    OptionError
        If the CRS assumed is none.
    """
    items = header.items("map info")
    if not items or items[0].casefold() in ("arbitrary", "pixel", "image"):
        return Grid(height, width, Affine.identity(), None)
    transform = _transform(items, header.label)
    crs = _declared(header, items) or _assumed(assume_crs)
    if crs is None:
        shown = ", ".join((items[0], *items[_FEWEST:]))[:80]
        raise GridError(
            f"{header.label}: the CRS of its map info ({shown}) is not understood and it has no "
            "coordinate system string; pass --assume-crs EPSG:code if you know it"
        )
    return Grid(height, width, transform, crs)


def _transform(items: tuple[str, ...], label: str) -> Affine:
    if len(items) < _FEWEST:
        raise GridError(f"{label}: map info has {len(items)} values, at least 7 are needed")
    col, row, x, y, dx, dy = (finite(item, "map info", label) for item in items[1:_FEWEST])
    if min(dx, dy) <= 0:
        raise GridError(
            f"{label}: map info gives a pixel of {dx:g} x {dy:g}, which must be positive"
        )
    turn = math.radians(_named(items, "rotation", label))
    cos, sin = math.cos(turn), math.sin(turn)
    turned = Affine(dx * cos, dy * sin, x, dx * sin, -dy * cos, y)
    placed: Affine = turned @ Affine.translation(1 - col, 1 - row)
    return placed


def _named(items: tuple[str, ...], key: str, label: str) -> float:
    """Return the value of an item such as ``rotation=12.5``; 0 if there is none."""
    for item in items[_FEWEST:]:
        name, equals, value = item.partition("=")
        if equals and name.strip().casefold() == key:
            return finite(value.strip(), key, label)
    return 0.0


def _declared(header: Header, items: tuple[str, ...]) -> CRS | None:
    text = header.entries.get("coordinate system string", "")
    wkt = text.strip().removeprefix("{").removesuffix("}").strip()
    if wkt and len(wkt) <= _LONGEST_WKT:
        try:
            return CRS.from_wkt(" ".join(wkt.split()))
        except CRSError:
            raise GridError(
                f"{header.label}: its coordinate system string cannot be understood; correct it, "
                "or remove it and pass --assume-crs EPSG:code"
            ) from None
    return _by_name(items, header.label)


def _by_name(items: tuple[str, ...], label: str) -> CRS | None:
    """Return the CRS that the names in a map info mean, as ``UTM, ..., 33, North, WGS-84``."""
    words = [_plain(item) for item in items[_FEWEST:]]
    kind = _plain(items[0])
    units = {word.removeprefix("units") for word in words if word.startswith("units")} - {""}
    if kind in _UNITS and not units.issubset(_UNITS[kind]):
        return None
    if kind == "utm" and len(words) >= 3:
        zone, south = finite(words[0], "UTM zone", label), words[1] == "south"
        base = _UTM.get(words[2], (None, None))[south]
        if zone not in range(1, 61):
            raise GridError(
                f"{label}: map info names UTM zone {printable(words[0])}; expected 1-60"
            )
        return None if base is None else CRS.from_epsg(base + int(zone))
    if kind == "geographiclatlon" and words:
        code = _GEOGRAPHIC.get(words[0])
        return None if code is None else CRS.from_epsg(code)
    return None


def _plain(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


def _assumed(text: str | None) -> CRS | None:
    if text is None:
        return None
    try:
        return CRS.from_user_input(text)
    except (CRSError, ValueError):
        raise OptionError(f"--assume-crs {text}: is not a CRS; write EPSG:32630 or WKT") from None
