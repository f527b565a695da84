"""The tables of README and docs: each is made from one result or two."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import mdtable
import tables_blending as blending
import tables_classical as classical
import tables_gdd as gdd
import tables_networks as networks
import tables_scaling as scaling
import tables_uncertainty as uncertainty
from bench_entries import BY_NAME, ENTRIES
from bench_record import ABSENT
from bench_results import RESULTS, Result, load

BUSY_CORES = 0.1
"""Other work on the machine that is told beside times."""
_QUOTED = re.compile(r"benchmarks/(\w+\.py)")


@dataclass(frozen=True)
class Table:
    """A table made from results."""

    make: Callable[..., str]
    """Takes the results of the entries in their order; None for one of `more` that lacks."""
    entry: str
    """The benchmark that it needs."""
    more: tuple[str, ...] = ()
    """Benchmarks that add to it where they have a result."""


@dataclass(frozen=True)
class Page:
    """A page of the documentation, as far as tables go."""

    path: str
    tables: tuple[str, ...]
    rest: str
    """Its text without the tables."""

    @property
    def link(self) -> str:
        """A link from the page of the benchmarks."""
        place = self.path.removeprefix("docs/")
        title = place.removesuffix(".md").rpartition("/")[2]
        return f"[{title}](../{place})" if self.path.startswith("docs/") else title


TABLES: Mapping[str, Table] = {
    "results": Table(classical.results, "classical-quality", ("peer-speed",)),
    "classical-quality": Table(classical.quality, "classical-quality"),
    "auto-choice": Table(classical.auto_choice, "auto-choice"),
    "auto-guards": Table(classical.auto_guards, "auto-choice"),
    "peer-speed": Table(classical.peer_speed, "peer-speed"),
    "classical-speed": Table(classical.speed, "classical-speed"),
    "geometry": Table(classical.geometry, "geometry"),
    "outside-pan-pamplona": Table(classical.outside_pamplona, "outside-pan"),
    "outside-pan-alabama": Table(classical.outside_alabama, "outside-pan"),
    "back-projection": Table(classical.back_projection, "back-projection"),
    "back-projection-scenes": Table(classical.back_projection_scenes, "back-projection"),
    "output-cost": Table(networks.as_printed, "output-cost"),
    "learned-full": Table(networks.at_full_resolution, "learned-full"),
    "detail-limit": Table(networks.as_printed, "detail-limit"),
    "learned-wald": Table(networks.by_wald, "learned-wald"),
    "learned-operators": Table(networks.with_operators, "learned-operators"),
    "learned-bicubic": Table(networks.with_bicubic, "learned-bicubic"),
    "guards-of-the-truth": Table(networks.guards_of_the_truth, "learned-wald"),
    "learned-weights": Table(networks.as_printed, "learned-weights"),
    "hs-classics": Table(networks.cube_classics, "hs-quality"),
    "hs-unmixing": Table(networks.cube_unmixing, "hs-quality"),
    "hs-learned": Table(networks.cube_learned, "hs-quality"),
    "hs-cycfusion": Table(networks.cube_cycfusion, "hs-quality", ("hs-quality-blind",)),
    "hs-wrong-model": Table(networks.as_printed, "hs-wrong-model"),
    "hs-blind": Table(networks.blind, "hs-blind"),
    "hs-pan": Table(networks.cubes_beside_pan, "hs-pan"),
    "hs-blocks": Table(networks.cubes_of_blocks, "hs-blocks", ("hs-blocks-told",)),
    "hs-speed": Table(networks.as_printed, "hs-speed"),
    "cnmf-convergence": Table(networks.as_printed, "cnmf-convergence"),
    "uncertainty": Table(uncertainty.agreement, "uncertainty"),
    "uncertainty-ways": Table(uncertainty.ways, "uncertainty"),
    "denoising": Table(networks.as_printed, "denoising"),
    "gdd-presets": Table(gdd.presets, "gdd-presets", ("gdd-weights",)),
    "gdd-average": Table(gdd.averaged, "gdd-average"),
    "gdd-full": Table(networks.at_full_resolution, "gdd-full"),
    "gdd-curve": Table(gdd.curve, "gdd-curve"),
    "time-estimate": Table(scaling.expected_time, "time-estimate"),
    "reliability": Table(scaling.survived, "reliability"),
    "blending-visible-infrared": Table(blending.visible_infrared, "blending"),
    "blending-medical": Table(blending.medical, "blending"),
    "blending-others": Table(blending.others, "blending"),
    "blending-larger": Table(blending.larger, "blending-larger"),
    "blending-quality": Table(blending.whole, "blending-quality"),
    "blending-copies": Table(blending.copies, "blending-copies"),
}
LISTS = ("benchmarks", "by-hand")
"""Tables about the benchmarks themselves."""


def known() -> tuple[str, ...]:
    """Return the names of all tables."""
    return (*TABLES, *LISTS)


def rendered(name: str, shown: tuple[Page, ...] = (), folder: Path = RESULTS) -> str | None:
    """Return a table with the line that says where it comes from; None without its result."""
    if name in LISTS:
        return entries(shown, folder) if name == "benchmarks" else by_hand(shown, folder)
    table = TABLES[name]
    first, *more = (load(entry, folder) for entry in (table.entry, *table.more))
    if first is None:
        return None
    sources = [source(result) for result in (first, *more) if result is not None]
    return table.make(first, *more) + "\n\n" + "\n".join(sources)


def source(result: Result) -> str:
    """Return where figures come from, as a line of small print."""
    about = result.about
    machine, versions, peers, commit = (
        _mapping(about[key]) for key in ("machine", "versions", "peers", "commit")
    )
    tools = [f"{name} {version}" for name, version in peers.items() if version != ABSENT]
    entry = BY_NAME[result.name]
    parts = [
        f"`{about['command']}`",
        f"seed {about['seed']}" if about["seed"] != "none" else "no random draws",
        f"{machine['cpu']}, {machine['cores']} cores{_beside(result)}",
        f"torch {versions['torch']}, {', '.join(tools) if entry.group == 'classical' else ''}",
        f"commit {commit['id']}{' with changes' if commit['dirty'] else ''}",
        str(about["date"]),
    ]
    return f"<small>{'; '.join(part.rstrip(', ') for part in parts)}.</small>"


def _beside(result: Result) -> str:
    """Return a word about other work on the machine, where times depend on it."""
    others = result.about["other_work_cores"]
    if not BY_NAME[result.name].timed or not isinstance(others, float) or others < BUSY_CORES:
        return ""
    return f" of which other work took {others:.1f}"


def _mapping(value: object) -> Mapping[str, object]:
    assert isinstance(value, Mapping)
    return value


def entries(shown: tuple[Page, ...], folder: Path) -> str:
    """Return the list of all benchmarks: their tables, and when they last ran."""
    rows = []
    for entry in ENTRIES:
        result = load(entry.name, folder)
        own = {name for name, table in TABLES.items() if entry.name in (table.entry, *table.more)}
        where = dict.fromkeys(page.link for page in shown if own & set(page.tables))
        ran = "–"
        if result is not None:
            ran = f"{result.about['date']}, {_mapping(result.about['commit'])['id']}"
        needs = {"shipped": "", "further": "DATA", "both": "DATA for all scenes"}[entry.data]
        cost = entry.cost + (", timed" if entry.timed else "")
        if result is not None:
            cost += f", {result.about['wall_s']:.0f} s"
        rows.append([
            f"`{entry.name}`", entry.what, needs or entry.tool or "", cost, ran, ", ".join(where)
        ])  # fmt: skip
    head = ["`ONLY=`", "what", "needs", "cost", "result", "shown in"]
    return mdtable.written(head, rows)


def by_hand(shown: tuple[Page, ...], folder: Path) -> str:
    """Return which pages quote a benchmark of which they show no table that is made."""
    rows = []
    for page in shown:
        made = [TABLES[name].entry for name in page.tables if name in TABLES]
        scripts = {BY_NAME[entry].script.name for entry in made if load(entry, folder)}
        quoted = dict.fromkeys(_QUOTED.findall(page.rest))
        if left := [f"`{script}`" for script in quoted if script not in scripts | _TOOLS]:
            rows.append([page.link, ", ".join(left)])
    return mdtable.written(["page", "figures of"], rows)


_TOOLS = {"bench.py", "render.py", "large_scene.py"}
