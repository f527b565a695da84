"""`pansharpkit sensors`: list, show and plot the presets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pansharpkit.errors import OptionError, OutputError, SensorError
from pansharpkit_cli import completing, console

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pansharpkit.sensor import Band, Sensor, SpectralResponse

app = typer.Typer(help="Sensor presets: bands, spectral responses, MTF.", no_args_is_help=True)

Name = Annotated[
    str,
    typer.Argument(
        help="Id, name or alias of a preset, or path to a TOML.", autocompletion=completing.sensors
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]

_MANY = 32  # bands: a longer list is shown by its ends
_COLOURS = {
    "coastal": "#6a3d9a",
    "blue": "#1f78b4",
    "green": "#33a02c",
    "yellow": "#d4b400",
    "red": "#e31a1c",
    "rededge": "#b2182b",
    "nir": "#8c510a",
    "nir2": "#543005",
    "cirrus": "#80cdc1",
    "swir1": "#01665e",
    "swir2": "#003c30",
    "pan": "#7f7f7f",
}


@app.command("list")
def list_(json: AsJson = False) -> None:
    """List all presets, your own included."""
    from pansharpkit.sensor.catalogue import presets

    found = sorted(presets(), key=lambda preset: preset.id)
    if json:
        console.print_json(
            [{"id": p.id, "name": p.name, "aliases": p.aliases, "path": str(p.path)} for p in found]
        )
        return
    rows = [[p.id, p.name, ", ".join(p.aliases)] for p in found]
    headings = dict.fromkeys(("id", "name", "aliases"), "left")
    console.stdout.print(console.table("Sensors", headings, rows))


@app.command()
def show(name: Name, json: AsJson = False) -> None:
    """Show what a preset holds, and where each figure comes from."""
    from pansharpkit.sensor import load_sensor

    sensor = load_sensor(name)
    if json:
        console.print_json(_as_dict(sensor))
        return
    facts = [[key, value] for key, value in _facts(sensor) if value]
    console.stdout.print(console.table(sensor.name, {"": "left", " ": "left"}, facts))
    console.stdout.print(_band_table(sensor))
    rows = [
        [group, "unverified" if group in sensor.unverified else "", source]
        for group, source in sensor.sources.items()
    ]
    headings = {"figures": "left", "": "left", "source": "left"}
    console.stdout.print(console.table("Sources", headings, rows))
    for note in sensor.notes:
        console.stdout.print(f"• {note}", markup=False, highlight=False)


@app.command()
def plot(
    name: Name,
    output: Annotated[Path, typer.Option("--output", "-o", help="Picture to write (.png).")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the picture.")] = False,
) -> None:
    """Draw the spectral responses, PAN in grey, with the MTF gains beside them."""
    from pansharpkit.sensor import load_sensor

    sensor = load_sensor(name)
    if output.exists() and not overwrite:
        raise OptionError(f"{output} exists; pass --overwrite to replace it")
    figure = _draw(sensor)
    try:
        figure.savefig(output, dpi=150)
    except (OSError, ValueError) as error:
        raise OutputError(f"{output} cannot be written: {error}") from error
    console.note(f"wrote {output}")


def _as_dict(sensor: Sensor) -> dict[str, object]:
    """Return a sensor as JSON-ready values; responses as equivalent widths."""
    from dataclasses import replace

    values = asdict(replace(sensor, srf=None))
    values["srf"] = sensor.srf and {
        name: {"equivalent_width_nm": round(sensor.srf.equivalent_width_nm(name), 2)}
        for name in sensor.srf.names
    }
    return values


def _facts(sensor: Sensor) -> list[tuple[str, str]]:
    gsd = sensor.gsd
    metres = [
        f"{what} {value:g} m"
        for what, value in (("PAN", gsd.pan_m), ("MS", gsd.ms_m))
        if value is not None
    ]
    return [
        ("id", sensor.id),
        ("aliases", ", ".join(sensor.aliases)),
        ("GSD", ", ".join(metres)),
        ("ratio", f"{sensor.ratio:g}" if sensor.ratio else ""),
        ("bit depth", str(sensor.bit_depth or "")),
        ("nodata", "" if sensor.nodata is None else f"{sensor.nodata:g}"),
        ("responses", f"{len(sensor.srf.names)} bands" if sensor.srf else "no table"),
        ("unverified", ", ".join(sensor.unverified)),
    ]


def _band_table(sensor: Sensor) -> object:
    bands = [*sensor.bands, *([sensor.pan] if sensor.pan else [])]
    rows = [_band_row(band) for band in bands]
    if len(rows) > _MANY:
        rows = [*rows[:8], ["…"] * len(rows[0]), *rows[-8:]]
    headings = {"band": "left", "common": "left"} | dict.fromkeys(
        ("centre nm", "FWHM nm", "MTF", "ESUN", "in PAN"), "right"
    )
    return console.table(f"{len(bands)} bands (* the field's default MTF)", headings, rows)


def _band_row(band: Band) -> list[str]:
    return [
        band.name,
        band.common_name or "",
        console.number(band.center_nm, 1),
        console.number(band.fwhm_nm, 1),
        f"{band.mtf:.3g}{'*' if band.mtf_is_default else ''}",
        console.number(band.esun, 1),
        console.number(band.pan_coverage, 2),
    ]


def _draw(sensor: Sensor) -> Figure:
    from matplotlib.figure import Figure

    if sensor.srf is None:
        raise SensorError(f"{sensor.name} has no spectral responses to draw")
    figure = Figure(figsize=(11, 5), layout="constrained")
    curves, table = figure.subplots(1, 2, width_ratios=(3, 1))
    _draw_responses(curves, sensor, sensor.srf)
    _draw_gains(table, sensor)
    return figure


def _draw_responses(axes: Axes, sensor: Sensor, srf: SpectralResponse) -> None:
    if sensor.pan and sensor.pan.name in srf.names:
        pan = srf.band(sensor.pan.name)
        label = "PAN" if sensor.pan.name == "PAN" else f"{sensor.pan.name} (PAN)"
        axes.fill_between(srf.wavelength_nm, pan / pan.max(), color="0.85", label=label)
    drawn = [band for band in sensor.bands if band.name in srf.names]
    for band, colour in zip(drawn, _colours(drawn), strict=True):
        curve = srf.band(band.name)
        axes.plot(srf.wavelength_nm, curve / curve.max(), color=colour, label=band.name)
    axes.set(
        title=f"{sensor.name}: relative spectral response",
        xlabel="wavelength (nm)",
        ylabel="response / peak",
        ylim=(0, 1.05),
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", ncols=6, loc="upper center", bbox_to_anchor=(0.5, -0.13))


def _colours(bands: Sequence[Band]) -> list[object]:
    """Return a colour for each band: its own, or one of a scale for bands without a name."""
    from matplotlib import colormaps

    nameless = sum(band.common_name is None for band in bands)
    scale = iter(colormaps["cividis"](0.9 * i / max(1, nameless - 1)) for i in range(nameless))
    return [_COLOURS[b.common_name] if b.common_name else next(scale) for b in bands]


def _draw_gains(axes: Axes, sensor: Sensor) -> None:
    bands = [*sensor.bands, *([sensor.pan] if sensor.pan else [])]
    cells = [[b.name, f"{b.mtf:.3g}{'*' if b.mtf_is_default else ''}"] for b in bands]
    axes.axis("off")
    axes.set_title("MTF gain at Nyquist", fontsize="medium")
    made = axes.table(cells, colLabels=["band", "gain"], loc="upper center", cellLoc="center")
    made.auto_set_font_size(False)
    made.set_fontsize(9)
    if any(band.mtf_is_default for band in bands):
        axes.text(0.5, 0.0, "* default", ha="center", fontsize="small", transform=axes.transAxes)
