"""Pictures of parts of a scene, inside the page."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from pansharpkit.errors import OptionError
from pansharpkit.report.png import size_of
from pansharpkit.report.printed import grouped

OVERVIEW = "overview"
AFTER = "fused"
"""The layer that lies over the others and is drawn aside."""
VIEWS = {
    OVERVIEW: ("Whole scene", ""),
    "detail-1": ("Detail", "One picture pixel per PAN pixel."),
    "detail-4": ("Close-up", "Each PAN pixel is drawn as 4 × 4."),
    "tile-worst": ("Worst place", "4 × 4 picture pixels per PAN pixel."),
    "tile-typical": ("Typical place", "4 × 4 picture pixels per PAN pixel."),
    "tile-best": ("Best place", "4 × 4 picture pixels per PAN pixel."),
}
LAYERS = {
    "ms": "MS, upsampled",
    "cube": "Cube, upsampled",
    AFTER: "Fused",
    "pan": "PAN",
    "guide": "Guide, mean of its bands",
    "reference": "Reference",
}
_WHOLE, _LEAST = 640, 240  # CSS pixels that the whole scene, and a part, are drawn wide
_TALLEST, _NARROWEST = 800, 120  # of a strip that stands upright
Place = tuple[int, int, int, int]
"""Row, column, height, width in the fused raster."""


@dataclass(frozen=True)
class Picture:
    """An image inside the page."""

    layer: str
    label: str
    alt: str
    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class View:
    """One part of the scene, in all layers."""

    name: str
    title: str
    note: str
    pictures: list[Picture]
    number: int | None
    """By which its frame in the whole scene is known."""
    frame: str
    """CSS of that frame."""

    @property
    def is_tile(self) -> bool:
        """Whether it shows a block that was chosen for its quality."""
        return self.name.startswith("tile-")

    @property
    def width(self) -> int:
        """How wide it is drawn at most, in CSS pixels: what is tall still fits a screen."""
        widest = max(self.pictures, key=lambda picture: picture.width)
        found = max(widest.width, _WHOLE if self.name == OVERVIEW else _LEAST)
        return min(found, max(_TALLEST * widest.width // widest.height, _NARROWEST))


def views(
    pictures: Mapping[str, bytes],
    layers: Mapping[str, str] = LAYERS,
    places: Mapping[str, Place] | None = None,
    size: tuple[int, int] = (1, 1),
) -> list[View]:
    """Return PNG files by ``view/layer`` as parts of a scene, the layers in the order named.

    Parameters
    ----------
    places : where the parts lie in a raster of `size`, as far as that is known.

    Raises
    ------
    OptionError
        If a picture is no PNG file.
    """
    places = places or {}
    listed: dict[str, list[str]] = {}
    for key in sorted(pictures, key=lambda key: _rank(key, layers)):
        listed.setdefault(key.partition("/")[0], []).append(key)
    found = []
    framed = [name for name in listed if name in places]
    for name, keys in listed.items():
        title, note = VIEWS.get(name, (name, ""))
        drawn = [_picture(key, title, pictures[key], layers) for key in keys]
        if max(picture.width for picture in drawn) < _LEAST:
            note = ""  # it is drawn larger than that
        number = framed.index(name) + 1 if name in framed else None
        place = places.get(name)
        if place:
            row, col, height, width = place
            note += f" Rows {grouped(row)} to {grouped(row + height - 1)}, "
            note += f"columns {grouped(col)} to {grouped(col + width - 1)}."
        frame = _frame(place, size) if place else ""
        found.append(View(name, title, note.strip(), drawn, number, frame))
    return found


def _frame(place: Place, size: tuple[int, int]) -> str:
    shares = [100 * part / whole for part, whole in zip(place, size * 2, strict=True)]
    sides = zip(("top", "left", "height", "width"), shares, strict=True)
    return ";".join(f"{side}:{share:.3f}%" for side, share in sides)


def _rank(key: str, layers: Mapping[str, str]) -> tuple[int, int, str]:
    view, _, layer = key.partition("/")
    return (
        list(VIEWS).index(view) if view in VIEWS else len(VIEWS),
        list(layers).index(layer) if layer in layers else len(layers),
        key,
    )


def _picture(key: str, view: str, png: bytes, layers: Mapping[str, str]) -> Picture:
    size = size_of(png)
    if size is None:
        raise OptionError(f"picture {key} is no PNG file")
    layer = key.partition("/")[2]
    label = layers.get(layer, layer)
    uri = "data:image/png;base64," + base64.b64encode(png).decode()
    return Picture(layer, label, f"{label}: {view.lower()}", uri, *size)
