"""Spectral responses: what each band of an instrument sees of the spectrum."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pansharpkit.errors import SensorError

MAX_CSV_BYTES = 4_000_000
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SpectralResponse:
    """Relative responses of several bands on one list of wavelengths.

    Between samples the response is a straight line, outside them it is zero.
    """

    wavelength_nm: Floats = field(repr=False)
    """[n] strictly increasing."""
    response: Floats = field(repr=False)
    """[bands, n], 0 or more, usually with a peak of 1."""
    names: tuple[str, ...]
    """Name of each band."""

    def __post_init__(self) -> None:
        self.wavelength_nm.flags.writeable = False
        self.response.flags.writeable = False

    def band(self, name: str) -> Floats:
        """Return the response of one band: [n].

        Raises
        ------
        SensorError
            If no response has that name.
        """
        if name not in self.names:
            found = ", ".join(self.names)
            raise SensorError(f"no spectral response for band {name}: there are {found}")
        band: Floats = self.response[self.names.index(name)]
        return band

    def equivalent_width_nm(self, name: str) -> float:
        """Return the width of the box of the band's peak height and area.

        Image metadata of some vendors call it the effective bandwidth.
        """
        band = self.band(name)
        return float(np.trapezoid(band, self.wavelength_nm) / band.max())

    def half_power_nm(self, name: str) -> tuple[float, float]:
        """Return the outermost wavelengths at which the band reaches half of its peak."""
        band, half = self.band(name), self.band(name).max() / 2
        inside = np.flatnonzero(band >= half)
        return self._crossing(band, half, inside[0], -1), self._crossing(band, half, inside[-1], 1)

    def _crossing(self, band: Floats, half: float, index: np.intp, step: int) -> float:
        """Return where the line from sample `index`, at or above `half`, to the next one falls."""
        outside = index + step
        if not 0 <= outside < band.size:
            return float(self.wavelength_nm[index])
        here, there = self.wavelength_nm[index], self.wavelength_nm[outside]
        share = (band[index] - half) / (band[index] - band[outside])
        return float(here + share * (there - here))

    def mean_over(self, name: str, wavelength_nm: Floats, spectrum: Floats) -> float:
        """Return the mean of a spectrum weighted by the response of one band.

        Parameters
        ----------
        wavelength_nm, spectrum
            [n] each; the wavelengths must increase. Beyond them the end values hold.
        """
        own = self.wavelength_nm
        grid = np.union1d(own, wavelength_nm[(wavelength_nm > own[0]) & (wavelength_nm < own[-1])])
        weight = np.interp(grid, own, self.band(name))
        weighted = np.trapezoid(weight * np.interp(grid, wavelength_nm, spectrum), grid)
        return float(weighted / np.trapezoid(weight, grid))

    def pan_coverage(self, name: str, pan: str) -> float:
        """Return the mean PAN response over a band: 0 outside PAN, 1 where PAN peaks."""
        reference = self.band(pan)
        return self.mean_over(name, self.wavelength_nm, reference / reference.max())


def read_response(path: Path) -> SpectralResponse:
    """Read a CSV with `wavelength_nm` and one column per band.

    Raises
    ------
    SensorError
        If the file is missing, too large or malformed; the message names file and line.
    """
    header, values = read_numbers(path, blank=False)
    if header[0] != "wavelength_nm" or len(header) < 2 or len(set(header)) < len(header):
        raise SensorError(f"{path}: the header must be wavelength_nm and distinct band names")
    if len(values) < 2 or (np.diff(values[:, 0]) <= 0).any():
        raise SensorError(f"{path}: wavelengths must increase from line to line, over two or more")
    response = np.ascontiguousarray(values[:, 1:].T)
    if (response < 0).any():
        raise SensorError(f"{path}: a response is negative; set such samples to 0")
    dark = [name for name, band in zip(header[1:], response, strict=True) if band.max() == 0]
    if dark:
        raise SensorError(f"{path}: the response of {', '.join(dark)} is zero everywhere")
    return SpectralResponse(values[:, 0].copy(), response, tuple(header[1:]))


def read_numbers(path: Path, blank: bool) -> tuple[list[str], Floats]:
    """Read a CSV of numbers: its header, and [rows, columns], NaN for blanks where allowed."""
    try:
        if path.stat().st_size > MAX_CSV_BYTES or not path.is_file():
            raise SensorError(f"{path}: not a file of at most {MAX_CSV_BYTES} bytes")
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            rows = list(_rows(path, reader, len(header), blank))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SensorError(f"{path}: cannot be read as CSV: {error}") from error
    if not header or not rows:
        raise SensorError(f"{path}: the table is empty")
    return header, np.array(rows, dtype=np.float64)


def _rows(path: Path, lines: Iterator[list[str]], width: int, blank: bool) -> Iterator[list[float]]:
    for number, line in enumerate(lines, start=2):
        if not line:
            continue
        try:
            row = [math.nan if blank and not field.strip() else float(field) for field in line]
        except ValueError as error:
            raise SensorError(f"{path}, line {number}: {error}") from error
        if len(row) != width:
            raise SensorError(f"{path}, line {number}: {len(row)} values, expected {width}")
        if not all(math.isfinite(v) for v, text in zip(row, line, strict=True) if text.strip()):
            raise SensorError(f"{path}, line {number}: a value is not finite")
        yield row
