"""The items of an archive as a STAC collection in a catalogue that needs nothing beside itself."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from pansharpkit.archive.stac.footprint import WORLD, Box, union
from pansharpkit.archive.stac.item import COLLECTION_ID, GEOJSON, JSON, STAC_VERSION
from pansharpkit.writer.whole import write_whole

log = logging.getLogger(__name__)

Json = dict[str, JsonValue]
_LISTED = ("pansharpkit:method", "pansharpkit:sensor", "pansharpkit:state", "proj:code")
"""Properties of which a summary lists the values; of numbers it gives the range."""
_OURS = "pansharpkit:"
_TITLE = "Fused scenes"
_CATALOGUE_ID = "pansharpkit"


def stored_items(out: Path, ids: Iterable[str]) -> Iterator[Json]:
    """Yield the items that scenes have on disk; the missing and broken ones are logged."""
    for name in ids:
        path = out / name / f"{name}.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            log.warning("%s: left out of the catalogue: %s", path, error)
            continue
        if isinstance(found, dict) and isinstance(found.get("properties"), dict):
            yield found
        else:
            log.warning("%s: left out of the catalogue: it is no STAC item", path)


def write_catalogue(out: Path, items: Iterable[Mapping[str, JsonValue]]) -> Path:
    """Write ``collection.json`` and ``catalog.json`` over items below a folder; links are relative.

    Of the items no more is kept than a collection says of them. Returns the catalogue's path.

    Raises
    ------
    OutputError
        If the files cannot be written.
    """
    seen = _Seen()
    for item in items:
        seen.add(item)
    path = out / "catalog.json"
    for target, values in ((out / "collection.json", _collection(seen)), (path, _catalogue())):
        write_whole(target, json.dumps(values, indent=1, allow_nan=False) + "\n")
    return path


@dataclass
class _Seen:
    """What a collection says of its items."""

    ids: list[str] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    first: str | None = None
    last: str | None = None
    values: dict[str, set[str]] = field(default_factory=dict)
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)

    def add(self, item: Mapping[str, JsonValue]) -> None:
        self.ids.append(str(item["id"]))
        box = item.get("bbox")
        if isinstance(box, list) and len(box) == 4:
            west, south, east, north = (float(str(value)) for value in box)
            self.boxes.append((west, south, east, north))
        properties = item["properties"]
        assert isinstance(properties, dict)
        self._add_times(properties)
        for name, value in properties.items():
            if name in _LISTED and isinstance(value, str):
                self.values.setdefault(name, set()).add(value)
            elif name == "gsd" or (name.startswith(_OURS) and name not in _LISTED):
                self._add_number(name, value)

    def _add_times(self, properties: Mapping[str, JsonValue]) -> None:
        if properties.get(f"{_OURS}undated"):
            return
        moment = properties.get("datetime")
        start = moment or properties.get("start_datetime")
        stop = moment or properties.get("end_datetime")
        if isinstance(start, str) and isinstance(stop, str):
            self.first = min(start, self.first or start)
            self.last = max(stop, self.last or stop)

    def _add_number(self, name: str, value: JsonValue) -> None:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            low, high = self.ranges.get(name, (value, value))
            self.ranges[name] = min(low, value), max(high, value)


def _collection(seen: _Seen) -> Json:
    summaries: Json = {name: [*sorted(values)] for name, values in sorted(seen.values.items())}
    for name, (low, high) in sorted(seen.ranges.items()):
        summaries[name] = {"minimum": low, "maximum": high}
    links: list[JsonValue] = [
        {"rel": "root", "href": "./catalog.json", "type": JSON},
        {"rel": "parent", "href": "./catalog.json", "type": JSON},
        *(_item_link(id) for id in sorted(seen.ids)),
    ]
    return {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "id": COLLECTION_ID,
        "title": _TITLE,
        "description": _description(seen),
        "license": "other",
        "extent": {
            "spatial": {"bbox": [list(union(seen.boxes) or WORLD)]},
            "temporal": {"interval": [[seen.first, seen.last]]},
        },
        "summaries": summaries,
        "links": links,
    }


def _item_link(id: str) -> Json:
    return {"rel": "item", "href": f"./{id}/{id}.json", "type": GEOJSON}


def _description(seen: _Seen) -> str:
    text = "Rasters fused by pansharpkit; their licence is that of the inputs."
    if unplaced := len(seen.ids) - len(seen.boxes):
        text += f" Without a known place: {unplaced} of {len(seen.ids)}."
    return text


def _catalogue() -> Json:
    return {
        "type": "Catalog",
        "stac_version": STAC_VERSION,
        "id": _CATALOGUE_ID,
        "title": _TITLE,
        "description": "Rasters fused by pansharpkit, with their quality reports.",
        "links": [
            {"rel": "root", "href": "./catalog.json", "type": JSON},
            {"rel": "child", "href": "./collection.json", "type": JSON, "title": _TITLE},
        ],
    }
