"""`model.json`: an estimated observation model, to be used again for the same instruments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pansharpkit.errors import FileReadError, MetadataError, OptionError, OutputError, SensorError
from pansharpkit.model import ObservationModel, Psf, Rows
from pansharpkit.sampling import Pair

SCHEMA = "pansharpkit-model"
VERSION = 1
MAX_BYTES = 50_000_000
_MOST_TAPS = 513  # guide pixels along a side of a PSF


@dataclass(frozen=True)
class ModelFile:
    """An observation model, with the bands that it is about and where it comes from."""

    model: ObservationModel
    guide_bands: tuple[str, ...]
    """[c] names."""
    bands: tuple[str, ...]
    """[C] names of the target's bands."""
    centers_nm: tuple[float | None, ...]
    """[C] wavelengths of those; None where they are not known."""
    ratio: Pair
    """Guide pixels per target pixel, rows and columns."""
    method: str
    """How it was estimated."""
    residual: tuple[float, ...]
    """[c] share of each guide band, root mean square, that the model misses."""
    spread: Rows = field(repr=False)
    """[c, C] standard deviation of the SRF, as far as the method tells it."""
    provenance: Mapping[str, object] = field(default_factory=dict)
    """Inputs, versions and settings."""

    def __post_init__(self) -> None:
        shape = len(self.guide_bands), len(self.bands)
        for name, rows in (("SRF", self.model.srf), ("spread", self.spread)):
            found = len(rows), len(rows[0]) if rows else 0
            if found != shape:
                raise OptionError(
                    f"{found[0]} x {found[1]} values of the {name} for {shape[0]} guide bands and "
                    f"{shape[1]} bands"
                )
        blind = [n for n, row in zip(self.guide_bands, self.model.srf, strict=True) if not any(row)]
        if blind:
            raise OptionError(f"the SRF of {', '.join(blind)} is zero everywhere")
        if len(self.centers_nm) != shape[1] or len(self.residual) != shape[0]:
            raise OptionError("wavelengths or residuals do not go with the bands of the model")

    def for_bands(self, guide_bands: tuple[str, ...], bands: tuple[str, ...]) -> ObservationModel:
        """Return the model for bands of a scene, by name; it may have more, in another order.

        Raises
        ------
        SensorError
            Naming what the scene has and the model lacks.
        """
        rows = _places(self.guide_bands, guide_bands, "guide band")
        cols = _places(self.bands, bands, "band")
        srf = tuple(tuple(self.model.srf[r][c] for c in cols) for r in rows)
        return ObservationModel(srf, self.model.psf)


def _places(known: tuple[str, ...], wanted: tuple[str, ...], what: str) -> list[int]:
    missing = [name for name in wanted if name not in known]
    if missing:
        found = ", ".join(known[:6]) + (", ..." if len(known) > 6 else "")
        raise SensorError(
            f"the model knows no {what} {', '.join(missing[:6])}: it was made for {found}; "
            "estimate it from this pair"
        )
    return [known.index(name) for name in wanted]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Number = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-1e12, le=1e12)]
Name = Annotated[str, Field(max_length=1000)]
Row = Annotated[tuple[Number, ...], Field(min_length=1)]


_Shift = Annotated[Number, Field(ge=-_MOST_TAPS, le=_MOST_TAPS)]


class _Psf(_Table):
    values: Annotated[tuple[Row, ...], Field(min_length=1, max_length=_MOST_TAPS)]
    shift: tuple[_Shift, _Shift]


class _Document(_Table):
    schema_: Annotated[Literal["pansharpkit-model"], Field(alias="schema")]
    version: Literal[1]
    method: Name
    ratio: tuple[Annotated[Number, Field(gt=1)], Annotated[Number, Field(gt=1)]]
    guide_bands: Annotated[tuple[Name, ...], Field(min_length=1)]
    bands: Annotated[tuple[Name, ...], Field(min_length=1)]
    centers_nm: tuple[Annotated[Number, Field(gt=0)] | None, ...]
    srf: Annotated[tuple[Row, ...], Field(min_length=1)]
    srf_spread: tuple[Row, ...]
    residual: tuple[Annotated[Number, Field(ge=0)], ...]
    psf: _Psf | None
    provenance: dict[str, object]


def write_model(path: Path, file: ModelFile, *, overwrite: bool = False) -> None:
    """Write a model as JSON, in one step: the file is whole or not there.

    Raises
    ------
    OptionError
        If it exists and may not be replaced.
    OutputError
        If it cannot be written.
    """
    if path.exists() and not overwrite:
        raise OptionError(f"{path} exists; pass --overwrite to replace it")
    psf = file.model.psf
    document = {
        "schema": SCHEMA,
        "version": VERSION,
        "method": file.method,
        "ratio": list(file.ratio),
        "guide_bands": list(file.guide_bands),
        "bands": list(file.bands),
        "centers_nm": list(file.centers_nm),
        "srf": file.model.srf,
        "srf_spread": file.spread,
        "residual": list(file.residual),
        "psf": None if psf is None else {"values": psf.values, "shift": list(psf.shift)},
        "provenance": dict(file.provenance),
    }
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        part.replace(path)
    except (OSError, ValueError) as error:
        part.unlink(missing_ok=True)
        raise OutputError(f"{path} cannot be written: {error}") from error


def read_model(path: Path) -> ModelFile:
    """Read a model and check it.

    Raises
    ------
    FileReadError
        If the file is missing, too large or no JSON.
    MetadataError
        Naming file and key, if it is no model, of another version, or its figures do not fit.
    """
    if not path.exists():
        raise FileReadError(f"{path}: there is no such model; `pansharpkit estimate` makes one")
    if path.stat().st_size > MAX_BYTES or not path.is_file():
        raise FileReadError(f"{path}: not a file of at most {MAX_BYTES} bytes")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise FileReadError(f"{path}: cannot be read as JSON: {error}") from error
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        raise MetadataError(f"{path}: not a model written by `pansharpkit estimate`")
    if raw.get("version") != VERSION:
        raise MetadataError(
            f"{path}: version {raw.get('version')!r} of the model, this release reads {VERSION}"
        )
    try:
        document = _Document.model_validate_json(json.dumps(raw))
        return _from(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise MetadataError(f"{path}: {key}: {first['msg']}") from error
    except OptionError as error:
        raise MetadataError(f"{path}: {error}") from error


def _from(document: _Document) -> ModelFile:
    psf = None if document.psf is None else Psf(document.psf.values, document.psf.shift)
    return ModelFile(
        ObservationModel(document.srf, psf),
        document.guide_bands,
        document.bands,
        document.centers_nm,
        document.ratio,
        document.method,
        document.residual,
        document.srf_spread,
        document.provenance,
    )
