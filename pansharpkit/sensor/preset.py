"""The TOML form of a sensor, validated at the door."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pansharpkit.errors import SensorError
from pansharpkit.sensor.model import (
    DEFAULT_MTF,
    DEFAULT_MTF_SOURCE,
    DEFAULT_PAN_MTF,
    Band,
    CommonName,
    Gsd,
    Sensor,
)
from pansharpkit.sensor.spectral import SpectralResponse, read_numbers, read_response

MAX_TOML_BYTES = 1_000_000
UNSTATED = "stated in {}, which names no source"

Text = Annotated[str, Field(min_length=1, max_length=2000)]
Positive = Annotated[float, Field(strict=True, gt=0, lt=1e6, allow_inf_nan=False)]
Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Gain = Annotated[float, Field(strict=True, gt=0, lt=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Group(_Table):
    """Figures that share a source."""

    source: Text | None = None
    note: Text | None = None
    unverified: bool = False


class _FileGroup(_Group):
    file: Text


class _GsdGroup(_Group):
    pan_m: Positive | None = None
    ms_m: Positive | None = None
    product_pan_m: Positive | None = None
    product_ms_m: Positive | None = None
    ratio: Annotated[float, Field(strict=True, ge=1, le=100)] | None = None


class _DepthGroup(_Group):
    value: Annotated[int, Field(strict=True, ge=1, le=64)]


class _ValueGroup(_Group):
    value: Finite


class _MtfGroup(_Group):
    all_bands: Gain | None = None


class _AbscalGroup(_Group):
    version: Text


class _Band(_Table):
    name: Text
    common_name: CommonName | None = None
    center_nm: Positive | None = None
    fwhm_nm: Positive | None = None
    nominal_nm: tuple[Positive, Positive] | None = None
    gsd_m: Positive | None = None
    mtf: Gain | None = None
    esun: Positive | None = None
    esun_computed: Positive | None = None
    abscal: tuple[Finite, Finite] | None = None
    pan_coverage: Annotated[float, Field(strict=True, ge=0, le=1)] | None = None


class _Groups(_Table):
    """The figure groups of a document, by the names that `Sensor.sources` uses."""

    srf: _FileGroup | None = None
    band_list: _FileGroup | None = None
    gsd: _GsdGroup | None = None
    bit_depth: _DepthGroup | None = None
    nodata: _ValueGroup | None = None
    nominal: _Group | None = None
    esun: _Group | None = None
    mtf: _MtfGroup | None = None
    pan_coverage: _Group | None = None
    abscal: _AbscalGroup | None = None


class _Document(_Groups):
    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    name: Text
    aliases: tuple[Text, ...] = ()
    notes: tuple[Text, ...] = ()
    pan: _Band | None = None
    bands: Annotated[tuple[_Band, ...], Field(max_length=1000)] = ()


def read_toml(path: Path) -> Mapping[str, object]:
    """Parse a preset without looking at what it says.

    Raises
    ------
    SensorError
        If the file is missing, too large or no TOML.
    """
    if not path.exists():
        raise SensorError(f"{path}: there is no such preset; check the path")
    if path.stat().st_size > MAX_TOML_BYTES or not path.is_file():
        raise SensorError(f"{path}: not a file of at most {MAX_TOML_BYTES} bytes")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SensorError(f"{path}: cannot be read as TOML: {error}") from error


def read_preset(path: Path) -> Sensor:
    """Read a preset and the table beside it.

    Raises
    ------
    SensorError
        If the file or its table is missing or malformed; the message names file and key.
    """
    raw = read_toml(path)
    try:
        document = _Document.model_validate(raw)
    except ValidationError as error:
        raise SensorError(f"{path}: {_first_problem(error)}") from error
    srf = read_response(_beside(path, document.srf.file)) if document.srf else None
    bands = _bands(path, document, srf)
    pan = _pan(document, srf)
    _check_names(path, bands, pan, srf)
    gsd = document.gsd
    defaults = any(band.mtf_is_default for band in (*bands, *([pan] if pan else [])))
    sources, unverified = _sources(path, document, defaults)
    return Sensor(
        id=document.id,
        name=document.name,
        bands=bands,
        pan=pan,
        aliases=document.aliases,
        gsd=Gsd(gsd.pan_m, gsd.ms_m, gsd.product_pan_m, gsd.product_ms_m) if gsd else Gsd(),
        ratio=gsd.ratio if gsd else None,
        bit_depth=document.bit_depth.value if document.bit_depth else None,
        nodata=document.nodata.value if document.nodata else None,
        srf=srf,
        notes=document.notes,
        sources=sources,
        unverified=unverified,
    )


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown key {key}"
    if first["type"] == "missing":
        return f"key {key} is missing"
    return f"{key} = {repr(first['input'])[:80]}: {first['msg']}"


def _beside(path: Path, name: str) -> Path:
    """Return the file of that name in the folder of `path`, and nowhere else."""
    table = path.parent / name
    outside = name in {".", ".."} or any(char in name for char in '/\\:"\0')
    if outside or table.resolve().parent != path.resolve().parent:
        raise SensorError(f"{path}: the file {name!r} must lie beside it; give its bare name")
    return table


def _bands(path: Path, document: _Document, srf: SpectralResponse | None) -> tuple[Band, ...]:
    if document.band_list:
        if document.bands:
            raise SensorError(f"{path}: give either band_list or bands, not both")
        entries: Sequence[_Band] = _listed(_beside(path, document.band_list.file))
    else:
        entries = document.bands
    if not entries:
        raise SensorError(f"{path}: no bands; list them under [[bands]]")
    gain = document.mtf.all_bands if document.mtf else None
    pan = document.pan.name if document.pan else None
    return tuple(_band(entry, srf, entry.mtf or gain, DEFAULT_MTF, pan) for entry in entries)


def _listed(path: Path) -> list[_Band]:
    """Return the bands of a CSV with band, center_nm, fwhm_nm (which may be blank)."""
    header, values = read_numbers(path, blank=True)
    if header != ["band", "center_nm", "fwhm_nm"]:
        raise SensorError(f"{path}: the header must be band,center_nm,fwhm_nm")
    if not np.isfinite(values[:, :2]).all() or (values[:, :2] <= 0).any():
        raise SensorError(f"{path}: band and center_nm must be positive numbers")
    return [
        _Band(
            name=f"{number:g}",
            center_nm=float(center),
            fwhm_nm=float(width) if width > 0 else None,
        )
        for number, center, width in values
    ]


def _pan(document: _Document, srf: SpectralResponse | None) -> Band | None:
    if document.pan is None:
        return None
    band = _band(document.pan, srf, document.pan.mtf, DEFAULT_PAN_MTF, None)
    return replace(band, common_name="pan")


def _band(
    entry: _Band,
    srf: SpectralResponse | None,
    mtf: float | None,
    default: float,
    pan: str | None,
) -> Band:
    """Return a band, with what the responses say where the document says nothing."""
    figures = entry.model_dump(exclude={"mtf"})
    if srf is not None and entry.name in srf.names:
        low, high = srf.half_power_nm(entry.name)
        measured = {"center_nm": (low + high) / 2, "fwhm_nm": high - low}
        if pan in srf.names:
            measured["pan_coverage"] = srf.pan_coverage(entry.name, str(pan))
        figures |= {key: value for key, value in measured.items() if figures[key] is None}
    return Band(mtf=mtf or default, mtf_is_default=mtf is None, **figures)


def _check_names(
    path: Path, bands: tuple[Band, ...], pan: Band | None, srf: SpectralResponse | None
) -> None:
    names = [band.name for band in (*bands, *([pan] if pan else []))]
    if len({name.casefold() for name in names}) < len(names):
        raise SensorError(f"{path}: two bands have the same name")
    extra = set(srf.names if srf else ()) - set(names)
    if extra:
        raise SensorError(
            f"{path}: the response table has columns that are no bands: {', '.join(sorted(extra))}"
        )


def _sources(
    path: Path, document: _Document, defaults: bool
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the source of each group given, and the groups that nobody has checked."""
    groups = {key: getattr(document, key) for key in _Groups.model_fields}
    given = {key: group for key, group in groups.items() if group is not None}
    sources = {
        key: "; ".join(filter(None, [group.source or UNSTATED.format(path.name), group.note]))
        for key, group in given.items()
    }
    unverified = [key for key, group in given.items() if group.unverified or group.source is None]
    if defaults:
        sources["mtf_default"] = DEFAULT_MTF_SOURCE
        unverified.append("mtf_default")
    return sources, tuple(unverified)
