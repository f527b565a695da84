"""Footprints of an archive's scenes on a plain map of longitude and latitude, as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from pansharpkit.archive.entry import Ring
from pansharpkit.archive.stac.footprint import Box, box_of, union

WIDTH = 800
_SHAPES = (0.3, 0.65)
"""Height over width, at least and at most."""
_MARGIN = 0.12
_SMALLEST = 0.02  # degrees: what is shown at least
_STEPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 45, 60)
_LINES = 7
_SEEN = 0.5  # units of the drawing, as are those below
_DOT = 5  # what is smaller becomes a square of this side
_COARSE = 12.0  # the same where scenes are many
_TITLED = 1500
"""Scenes that are drawn one by one, so that a pointer can ask for their names."""


@dataclass(frozen=True, slots=True)
class Place:
    """A scene on the map."""

    rings: tuple[Ring, ...]
    title: str
    group: str
    """Class of its colour."""


def scene_map(places: Sequence[Place], said: str) -> Markup:
    """Draw scenes in the order given, the last on top.

    Many scenes become one drawing for each run of a group, without names and without doubles, so
    that the size is bounded by the map's and not by the archive's.
    """
    boxes = [box for place in places if (box := box_of(place.rings)) is not None]
    around = union(boxes)
    if around is None:
        return Markup("")
    frame = Frame.around(around)
    many = len(places) > _TITLED
    drawn = _grouped(places, frame) if many else _one_by_one(places, frame)
    lines, labels = _graticule(frame)
    return Markup(
        '<svg class="map{}" role="img" aria-label="{}" viewBox="0 0 {} {:.0f}">{}{}{}</svg>'
    ).format(
        " many" if many else "", said, WIDTH, frame.height, lines, Markup("").join(drawn), labels
    )


@dataclass(frozen=True)
class Frame:
    """The part of the globe that is shown, in degrees."""

    west: float
    """The east may lie beyond 180."""
    north: float
    width: float
    tall: float
    height: float
    """Of the drawing, in its units."""

    @classmethod
    def around(cls, box: Box) -> Frame:
        """Return the frame around a box, in which a degree north is as long as it is there."""
        west, south, east, north = box
        width = 360.0 if (west, east) == (-180, 180) else (east - west) % 360
        middle = west + width / 2, (south + north) / 2
        width, tall = (max(size, _SMALLEST) * (1 + _MARGIN) for size in (width, north - south))
        stretch = 1.0 if width > 120 else 1 / max(math.cos(math.radians(middle[1])), 0.2)
        low, high = _SHAPES
        width = min(360.0, max(width, stretch * tall / high))
        tall = max(tall, low * width / stretch)
        shape = min(high, stretch * tall / width)
        return cls(middle[0] - width / 2, middle[1] + tall / 2, width, tall, shape * WIDTH)

    def x(self, lon: float) -> float:
        """Return where a longitude lies."""
        return WIDTH * (lon - self.west) / self.width

    def y(self, lat: float) -> float:
        """Return where a latitude lies."""
        return self.height * (self.north - lat) / self.tall

    def drawn(self, ring: Ring) -> list[tuple[float, float]]:
        """Return the corners of a ring in the drawing, without those that nobody would see."""
        lons = [lon for lon, _ in ring]
        middle = (min(lons) + max(lons)) / 2
        turn = 360.0 * round((self.west + self.width / 2 - middle) / 360)
        points = [(self.x(lon + turn), self.y(lat)) for lon, lat in ring]
        kept = points[:1]
        for point in points[1:-1]:
            if math.dist(point, kept[-1]) >= _SEEN:
                kept.append(point)
        return kept


def _one_by_one(places: Sequence[Place], frame: Frame) -> Iterator[Markup]:
    for place in places:
        path = "".join(_path(frame.drawn(ring)) for ring in place.rings)
        yield Markup('<path class="{}" d="{}"><title>{}</title></path>').format(
            place.group, path, place.title
        )


def _grouped(places: Sequence[Place], frame: Frame) -> Iterator[Markup]:
    for group, run in groupby(places, key=lambda place: place.group):
        paths = dict.fromkeys(
            _path(frame.drawn(ring), _COARSE) for place in run for ring in place.rings
        )
        yield Markup('<path class="{}" d="{}"/>').format(group, "".join(paths))


def _path(points: Sequence[tuple[float, float]], least: float = 0.0) -> str:
    """Return a closed path: a square that can be seen if the outline is small."""
    xs, ys = zip(*points, strict=True)
    if max(max(xs) - min(xs), max(ys) - min(ys)) < max(_DOT, least):
        x, y = ((min(values) + max(values) - _DOT) / 2 for values in (xs, ys))
        return f"M{x:.0f} {y:.0f}h{_DOT}v{_DOT}h-{_DOT}z"
    rest = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return f"M{rest}Z"


def _graticule(frame: Frame) -> tuple[Markup, Markup]:
    """Return lines of round longitudes and latitudes, and their labels."""
    step = next((s for s in _STEPS if frame.width / s <= _LINES), _STEPS[-1])
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    lines, labels = Markup(""), Markup("")
    for lon in _multiples(frame.west, frame.west + frame.width, step):
        x = frame.x(lon)
        lines += Markup("M{:.1f} 0V{:.0f}").format(x, frame.height)
        name = _degrees((lon + 180) % 360 - 180, "WE", decimals)
        labels += Markup('<text x="{:.0f}" y="{:.0f}">{}</text>').format(
            x + 4, frame.height - 6, name
        )
    for lat in _multiples(max(-90, frame.north - frame.tall), min(90, frame.north), step):
        y = frame.y(lat)
        lines += Markup("M0 {:.1f}H{}").format(y, WIDTH)
        labels += Markup('<text x="4" y="{:.0f}">{}</text>').format(
            y - 5, _degrees(lat, "SN", decimals)
        )
    return Markup('<path class="graticule" d="{}"/>').format(lines), labels


def _multiples(low: float, high: float, step: float) -> Iterator[float]:
    for i in range(math.ceil(low / step), math.floor(high / step) + 1):
        yield i * step


def _degrees(value: float, letters: str, decimals: int) -> str:
    """Return an angle as it is printed on maps.

    >>> _degrees(-1.5, "WE", 1), _degrees(0.0, "SN", 0)
    ('1.5°W', '0°')
    """
    shown = f"{abs(value):.{decimals}f}°"
    if (float(shown[:-1]) in (0, 180) and letters == "WE") or float(shown[:-1]) == 0:
        return shown
    return shown + letters[value > 0]
