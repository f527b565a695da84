"""The overview of an archive as one HTML page; pictures and reports lie beside it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from urllib.parse import quote

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from pansharpkit.archive.overview.histogram import Histogram, histogram
from pansharpkit.archive.overview.listed import (
    Listed,
    below,
    direction,
    headline,
    index_names,
    style,
    worst_first,
)
from pansharpkit.archive.overview.scenemap import Place, scene_map
from pansharpkit.archive.overview.shades import ORDER, Shades
from pansharpkit.readers.safe_open import printable
from pansharpkit.report.printed import duration, grouped, number

MOST_ROWS = 500
"""Scenes in the table; the CSV has all."""
_MOST_CHARTS = 9
_MOST_COLUMNS = 4
_MOST_ERRORS = 30
_EXAMPLES = 5
_LONGEST = 300
STATES = {
    "done": "Done",
    "flagged": "Flagged",
    "failed": "Failed",
    "running": "Running",
    "interrupted": "Interrupted",
    "waiting": "Waiting",
}
_MEANING = {
    "done": "fused, and every bar is met",
    "flagged": "fused, but a bar for the quality is missed",
    "failed": "no raster was made",
    "running": "at this moment, or cut off",
    "interrupted": "cut off, to be done again",
    "waiting": "still to be done",
}


@dataclass(frozen=True)
class Line:
    """A scene in the table."""

    scene: Listed
    state: str
    link: str | None
    picture: str | None
    values: list[tuple[str, str]]
    """Of the columns: what sorts and what is shown."""
    note: str


@dataclass(frozen=True)
class ErrorGroup:
    """Scenes that failed alike."""

    kind: str
    text: str
    """What the first of them says."""
    scenes: list[str]
    more: int
    """Scenes that are not named."""

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.scenes) + self.more


def render_overview(scenes: Sequence[Listed], out: Path, csv_name: str, created: str) -> str:
    """Return the page over all scenes of a ledger.

    Its size is bounded: the table ends after `MOST_ROWS` scenes, and the map joins many.
    """
    index = headline(scenes)
    names = index_names(scenes)
    ranked = worst_first(scenes, index)
    columns = _columns(names, index)
    shades = Shades.of(scenes, index)
    places = _places(scenes, shades)
    return _template().render(
        title=printable(out.absolute().name),
        csv=quote(csv_name),
        created=created,
        total=len(scenes),
        counts=_counts(scenes),
        facts=_facts(scenes),
        index=None if index is None else style(index),
        charts=_charts(scenes, names),
        left_out=len(names) - _MOST_CHARTS,
        map=scene_map(places, _map_text(places, index)),
        shades=shades.legend([place.group for place in places]),
        unplaced=len(scenes) - len(places),
        columns=[style(name) for name in columns],
        lines=[_line(scene, columns, out) for scene in ranked[:MOST_ROWS]],
        fused=len(ranked),
        errors=(groups := error_groups(scenes))[:_MOST_ERRORS],
        more_errors=groups[_MOST_ERRORS:],
        script=Markup(_script()),
        script_hash=_script_hash(),
    )


def _counts(scenes: Sequence[Listed]) -> list[tuple[str, str, str, str]]:
    counts = Counter(scene.state for scene in scenes)
    shown = ["done", "flagged", "failed", *(s for s in list(STATES)[3:] if counts[s])]
    return [(state, STATES[state], grouped(counts[state]), _MEANING[state]) for state in shown]


def _facts(scenes: Sequence[Listed]) -> list[tuple[str, str]]:
    """Return what is worth a line: methods, times."""
    made = [scene for scene in scenes if scene.state in ("done", "flagged")]
    methods = Counter(scene.method for scene in made if scene.method)
    seconds = [scene.seconds for scene in made if scene.seconds is not None]
    dates = sorted(scene.acquired for scene in made if scene.acquired)
    facts = []
    if methods:
        said = ", ".join(f"{name} ({grouped(count)})" for name, count in methods.most_common())
        facts.append(("Methods", said))
    if seconds:
        typical = f"{duration(float(np.median(seconds)))} (median)"
        facts.append(("Time a scene", f"{typical}, {_long(max(seconds))} at most"))
        facts.append(("Time of all scenes", _long(sum(seconds))))
    if dates:
        span = dates[0] if dates[0] == dates[-1] else f"{dates[0]} … {dates[-1]}"
        facts.append(("Acquired", span))
    return facts


def _long(seconds: float) -> str:
    hours = int(seconds // 3600)
    minutes = int(seconds % 3600 // 60)
    return f"{grouped(hours)} h {minutes:02d} min" if hours else duration(seconds)


def _charts(scenes: Sequence[Listed], names: Sequence[str]) -> list[Histogram]:
    charts = []
    for name in names[:_MOST_CHARTS]:
        values = [scene.indices[name] for scene in scenes if name in scene.indices]
        how = style(name)
        best = f"best {how.best} · {how.meaning}" if how.best else how.meaning
        charts.append(histogram(values, how.label, how.decimals, how.unit, best))
    return charts


def _columns(names: Sequence[str], index: str | None) -> list[str]:
    """Return the indices of the table: that which ranks, the shift, then the next telling."""
    first = [name for name in (index, "shift") if name in names]
    rest = [name for name in names if name not in first and direction(name)]
    return [str(name) for name in [*first, *rest][:_MOST_COLUMNS]]


def _line(scene: Listed, columns: Sequence[str], out: Path) -> Line:
    values = []
    for name in columns:
        value = scene.indices.get(name)
        values.append(("" if value is None else repr(value), number(value, style(name).decimals)))
    picture = below(f"{scene.id}/{scene.id}.thumbnail.jpg")
    return Line(
        scene,
        STATES[scene.state],
        None if scene.report is None else quote(scene.report),
        quote(picture) if picture and _exists(out / picture) else None,
        values,
        _short("; ".join(scene.flags)),
    )


def _exists(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def error_groups(scenes: Sequence[Listed]) -> list[ErrorGroup]:
    """Return failed scenes by what went wrong, the most frequent first.

    Messages begin with the name of a file, which is not part of what went wrong; nor are numbers.
    """
    found: dict[tuple[str, str], list[Listed]] = {}
    for scene in scenes:
        if scene.state == "failed":
            found.setdefault((scene.error_kind, _cause(scene.error)), []).append(scene)
    groups = [
        ErrorGroup(kind, _short(alike[0].error), [s.id for s in alike[:_EXAMPLES]],
                   max(0, len(alike) - _EXAMPLES))
        for (kind, _), alike in found.items()
    ]  # fmt: skip
    return sorted(groups, key=lambda group: (-group.count, group.kind, group.text))


def _cause(text: str) -> str:
    cause = text.partition(": ")[2] or text
    return re.sub(r"\d+", "#", cause)


def _places(scenes: Sequence[Listed], shades: Shades) -> list[Place]:
    """Return the scenes that can be drawn, those that matter last."""
    index = shades.index
    places = []
    for scene in scenes:
        if scene.rings:
            title = f"{scene.id}: {STATES[scene.state]}"
            if index is not None and index in scene.indices:
                how = style(index)
                title += f", {how.label} {number(scene.indices[index], how.decimals)}"
            places.append(Place(scene.rings, title, shades.group(scene)))
    return sorted(places, key=lambda place: ORDER.index(place.group))


def _map_text(places: Sequence[Place], index: str | None) -> str:
    by = "" if index is None else f", coloured by {style(index).label}"
    return f"Map: footprints of {grouped(len(places))} scenes{by}"


@cache
def _template() -> Template:
    environment = Environment(
        loader=ChoiceLoader(
            [PackageLoader("pansharpkit.archive.overview"), PackageLoader("pansharpkit.report")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["grouped"] = grouped
    return environment.get_template("overview.html")


@cache
def _script() -> str:
    """Return the script that sorts the table; the page allows no other."""
    return (
        resources.files("pansharpkit.archive.overview")
        .joinpath("templates/sort.js")
        .read_text("utf-8")
    )


def _script_hash() -> str:
    return base64.b64encode(hashlib.sha256(_script().encode()).digest()).decode()
