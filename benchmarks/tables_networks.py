"""Tables of the learned methods, of cubes and of images of one resolution, from results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import mdtable
from bench_results import Json, Result
from quality_tables import margin, mean
from tables_classical import figures, number

LEARNED = "scenenet"
_QUALITY = (("psnr_db", 2), ("sam_deg", 2), ("ergas", 3), ("q2n", 3))
_CUBE = (("psnr_db", 2), ("sam_deg", 2), ("ergas", 2), ("ssim", 3))
_CUBES = {"jasper": "Jasper", "enmap": "EnMAP", "paris": "Paris"}
_GUIDES = {"landsat8_oli": "Landsat 8", "worldview2": "WorldView-2"}


def as_printed(result: Result) -> str:
    """The first table that the program prints, as it is, but for what does not exist."""
    table = result.tables()[0]
    rows = [["–" if cell == "nan" else cell for cell in row] for row in table.rows]
    return mdtable.written(table.head, rows)


def _distinct(rows: Iterable[Json], key: str) -> list[str]:
    return list(dict.fromkeys(str(row[key]) for row in rows))


def _where(rows: Iterable[Json], **wanted: object) -> list[Json]:
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def _titles(result: Result) -> dict[str, str]:
    """Return scene and data of each scene of the quality benchmark."""
    return {str(row["scene"]): f"{row['scene']} {row['data']}" for row in result.rows("scenes")}


def at_full_resolution(result: Result) -> str:
    """Guards and HQNR at full resolution."""
    rows, titles = result.rows("full"), _titles(result)
    methods = _distinct(rows, "method")
    lines = []
    for scene in _distinct(rows, "scene"):
        plain = mean(_where(rows, scene=scene, method="mtf-glp-fs"), "ripple_percent")
        cells = [_guards(_where(rows, scene=scene, method=method), plain) for method in methods]
        lines.append([titles[scene], *cells])
    return mdtable.written(["scene", *(f"`{method}`" for method in methods)], lines)


def _guards(rows: list[Json], plain: float | None) -> str:
    ripple = mean(rows, "ripple_percent")
    over = None if ripple is None or not plain else ripple / plain
    consistency = (
        number(mean(rows, key), 1)
        for key in ("consistency_error_percent", "consistency_error_estimated_percent")
    )
    return " / ".join([
        number(mean(rows, "detail_correlation"), 3), number(over, 2), ", ".join(consistency),
        number(mean(rows, "ndvi_drift_estimated"), 4), number(mean(rows, "hqnr"), 3),
    ])  # fmt: skip


def guards_of_the_truth(result: Result) -> str:
    """The guards of the delivered MS, as if it were a fused image, beside a method's."""
    rows, titles = result.rows("guards"), _titles(result)
    lines = []
    for scene in _distinct(rows, "scene"):
        true, plain = (
            _where(rows, scene=scene, method=method) for method in ("reference", "mtf-glp-fs")
        )
        ripple = float(str(true[0]["ripple_percent"])) / float(str(plain[0]["ripple_percent"]))
        details = (number(mean(own, "detail_correlation"), 3) for own in (true, plain))
        lines.append([titles[scene], *details, number(ripple, 2)])
    head = ["", "detail correlation, true MS", "MTF-GLP-FS",
            "ripple of the true MS over that of MTF-GLP-FS"]  # fmt: skip
    return mdtable.written(head, lines)


def by_wald(result: Result) -> str:
    """The learned method beside the best of the others with ten back-projections, by PSNR."""
    rows, titles = _where(result.rows("reduced"), operator="exact"), _titles(result)
    lines = []
    for scene in _distinct(rows, "scene"):
        own = _means(_where(rows, scene=scene, method=LEARNED))
        others = [
            _means(_where(rows, scene=scene, method=method))
            for method in _distinct(rows, "method")
            if method.endswith("+10bp")
        ]
        best = max(others, key=lambda row: float(str(row["psnr_db"])))
        gain = float(str(own["psnr_db"])) - float(str(best["psnr_db"]))
        lines.append([
            titles[scene], figures(best, _QUALITY), figures(own, _QUALITY),
            number(gain, 2, sign=True), number(own["cpu_s"], 1),
        ])  # fmt: skip
    head = ["PSNR / SAM / ERGAS / Q2n", "best of these", f"`{LEARNED}`", "PSNR", "CPU s"]
    return mdtable.written(head, lines)


def with_bicubic(result: Result) -> str:
    """The learned method beside the best of the others: MS or PAN made by cubic reduction."""
    titles = _titles(result)
    lines = []
    for made in ("bicubic", "PAN bicubic"):
        rows = _where(result.rows("reduced"), operator=made)
        for scene in _distinct(rows, "scene"):
            here = _where(rows, scene=scene)
            best = max(
                (row for row in here if row["method"] != LEARNED),
                key=lambda row: float(str(row["psnr_db"])),
            )
            (own,) = _where(here, method=LEARNED)
            gain = float(str(own["psnr_db"])) - float(str(best["psnr_db"]))
            lines.append([
                "PAN" if made.startswith("PAN") else "MS", titles[scene].split(",")[0],
                f"{figures(best, _QUALITY)} `{best['method']}`", figures(own, _QUALITY),
                number(gain, 2, sign=True),
            ])  # fmt: skip
    head = ["cubic", "PSNR / SAM / ERGAS / Q2n", "best of the others", f"`{LEARNED}`", "PSNR"]
    return mdtable.written(head, lines)


def _means(rows: list[Json]) -> Json:
    """Return the mean over seeds."""
    return {key: mean(rows, key) for key in (*(key for key, _ in _QUALITY), "cpu_s")}


