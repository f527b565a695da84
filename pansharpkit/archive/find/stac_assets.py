"""Which assets of a STAC item are PAN and MS."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pansharpkit.archive.find.stac_json import Json, objects, text, texts

_NO_DATA = {
    "thumbnail", "overview", "metadata", "visual", "cloud", "cloud-shadow", "snow-ice",
    "water-mask", "data-mask", "saturation", "land-water", "iso-19115", "graphic",
}  # fmt: skip
_PAN = {"pan", "panchromatic"}
_MS = {"ms", "mul", "mss", "multispectral", "multi", "analytic", "bundle_ms", "xs"}
_COLOURS = (("blue",), ("green",), ("red",), ("nir", "nir08"))
"""What PAN sharpens, or nearly: the bands that are put together from assets of one band."""
_RASTER = re.compile(r"\.(tiff?|jp2)$", re.IGNORECASE)


@dataclass(frozen=True)
class Asset:
    """A raster of an item."""

    key: str
    href: str
    bands: tuple[str, ...]
    """Common names, or names where there are none; empty if the item does not say."""


@dataclass(frozen=True)
class Chosen:
    """What of an item goes into a scene; assets that it does not have are empty."""

    mtl: str = ""
    """Link to Landsat metadata."""
    pan: tuple[Asset, ...] = ()
    """More than one if it cannot be told which."""
    ms: tuple[Asset, ...] = ()
    """The same of images of several bands."""
    bands: tuple[Asset, ...] = ()
    """Images of one band, blue to infrared; of use where there is no MS."""
    unsure: tuple[Asset, ...] = ()
    """Images of one band of which several are of one colour."""


def choose(item: Json) -> Chosen:
    """Tell the assets of an item apart by their bands' common names, roles and keys."""
    assets = item.get("assets")
    listed = assets if isinstance(assets, dict) else {}
    known = {key: value for key, value in listed.items() if isinstance(value, dict)}
    rasters = [_asset(key, value) for key, value in known.items() if _is_data(key, value)]
    pans = [asset for asset in rasters if _is_pan(asset)]
    several = [asset for asset in rasters if asset not in pans and _is_ms(asset)]
    colours = [_of_colour(rasters, names) for names in _COLOURS]
    return Chosen(
        mtl=_mtl(known),
        pan=tuple(pans),
        ms=_best(several),
        bands=tuple(found[0] for found in colours if found),
        unsure=() if several else next((found for found in colours if len(found) > 1), ()),
    )


def _of_colour(rasters: Sequence[Asset], names: Sequence[str]) -> tuple[Asset, ...]:
    """Return the images of one band that has the first of these names that is there."""
    for name in names:
        found = tuple(a for a in rasters if (a.bands or (a.key.casefold(),)) == (name,))
        if found:
            return found
    return ()


def _is_data(key: str, asset: Json) -> bool:
    href = text(asset.get("href")).partition("?")[0]
    media = text(asset.get("type")).casefold()
    raster = _RASTER.search(href) is not None or media.startswith(("image/tiff", "image/jp2"))
    return raster and not _NO_DATA & {role.casefold() for role in (*texts(asset.get("roles")), key)}


def _asset(key: str, asset: Json) -> Asset:
    bands = objects(asset.get("bands")) or objects(asset.get("eo:bands"))
    names = [
        text(band.get("eo:common_name")) or text(band.get("common_name")) or text(band.get("name"))
        for band in bands
    ]
    return Asset(key, text(asset.get("href")), tuple(name.casefold() for name in names))


def _is_pan(asset: Asset) -> bool:
    if asset.bands:
        return len(asset.bands) == 1 and (asset.bands[0] in _PAN or (asset.key.casefold() in _PAN))
    return asset.key.casefold() in _PAN


def _is_ms(asset: Asset) -> bool:
    if asset.bands:
        return len(asset.bands) > 1 and not _PAN & set(asset.bands)
    return asset.key.casefold() in _MS


def _best(several: Sequence[Asset]) -> tuple[Asset, ...]:
    """Return those that are called MS, if some are."""
    called = tuple(asset for asset in several if asset.key.casefold() in _MS)
    return called or tuple(several)


def _mtl(assets: Mapping[str, Json]) -> str:
    """Return the link to Landsat metadata, in text form if there are several."""
    links = [text(asset.get("href")) for asset in assets.values()]
    for form in ("txt", "json", "xml"):
        for link in links:
            if PurePosixPath(link).name.casefold().endswith(f"_mtl.{form}"):
                return link
    return ""
