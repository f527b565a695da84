"""What PRISMA's metadata say: where a product keeps what, and where its bands lie."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pansharpkit.errors import FileReadError, MetadataError
from pansharpkit.readers.hdf.file import HdfFile
from pansharpkit.readers.product import Scaling
from pansharpkit.spectra import RANGE_NM

_SWATHS = "/HDFEOS/SWATHS"
_SWATH = re.compile(r"PRS_L(1|2B|2C|2D)_(HCO|HRC|PCO|PRC)")
_FULL_SCALE = 65535.0


@dataclass(frozen=True)
class Layout:
    """Where a product keeps what."""

    level: str
    """``1``, ``2B``, ``2C`` or ``2D``."""
    cube: str
    """Path of the group that holds the cubes."""
    pan: str | None
    """Path of the group that holds PAN."""
    masks: str | None
    """Path of the group that holds level 1's maps of clouds and ground."""


def read_layout(file: HdfFile) -> Layout:
    """Return the layout of a product; co-registered images count before the others.

    Raises
    ------
    FileReadError
        If it holds no cube of a level that is known.
    """
    found = {m[2]: (m[1], m[0]) for n in file.names(_SWATHS) if (m := _SWATH.fullmatch(n))}
    cube = found.get("HCO") or found.get("HRC")
    if cube is None:
        raise FileReadError(
            f"{file.shown}: holds no PRISMA cube of level 1, 2B, 2C or 2D ({_SWATHS}/PRS_L*_HCO); "
            "get the whole product"
        )
    pan = found.get("PCO") or found.get("PRC")
    return Layout(
        cube[0],
        f"{_SWATHS}/{cube[1]}",
        f"{_SWATHS}/{pan[1]}" if pan else None,
        f"{_SWATHS}/{found['HRC'][1]}" if "HRC" in found else None,
    )


@dataclass(frozen=True)
class Detector:
    """The bands of one of the two cubes that count, by ascending wavelength."""

    name: str
    """``Vnir`` or ``Swir``, as in the names of attributes."""
    count: int
    """How many bands the metadata list."""
    bands: tuple[int, ...]
    """Positions in the cube, from 0."""
    centers_nm: tuple[float, ...]
    fwhm_nm: tuple[float, ...]
    """0 where it is not known."""
    flags: tuple[bool, ...]
    """Which bands the product calls usable."""
    scaling: Scaling

    @property
    def place(self) -> str:
        """Path of the cube below the group of cubes."""
        return f"Data Fields/{self.name.upper()}_Cube"

    def select(self, kept: Sequence[int]) -> Detector:
        """Return the detector with only the bands at these positions among those it has."""
        return replace(
            self,
            bands=tuple(self.bands[i] for i in kept),
            centers_nm=tuple(self.centers_nm[i] for i in kept),
            fwhm_nm=tuple(self.fwhm_nm[i] for i in kept),
            flags=tuple(self.flags[i] for i in kept),
        )


def read_detectors(file: HdfFile, layout: Layout) -> tuple[list[Detector], tuple[str, ...]]:
    """Return the detectors whose cubes are there, without what both see, and what to say of it.

    Raises
    ------
    FileReadError
        If no cube is there, or none has a band with a wavelength.
    MetadataError
        If an attribute is missing or cannot be used.
    """
    there = file.names(f"{layout.cube}/Data Fields")
    names = [name for name in ("Vnir", "Swir") if f"{name.upper()}_Cube" in there]
    found = [_detector(file, name, layout.level) for name in names]
    detectors = [detector for detector in found if detector.bands]
    if not detectors:
        raise FileReadError(
            f"{file.shown}: {layout.cube} holds no VNIR_Cube or SWIR_Cube with a wavelength; get "
            "the whole product"
        )
    said = [
        f"{file.shown}: {d.count - len(d.bands)} of {d.count} {d.name.upper()} bands have no "
        "wavelength and are left out"
        for d in found
        if len(d.bands) < d.count
    ]
    if len(names) < 2:
        said.append(f"{file.shown}: holds the {detectors[0].name.upper()} cube only")
    if len(detectors) == 2:
        detectors, more = _apart(file, *detectors)
        said += more
    return detectors, tuple(said)


def _apart(file: HdfFile, vnir: Detector, swir: Detector) -> tuple[list[Detector], tuple[str, ...]]:
    """Leave out what both detectors see of VNIR, whose silicon fades there."""
    usable = [c for c, good in zip(swir.centers_nm, swir.flags, strict=True) if good]
    first = min(usable, default=np.inf)
    kept = [i for i, center in enumerate(vnir.centers_nm) if center < first]
    gone = len(vnir.bands) - len(kept)
    if not kept or not gone:
        return [d for d in (vnir, swir) if d is swir or kept], ()
    return [vnir.select(kept), swir], (
        f"{file.shown}: both detectors see {first:.0f}-{max(vnir.centers_nm):.0f} nm; there the "
        f"SWIR bands count and {gone} VNIR bands are left out",
    )


def _detector(file: HdfFile, name: str, level: str) -> Detector:
    centers = file.numbers(f"List_Cw_{name}")
    widths = _alike(file, f"List_Fwhm_{name}", len(centers), 0.0)
    flags = np.ones(len(centers), bool)
    for key in (f"List_Cw_{name}_Flags", f"CNM_{name.upper()}_SELECT"):
        flags &= _alike(file, key, len(centers), 1.0) != 0
    low, high = RANGE_NM
    wrong = centers[(centers != 0) & ((centers < low) | (centers > high))]
    if wrong.size:
        raise MetadataError(f"{file.shown}: List_Cw_{name} holds {wrong[0]:g}, no wavelength in nm")
    order = [int(i) for i in np.argsort(centers, kind="stable") if centers[i] > 0]
    return Detector(
        name,
        len(centers),
        tuple(order),
        tuple(round(float(centers[i]), 4) for i in order),
        tuple(round(float(widths[i]), 4) for i in order),
        tuple(bool(flags[i]) for i in order),
        read_scaling(file, name, level),
    )


def _alike(
    file: HdfFile, key: str, count: int, without: float
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return an attribute with one number per band, or so many of another if it is not there."""
    if file.attribute(key) is None:
        return np.full(count, without)
    found = file.numbers(key)
    if len(found) != count:
        raise MetadataError(f"{file.shown}: {key} lists {len(found)} bands, expected {count}")
    return found


def read_scaling(file: HdfFile, name: str, level: str) -> Scaling:
    """Return scale and offset of a cube, or of PAN, to radiance (level 1) or reflectance.

    Source: PRISMA Products Specification Document, issue 2.3, for the attributes.
    """
    if level == "1":
        factor = file.number(f"ScaleFactor_{name}")
        if factor <= 0:
            raise MetadataError(f"{file.shown}: ScaleFactor_{name} = {factor:g} is not positive")
        return 1 / factor, file.number(f"Offset_{name}")
    low, high = file.number(f"L2Scale{name}Min"), file.number(f"L2Scale{name}Max")
    if high <= low:
        raise MetadataError(
            f"{file.shown}: L2Scale{name}Max = {high:g} is not above L2Scale{name}Min = {low:g}"
        )
    return (high - low) / _FULL_SCALE, low
