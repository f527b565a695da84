"""Validate STAC with pystac's validator and schemas that lie here: nothing is fetched."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pystac
from pystac.stac_object import STACObjectType
from pystac.validation.stac_validator import JsonSchemaSTACValidator

from pansharpkit.archive.stac import item as stac

FOLDER = Path(__file__).parent / "data" / "stac_schemas"
Schema = dict[str, Any]

_NUMBER = {"type": "number"}
_POSITIVE = {"type": "number", "exclusiveMinimum": 0}
_WHOLE = {"type": "integer", "minimum": 0}
_COMMON_NAMES = [
    *("pan", "coastal", "blue", "green", "green05", "yellow", "red"),
    *("rededge", "rededge071", "rededge075", "rededge078", "nir", "nir08", "nir09"),
    *("cirrus", "swir16", "swir22", "lwir", "lwir11", "lwir12"),
]
_TEXT_OR_NULL = {"type": ["string", "null"]}
_PROJECTION: Schema = {
    "proj:code": {"anyOf": [{"type": "null"}, {"type": "string", "pattern": r"^[^:]+:[^:]+$"}]},
    "proj:wkt2": _TEXT_OR_NULL,
    "proj:bbox": {"type": "array", "items": _NUMBER, "minItems": 4, "maxItems": 4},
    "proj:shape": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
    "proj:transform": {"type": "array", "items": _NUMBER, "minItems": 6, "maxItems": 6},
}
_EO: Schema = {
    "eo:common_name": {"enum": _COMMON_NAMES},
    "eo:center_wavelength": _POSITIVE,
    "eo:full_width_half_max": _POSITIVE,
}
_FILE: Schema = {
    "file:checksum": {"type": "string", "pattern": "^1220[a-f0-9]{64}$"},
    "file:size": _WHOLE,
}


def _only(prefix: str, fields: Schema) -> Schema:
    """Return what holds of an object whose fields of a prefix are these and no others."""
    return {
        "properties": {**fields, "bands": {"items": {"properties": fields}}},
        "patternProperties": {f"^(?!{prefix}:)": True},
        "additionalProperties": False,
    }


def _extension(uri: str, prefix: str, fields: Schema) -> Schema:
    inside = _only(prefix, fields)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": uri,
        "type": "object",
        "required": ["stac_extensions"],
        "properties": {
            "stac_extensions": {"contains": {"const": uri}},
            "properties": inside,
            "assets": {"additionalProperties": inside},
            "item_assets": {"additionalProperties": inside},
        },
    }


def schemas() -> dict[str, Schema]:
    """Return the schema of every extension that we use, by its URI."""
    found = {
        stac.PROJECTION: _extension(stac.PROJECTION, "proj", _PROJECTION),
        stac.EO: _extension(stac.EO, "eo", _EO),
        stac.FILE: _extension(stac.FILE, "file", _FILE),
    }
    for path in sorted(FOLDER.glob("*.json")):
        schema = json.loads(path.read_text(encoding="utf-8"))
        found[schema["$id"].rstrip("#")] = schema
    return found


class LocalValidator(JsonSchemaSTACValidator):
    """pystac's validator, which knows our schemas and may fetch none."""

    def __init__(self) -> None:
        super().__init__()
        self.schema_cache.update(schemas())

    def _get_schema(self, schema_uri: str) -> dict[str, Any]:
        assert schema_uri in self.schema_cache, f"{schema_uri} would be fetched"
        return self.schema_cache[schema_uri]


def check_item(item: Mapping[str, object]) -> pystac.Item:
    """Validate an item as it is written, and return it as pystac reads it."""
    plain = json.loads(json.dumps(item, allow_nan=False))
    extensions = plain["stac_extensions"]
    LocalValidator().validate(plain, STACObjectType.ITEM, stac.STAC_VERSION, extensions)
    return pystac.Item.from_dict(plain)


def check_catalogue(path: Path) -> list[pystac.Item]:
    """Validate a catalogue and all that it leads to; return its items."""
    root = pystac.Catalog.from_file(path)
    validator = LocalValidator()
    root.validate(validator)
    for child in root.get_children():
        child.validate(validator)
    items = list(root.get_items(recursive=True))
    for item in items:
        item.validate(validator)
    return items
