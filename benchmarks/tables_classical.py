"""Tables of the classical methods and of the other tools, from results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

import mdtable
from bench_results import Json, Result

_CAPTION = (
    "Against the truth, one scale down (Wald's protocol), the best ERGAS in bold; HQNR: at full "
    "resolution, mean of the three scenes."
)
TRIPLE = (("ergas", 3), ("sam_deg", 3), ("q2n", 3))
PEERS = ("OTB rcs", "OTB bayes", "GDAL")
FIRST_SCREEN = ("Pamplona, Landsat 8", "Zhengzhou, 4 bands, ratio 4", "WorldView-2, 8 bands")
"""Scenes of the README's table."""
NAMES: Mapping[str, str] = {
    "exp": "interpolated MS (`exp`)",
    "GDAL": "GDAL, weighted Brovey",
    "OTB rcs": "OTB, RCS",
    "OTB bayes": "OTB, Bayes",
    "gsa": "`gsa`",
    "mtf-glp-fs": "`mtf-glp-fs`, the default",
    "auto": "`auto`: the scene chooses",
    "scenenet": "`scenenet`: learns from the scene",
}
"""Rows of the README's table, and what they are called there."""


def number(value: object, digits: int, *, sign: bool = False) -> str:
    """Return a figure as the pages write it: .972, not 0.972; a dash where there is none.

    >>> number(0.9718, 3), number(-0.05, 1), number(None, 2), number(12.0, 1, sign=True)
    ('.972', '-.1', '–', '+12.0')
    """
    if not isinstance(value, (int, float)):
        return "–"
    text = f"{value:{'+' if sign else ''}.{digits}f}"
    return text.replace("0.", ".", 1) if text.lstrip("+-").startswith("0.") else text


def figures(row: Json, keys: Sequence[tuple[str, int]]) -> str:
    """Return some figures of a row, with slashes between."""
    return " / ".join(number(row.get(key), digits) for key, digits in keys)


def scenes(result: Result) -> dict[str, Json]:
    """Return what was found on each scene, by its name."""
    return {str(row["scene"]): row for row in result.rows("scenes")}


def _methods(scene: Json) -> dict[str, Json]:
    rows = scene["rows"]
    assert isinstance(rows, list)
    return {str(row["method"]).partition(":")[0]: row for row in rows}


def _mapping(value: object) -> Json:
    assert isinstance(value, Mapping)
    return value


def results(quality: Result, speed: Result | None) -> str:
    """The first table that anybody sees: a few methods, other tools, what they score and cost."""
    shown = [_methods(scenes(quality)[name]) for name in FIRST_SCREEN]
    seconds = _seconds(speed)
    best = [min(float(str(row["ergas"])) for row in scene.values()) for scene in shown]
    rows = []
    for method, title in NAMES.items():
        own = [scene.get(method) for scene in shown]
        if any(row is None for row in own):
            continue  # a tool that was not there
        kept = [row for row in own if row is not None]
        cells = [
            f"**{figures(row, TRIPLE)}**" if row["ergas"] == least else figures(row, TRIPLE)
            for row, least in zip(kept, best, strict=True)
        ]
        hqnr = number(fmean(float(str(row["hqnr"])) for row in kept), 3)
        rows.append([title, *cells, hqnr, *([number(seconds.get(method), 1)] if seconds else [])])
    head = ["ERGAS ↓ / SAM ↓ / Q2n ↑", *FIRST_SCREEN, "HQNR ↑"]
    if speed is not None:
        head.append(f"CPU s, {_megapixels(speed):.0f} Mpx")
    return f"{_CAPTION}\n\n{mdtable.written(head, rows)}"


def _seconds(speed: Result | None) -> dict[str, object]:
    if speed is None:
        return {}
    return {str(row["tool"]).removesuffix(" Brovey"): row["cpu_s"] for row in speed.rows()}


def _megapixels(speed: Result) -> float:
    side = _mapping(speed.content["figures"])["side"]
    return float(str(side)) ** 2 / 1e6


def quality(result: Result) -> str:
    """Every method and tool on every scene."""
    found = {name: _methods(scene) for name, scene in scenes(result).items()}
    names = list(dict.fromkeys(method for rows in found.values() for method in rows))
    best = {
        scene: min(float(str(row["ergas"])) for row in rows.values())
        for scene, rows in found.items()
    }
    lines = []
    for method in names:
        cells = [
            f"**{text}**" if rows[method]["ergas"] == best[scene] else text
            for scene, rows in found.items()
            for text in [figures(rows[method], TRIPLE)]
        ]
        mean = number(fmean(float(str(rows[method]["hqnr"])) for rows in found.values()), 3)
        lines.append([method, *cells, mean])
    return mdtable.written(["ERGAS / SAM / Q2n", *found, "HQNR, mean"], lines)