def with_operators(result: Result) -> str:
    """PSNR over the best of the other methods, where the MS is made otherwise than told."""
    rows = result.rows("reduced")
    methods = [m for m in ("mtf-glp-fs", "bdsd-pc+10bp", LEARNED) if m in _distinct(rows, "method")]
    lines = [
        [operator, *(margin(rows, method, operator) for method in methods)]
        for operator in _distinct(rows, "operator")
        if operator != "exact"
    ]
    return mdtable.written(["MS made by", *(f"`{method}`" for method in methods)], lines)


def cube_classics(result: Result) -> str:
    return _cubes(result.rows(), ("exp", "gsa-hs", "sfim-hs", "glp-hs", "fuse", "hysure"))


def cube_unmixing(result: Result) -> str:
    return _cubes(result.rows(), ("cnmf", "nssr", "cstf", "fuse"))


def cube_learned(result: Result) -> str:
    return _cubes(result.rows(), ("fuse", "hysure", "scenenet-hs"))


def cube_cycfusion(result: Result, blind: Result | None) -> str:
    """CycFusion told PSF and SRF, and told neither, beside the best of those told both."""
    told = ("fuse", "hysure", "scenenet-hs", "cnmf", "cycfusion")
    if blind is None:
        return _cubes(result.rows(), told)
    name = "cycfusion blind"
    untold = [{**row, "method": name} for row in blind.rows() if row["method"] == "cycfusion"]
    return _cubes([*result.rows(), *untold], (*told, name))


def cubes_beside_pan(result: Result) -> str:
    return _by_noise(result.rows(), _CUBE[:1])


def cubes_of_blocks(result: Result, told: Result | None) -> str:
    """Of methods that were told a wrong PSF, beside what was told the right one."""
    right = [] if told is None else told.rows()
    named = [{**row, "method": f"{row['method']} told"} for row in right]
    return _by_noise([*result.rows(), *named], _CUBE[:2])


def _by_noise(rows: Sequence[Json], keys: Sequence[tuple[str, int]]) -> str:
    """Figures of pairs that differ in cube and noise only, the best PSNR of the untold bold."""
    methods = _distinct(rows, "method")
    lines = []
    for scene in _distinct(rows, "scene"):
        own = {str(row["method"]): row for row in _where(rows, scene=scene)}
        best = max(float(str(own[m]["psnr_db"])) for m in own if not m.endswith(" told"))
        cells = [_cube_cell(own.get(method), best, keys) for method in methods]
        cube, _, _, noise = _pair(next(iter(own.values())))
        lines.append([cube, noise, *cells])
    return mdtable.written(["cube", "noise", *map(_called, methods)], lines)


def _cubes(found: Iterable[Json], methods: Sequence[str]) -> str:
    """Some methods on all simulated pairs, the best PSNR bold; means over the pairs of all."""
    rows = [row for row in found if row["method"] in methods and "error" not in row]
    lines, complete = [], list[Json]()
    for scene in _distinct(rows, "scene"):
        own = {str(row["method"]): row for row in _where(rows, scene=scene)}
        if len(own) == len(methods):
            complete += own.values()
        best = max(float(str(row["psnr_db"])) for row in own.values())
        cells = [_cube_cell(own.get(method), best) for method in methods]
        lines.append([*_pair(next(iter(own.values()))), *cells])
    by_method = {method: _where(complete, method=method) for method in methods}
    lines.append(_bottom("mean", by_method, lambda own: figures(_cube_means(own), _CUBE)))
    lines.append(_bottom("CPU s, mean", by_method, lambda own: number(mean(own, "cpu_s"), 2)))
    head = ["cube", "ratio", "guide", "noise", *map(_called, methods)]
    return mdtable.written(head, lines)


def _called(method: str) -> str:
    name, _, how = method.partition(" ")
    return f"`{name}` {how}".rstrip()


def _cube_cell(row: Json | None, best: float, keys: Sequence[tuple[str, int]] = _CUBE) -> str:
    if row is None:
        return "not run"
    psnr, *rest = (figures(row, [key]) for key in keys)
    return " / ".join([f"**{psnr}**" if row["psnr_db"] == best else psnr, *rest])


def _pair(row: Json) -> list[str]:
    noise = "–" if row["noise_db"] is None else f"{row['noise_db']:g} dB"
    cube, guide = str(row["cube"]), str(row["srf"])
    return [_CUBES.get(cube, cube), str(row["ratio"]), _GUIDES.get(guide, guide), noise]


def _cube_means(rows: Sequence[Json]) -> Json:
    return {key: mean(rows, key) for key, _ in _CUBE}


def _bottom(
    title: str, by_method: Mapping[str, list[Json]], cell: Callable[[list[Json]], str]
) -> list[str]:
    return [title, "", "", "", *(cell(rows) for rows in by_method.values())]


def blind(result: Result) -> str:
    """SRF and PSF of each pair as they were estimated, beside the truth."""
    rows = result.content["figures"]
    assert isinstance(rows, list)
    lines = [
        [row["scene"], str(row["samples"]),
         f"{row['cosine_least']:.3f} / {row['cosine_median']:.3f}",
         f"{row['bands_below']} of {row['bands']}",
         f"{row['srf_error_worst']:.3f} / {row['srf_error_median']:.3f}",
         f"{row['centre_px']:.3f}", f"{row['width_error']:+.1f} %", f"{row['cpu_s']:.1f}"]
        for row in rows
    ]  # fmt: skip
    head = [
        "pair", "samples", "SRF cosine least / median", "bands < .99",
        "SRF error %, worst / median", "PSF centre px", "PSF width", "CPU s",
    ]  # fmt: skip
    return mdtable.written(head, lines)
