"""Where the bands of a file lie in the spectrum, as files of many makers say it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from pansharpkit.errors import InputError
from pansharpkit.readers.geotiff import GeoTiffSource
from pansharpkit.readers.safe_open import gdal_environment, printable
from pansharpkit.spectra import RANGE_NM, Spectra

__all__ = ["Spectra", "described", "in_nm", "list_of_numbers", "spectra_of_raster", "unit_in_nm"]

Found = tuple[Spectra | None, tuple[str, ...]]
"""Spectra if the file gives them, and what the user should know about that."""

_UNITS = {
    "nm": 1.0, "nanometer": 1.0, "nanometers": 1.0, "nanometre": 1.0, "nanometres": 1.0,
    "um": 1e3, "µm": 1e3, "μm": 1e3, "micron": 1e3, "microns": 1e3, "micrometer": 1e3,
    "micrometers": 1e3, "micrometre": 1e3, "micrometres": 1e3,
}  # fmt: skip
_NO_UNIT = ("", "unknown", "none", "index")
_SAID = re.compile(
    r"(\d{1,6}(?:\.\d{1,12})?)\s?(nm|nanomet(?:er|re)s?|[uµμ]m|microns?|micromet(?:er|re)s?)\b",
    re.IGNORECASE,
)
_NARROWEST_NM = 0.05  # a tenth of what spectrometers for fluorescence resolve
_LONGEST_TEXT = 2**17


def unit_in_nm(text: str | None) -> float | None:
    """Return how many nm a unit of wavelength is; 0 if it is none, None if the text says nothing.

    >>> unit_in_nm("Micrometers"), unit_in_nm("unknown"), unit_in_nm("GHz")
    (1000.0, None, 0.0)
    """
    plain = (text or "").strip().casefold()
    return None if plain in _NO_UNIT else _UNITS.get(plain, 0.0)


def in_nm(
    centers: Sequence[float],
    unit: str | None,
    label: str,
    *,
    fwhm: Sequence[float] | None = None,
    good: Sequence[bool] = (),
) -> Found:
    """Return the spectra that a file gives in some unit; what cannot be used is left out and said.

    Without a unit, numbers below 100 are taken for µm.
    """
    factor, said = unit_in_nm(unit), []
    if factor is None:
        factor = 1e3 if max(centers, default=0) < RANGE_NM[0] else 1.0
        said.append(f"{label}: names no unit of its wavelengths, taken for "
                    f"{'nm' if factor == 1 else 'µm'}")  # fmt: skip
    if factor == 0:
        text = printable(unit or "")[:40]
        return None, (f"{label}: wavelengths in {text!r} are ignored; nm and µm are understood",)
    centers_nm = tuple(_exact(c * factor) for c in centers)
    widths = None if fwhm is None else tuple(_exact(width * factor) for width in fwhm)
    if widths and (problem := _no_widths(widths, centers_nm)):
        said.append(f"{label}: its FWHM list is ignored: {problem}")
        widths = None
    try:
        found = Spectra(centers_nm, widths, tuple(good))
    except InputError as error:
        return None, (*said, f"{label}: its wavelengths are ignored: {error}")
    return found, tuple(said)


def _no_widths(widths: Sequence[float], centers_nm: Sequence[float]) -> str:
    """Return why numbers are no widths of bands, empty if they are; they may be in another unit."""
    if len(widths) != len(centers_nm) or min(widths) <= 0:
        return "one positive width per band is needed"
    odd = [w for w, c in zip(widths, centers_nm, strict=True) if not _NARROWEST_NM <= w <= c]
    return f"{odd[0]:g} nm is no width of a band, are wavelengths in another unit?" if odd else ""


def _exact(value: float) -> float:
    """Return the value without the digits that the change of unit made up."""
    return float(f"{value:.10g}")


def described(names: Sequence[str], label: str) -> Found:
    """Return the spectra that band descriptions such as ``band 1 (418.24 nm)`` give.

    If some give none, nothing is returned and a notice says which.

    >>> described(["B1 0.48 um", "B2 560 nm"], "a.tif")[0].centers_nm
    (480.0, 560.0)
    """
    hits = [_SAID.search(name[:200]) for name in names]
    lacking = [name for name, hit in zip(names, hits, strict=True) if hit is None]
    if lacking:
        if len(lacking) == len(hits):
            return None, ()
        first = printable(lacking[0])[:60]
        return None, (f"{label}: its wavelengths are ignored: {len(lacking)} of {len(names)} bands "
                      f"have none, the first is {first!r}",)  # fmt: skip
    values = [float(hit[1]) * (unit_in_nm(hit[2]) or 1.0) for hit in hits if hit is not None]
    return in_nm(values, "nm", label)


def list_of_numbers(text: str) -> tuple[float, ...] | None:
    """Return the finite numbers of a list such as ``{418.24, 423.87}``; None if it is none.

    >>> list_of_numbers("{1, 2.5}"), list_of_numbers("{1, x}")
    ((1.0, 2.5), None)
    """
    if len(text) > _LONGEST_TEXT:
        return None
    parts = [part.strip() for part in text.strip().strip("{}").split(",")]
    try:
        values = tuple(float(part) for part in parts if part)
    except ValueError:
        return None
    return values if values and all(map(math.isfinite, values)) else None


def spectra_of_raster(source: GeoTiffSource) -> Found:
    """Return the spectra of all bands that a raster's tags or descriptions give.

    Looked for in this order: the IMAGERY items of the bands, their ``wavelength`` items, lists in
    the ENVI domain of the file, band descriptions.
    """
    dataset, label = source.file.dataset, source.label
    with gdal_environment(source.file.options):
        indexes = dataset.indexes
        whole = {key.casefold(): value for key, value in dataset.tags(ns="ENVI").items()}
        own = {key.casefold(): value for key, value in dataset.tags().items()}
        bands = [_lower(dataset.tags(i)) for i in indexes]
        imagery = [_lower(dataset.tags(i, ns="IMAGERY")) for i in indexes]
        texts = [text or "" for text in dataset.descriptions]
    for found in _from_tags(bands, imagery, whole, own, label):
        if found[0] is not None or found[1]:
            return found
    return described(texts, label)


def _from_tags(
    bands: Sequence[Mapping[str, str]],
    imagery: Sequence[Mapping[str, str]],
    whole: Mapping[str, str],
    own: Mapping[str, str],
    label: str,
) -> Iterator[Found]:
    if centers := _numbers(imagery, "central_wavelength_um"):
        yield in_nm(centers, "um", label, fwhm=_numbers(imagery, "fwhm_um"))
    unit = bands[0].get("wavelength_units") or own.get("wavelength_units")
    if centers := _numbers(bands, "wavelength"):
        yield in_nm(centers, unit, label, fwhm=_numbers(bands, "fwhm"))
    for tags in (whole, own):
        values = list_of_numbers(tags.get("wavelength", ""))
        if values is not None and len(values) == len(bands):
            unit = tags.get("wavelength_units") or tags.get("wavelength units")
            yield in_nm(values, unit, label, fwhm=list_of_numbers(tags.get("fwhm", "")))


def _numbers(tags: Sequence[Mapping[str, str]], key: str) -> tuple[float, ...] | None:
    """Return the number that every band has under a key; None if some have none."""
    found = list_of_numbers(",".join(band.get(key) or "x" for band in tags))
    return found if found is not None and len(found) == len(tags) else None


def _lower(tags: Mapping[str, str]) -> dict[str, str]:
    return {key.casefold(): value for key, value in tags.items()}