def auto_choice(result: Result) -> str:
    """What `auto` chose by Wald's protocol, beside the default method and other tools."""
    lines = []
    for name, scene in scenes(result).items():
        wald = _mapping(scene["wald"])
        rows = {key.partition(":")[0]: _mapping(row) for key, row in wald.items()}
        chosen = next(key for key in wald if key.startswith("auto")).removeprefix("auto: ")
        tools = [figures(rows[peer], TRIPLE) for peer in PEERS if peer in rows]
        ours = [figures(rows[key], TRIPLE) for key in ("auto", "mtf-glp-fs")]
        lines.append([name, chosen, *ours, *tools])
    head = ["ERGAS / SAM / Q2n", "chosen", "`auto`", "`mtf-glp-fs`"]
    return mdtable.written([*head, *(peer for peer in PEERS if peer in rows)], lines)


def auto_guards(result: Result) -> str:
    """The guards of what `auto` chose at full scale, on whole scenes, beside the default's."""
    keys = (
        ("hqnr", 3), ("detail_correlation", 3), ("ripple_percent", 2),
        ("consistency_error_percent", 2), ("ndvi_drift", 4),
    )  # fmt: skip
    lines = [
        [name, str(scene["chosen"]), *(figures(_mapping(row), keys) for row in rows.values())]
        for name, scene in scenes(result).items()
        for rows in [_mapping(scene["guards"])]
    ]
    return mdtable.written(["", "chosen", "its figures", "`mtf-glp-fs`"], lines)


def peer_speed(result: Result) -> str:
    """What each tool takes for one large scene."""
    pixels = _megapixels(result)
    lines = [
        [str(row["tool"]), number(row["wall_s"], 1), number(row["cpu_s"], 1),
         f"{float(str(row['rss_mb'])):.0f}", f"{pixels / float(str(row['wall_s'])):.1f}"]
        for row in result.rows()
    ]  # fmt: skip
    head = ["", "wall s", "CPU s", "memory, MB", "Mpx/s of PAN"]
    return mdtable.written(head, lines, right=head[1:])


def speed(result: Result) -> str:
    """Megapixels of PAN per second of every method on arrays."""
    rows = result.rows()
    ratios = list(dict.fromkeys(row["ratio"] for row in rows))
    rate = {(row["method"], row["ratio"]): row["mpx_per_s"] for row in rows}
    lines = [
        [str(method), *(f"{float(str(rate[method, ratio])):.0f}" for ratio in ratios)]
        for method in dict.fromkeys(row["method"] for row in rows)
    ]
    head = ["Mpx/s of PAN", *(f"ratio {ratio:g}" for ratio in ratios)]
    return mdtable.written(head, lines, right=head[1:])


def geometry(result: Result) -> str:
    """Where each tool puts the MS: length of the mean displacement, in PAN pixels."""
    rows = result.rows()
    layouts = list(dict.fromkeys(str(row["layout"]) for row in rows))
    length = {(row["tool"], row["layout"]): row["length"] for row in rows}
    lines = [
        [str(tool), *(number(length.get((tool, layout)), 3) for layout in layouts)]
        for tool in dict.fromkeys(row["tool"] for row in rows)
    ]
    return mdtable.written(["PAN pixels", *layouts], lines, right=layouts)


def outside_pamplona(result: Result) -> str:
    return _outside(result, 0)


def outside_alabama(result: Result) -> str:
    return _outside(result, 1)


_SHOWN_OUTSIDE = ("HQNR", "ripple %")
"""Columns that the page leaves out."""


def _outside(result: Result, place: int) -> str:
    table = result.tables()[place]
    kept = [i for i, name in enumerate(table.head) if name not in _SHOWN_OUTSIDE]
    rows = [[row[i] for i in kept] for row in table.rows if row[1] != "exp" or row[0] == "brovey"]
    return mdtable.written([table.head[i] for i in kept], rows)


def back_projection(result: Result) -> str:
    """Gains and costs of each kind of back-projection, means over scenes and methods."""
    found = _mapping(result.content["figures"])
    keys = (
        ("exact %", 1, "gain, exact %"), ("wrong %", 1, "gain, wrong %"),
        ("ripple %", 1, "ripple %"), ("detail", 3, "detail correlation"),
        ("consist. %", 0, "consistency error %"), ("HQNR", 3, "HQNR"),
        ("overshoot", 1, "overshoot"),
    )  # fmt: skip
    means = found["mean"]
    assert isinstance(means, list)
    lines = [
        [_steps(row), *(number(row[key], digits, sign=True) for key, digits, _ in keys)]
        for row in means
    ]
    return mdtable.written(["steps", *(title for _, _, title in keys)], lines)


def back_projection_scenes(result: Result) -> str:
    """Gain under wrong operators and ripple, scene by scene."""
    found = _mapping(_mapping(result.content["figures"])["scenes"])
    tables = [rows for rows in found.values() if isinstance(rows, list)]
    lines = [
        [_steps(rows[0]), *(
            f"{number(row['wrong %'], 1, sign=True)} / {number(row['ripple %'], 1, sign=True)}"
            for row in rows
        )]
        for rows in zip(*tables, strict=True)
    ]  # fmt: skip
    return mdtable.written(["gain, wrong % / ripple %", *found], lines)


def _steps(row: Json) -> str:
    return str(row["steps"]).replace("x", "×")
