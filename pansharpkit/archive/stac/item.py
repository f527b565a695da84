"""A fused scene as a STAC item: what it is, where, when, how it was made and how good it is.

STAC 1.1.0 with bands that all extensions share, as its core has them.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from pydantic import JsonValue

from pansharpkit.archive.entry import SceneEntry
from pansharpkit.archive.product import Product, read_product
from pansharpkit.archive.record import OutputFile, SceneRecord
from pansharpkit.archive.stac.fields import (
    band_fields,
    eo_used,
    projection_fields,
    resolution,
    time_fields,
    timestamp,
)
from pansharpkit.archive.stac.footprint import footprint
from pansharpkit.archive.thumbnail import thumbnail
from pansharpkit.errors import MetadataError
from pansharpkit.output import QUALITY, UNCERTAINTY
from pansharpkit.writer import sha256_of
from pansharpkit.writer.whole import write_whole

Json = dict[str, JsonValue]

STAC_VERSION = "1.1.0"
COLLECTION_ID = "fused-scenes"
_SITE = "https://stac-extensions.github.io"
PROJECTION = f"{_SITE}/projection/v2.0.0/schema.json"
RASTER = f"{_SITE}/raster/v2.0.0/schema.json"
EO = f"{_SITE}/eo/v2.0.0/schema.json"
FILE = f"{_SITE}/file/v2.1.0/schema.json"
PROCESSING = f"{_SITE}/processing/v1.2.0/schema.json"

GEOJSON, JSON = "application/geo+json", "application/json"
_TIFF = "image/tiff; application=geotiff"
_COG = f"{_TIFF}; profile=cloud-optimized"
_THUMBNAIL = ".thumbnail.jpg"
_SHA256 = "1220"  # multihash: the function, and its 32 bytes
_ITEM = ".json, item "
"""What the source of a scene says between file and name of the STAC item that led to it."""


def write_item(record: SceneRecord, entry: SceneEntry, out: Path) -> Path:
    """Write thumbnail and STAC item of a scene of a batch beside its raster, ``NAME.json``.

    Returns the item's path.

    Raises
    ------
    PansharpkitError
        If the scene has no raster, or that cannot be read, or the files cannot be written.
    """
    product = _with_thumbnail(record, out)
    path = product.path.with_suffix(".json")
    _write(path, _catalogued(_item(record, entry, product, out), product, out))
    return path


def write_single_item(record: SceneRecord, entry: SceneEntry, out: Path) -> Path:
    """Write the same beside a raster that is in no catalogue, as ``NAME.stac.json``.

    Raises
    ------
    PansharpkitError
        If the raster cannot be read, or the files cannot be written.
    """
    product = _with_thumbnail(record, out)
    path = product.path.with_suffix(".stac.json")
    _write(path, _item(record, entry, product, out))
    return path


def item_of(record: SceneRecord, entry: SceneEntry, out: Path) -> Json:
    """Return the STAC item of a scene of a batch, whose raster lies below `out`.

    Raises
    ------
    PansharpkitError
        If the scene has no raster, or that cannot be read.
    """
    product = read_product(out / _raster_of(record).path)
    return _catalogued(_item(record, entry, product, out), product, out)


def _with_thumbnail(record: SceneRecord, out: Path) -> Product:
    product = read_product(out / _raster_of(record).path)
    write_whole(thumbnail_path(product.path), thumbnail(product.path))
    return product


def _write(path: Path, item: Json) -> None:
    write_whole(path, json.dumps(item, indent=2, allow_nan=False) + "\n")


def thumbnail_path(raster: Path) -> Path:
    """Return where the thumbnail of a raster lies."""
    return raster.with_suffix(_THUMBNAIL)


def _raster_of(record: SceneRecord) -> OutputFile:
    if record.output is None:
        raise MetadataError(f"{record.id}: has no raster, and so no item in the catalogue")
    return record.output


def _item(record: SceneRecord, entry: SceneEntry, product: Product, out: Path) -> Json:
    place = footprint(product.grid)
    item: Json = {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": list(_extensions(product)),
        "id": record.id,
        "geometry": None if place is None else place.to_geojson(),
        "properties": _properties(record, entry, product),
        "links": list(_links(record, entry, product, out)),
        "assets": _assets(record, product, out),
    }
    if place is not None:  # without geometry there must be no box
        item["bbox"] = list(place.box)
    return item


def _catalogued(item: Json, product: Product, out: Path) -> Json:
    """Return an item with its links to collection and catalogue."""
    up = os.path.relpath(out, product.path.parent).replace(os.sep, "/")
    own = item["links"]
    assert isinstance(own, list)
    links: list[JsonValue] = [
        {"rel": rel, "href": f"{up}/{name}.json", "type": JSON}
        for rel, name in (
            ("root", "catalog"), ("parent", "collection"), ("collection", "collection")
        )
    ]  # fmt: skip
    return item | {"links": [*links, *own], "collection": COLLECTION_ID}


def _extensions(product: Product) -> Iterator[str]:
    yield from (PROJECTION, RASTER, FILE, PROCESSING)
    if eo_used(product):
        yield EO


def _properties(record: SceneRecord, entry: SceneEntry, product: Product) -> Json:
    written = timestamp(datetime.fromtimestamp(_raster_of(record).modified_ns / 1e9, UTC))
    found: Json = {
        "title": record.id,
        **time_fields(entry, product, written),
        "created": written,
        **projection_fields(product),
        "processing:lineage": _lineage(record, product),
        "processing:software": _software(record),
        "processing:datetime": written,
        "pansharpkit:state": record.state,
        "pansharpkit:method": record.method,
    }
    size = resolution(product)
    if size is not None:
        found["gsd"] = size
    if product.sensor is not None:
        found["pansharpkit:sensor"] = product.sensor
    if record.flags:
        found["pansharpkit:flags"] = list(record.flags)
    for name, value in record.indices.items():
        if value is not None and math.isfinite(value):
            found[f"pansharpkit:{name}"] = value
    return found


def _software(record: SceneRecord) -> Json:
    absent = ("platform", "not installed")
    return {name: found for name, found in record.versions.items() if not {name, found} & {*absent}}


def _lineage(record: SceneRecord, product: Product) -> str:
    tags = product.tags
    said = f"pansharpkit {tags.get('PANSHARPKIT_VERSION', '')}".rstrip()
    text = f"Fused by {said} with the method {record.method}"
    if options := tags.get("PANSHARPKIT_OPTIONS"):
        text += f", options {options}"
    if inputs := tags.get("PANSHARPKIT_INPUTS"):
        text += f", from {inputs}"
    return f"{text}."


def _links(record: SceneRecord, entry: SceneEntry, product: Product, out: Path) -> Iterator[Json]:
    if record.report_json is not None:
        href = _beside(record.report_json, product, out)
        yield {"rel": "processing-validation", "href": href, "type": JSON,
               "title": "Quality report"}  # fmt: skip
    for name, kind in _origins(entry):
        link: Json = {"rel": "derived_from", "href": _reference(name, product.path.parent),
                      "title": name.replace("\\", "/").rpartition("/")[2]}  # fmt: skip
        yield link | ({"type": kind} if kind else {})


def _origins(entry: SceneEntry) -> Iterator[tuple[str, str]]:
    """Yield what a scene was made from with its media type: its STAC item, if any, and files."""
    path, found, _ = entry.source.partition(_ITEM)
    item = Path(path + _ITEM.partition(",")[0])
    if found and item.is_file():
        yield str(item), GEOJSON
    for name in entry.inputs:
        yield name, _TIFF if name.lower().endswith((".tif", ".tiff")) else ""


def _reference(name: str, folder: Path) -> str:
    """Return a URL, or the path from a folder to a local file."""
    if "://" in name:
        return name
    path = Path(name).absolute()
    try:
        return _iri(os.path.relpath(path, folder.absolute()))
    except ValueError:  # on another drive
        return path.as_uri()


def _assets(record: SceneRecord, product: Product, out: Path) -> Json:
    raster = _raster_of(record)
    form = _COG if product.is_cog else _TIFF
    assets: Json = {
        "fused": {
            "href": f"./{_iri(product.path.name)}",
            "title": "Fused raster",
            "type": form,
            "roles": ["data"],
            "file:size": raster.bytes,
            "file:checksum": _SHA256 + raster.sha256,
            "bands": band_fields(product),
        }
    }
    for key, path, title, kind, role in (
        ("quality", record.report_json, "Quality report", JSON, "metadata"),
        ("quality-page", record.report_html, "Quality report, to read", "text/html", "metadata"),
        ("quality-map", _there(product, QUALITY, out), "Quality of each block", _TIFF, "quality"),
        ("uncertainty", _there(product, UNCERTAINTY, out), "Deviation over seeds", form, "quality"),
        ("thumbnail", _there(product, _THUMBNAIL, out), "Thumbnail", "image/jpeg", "thumbnail"),
    ):
        if path is not None:
            assets[key] = {
                "href": f"./{_beside(path, product, out)}",
                "title": title,
                "type": kind,
                "roles": [role],
                **_file_fields(out / path),
            }
    return assets


def _there(product: Product, suffix: str, out: Path) -> str | None:
    """Return the path below `out` of a file beside a raster, if there is one."""
    path = product.path.with_suffix(suffix)
    return path.relative_to(out).as_posix() if path.exists() else None


def _beside(path: str, product: Product, out: Path) -> str:
    """Return a path below `out` as seen from the raster's folder."""
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise MetadataError(f"{path}: leads out of {out}")
    return _iri(os.path.relpath(out / path, product.path.parent))


def _iri(path: str) -> str:
    """Return a path as a reference; letters of any script stay, as JSON and readers take them.

    >>> _iri("ä 1%.tif")
    'ä%201%25.tif'
    """
    plain = path.replace(os.sep, "/")
    return "".join(c if c.isalnum() or c in "-_.~/" else quote(c) for c in plain)


def _file_fields(path: Path) -> Mapping[str, JsonValue]:
    if not path.is_file():
        return {}
    return {"file:size": path.stat().st_size, "file:checksum": _SHA256 + sha256_of(path)}
