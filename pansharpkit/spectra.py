"""Where the bands of a cube lie in the spectrum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pansharpkit.errors import InputError

RANGE_NM = (100.0, 20_000.0)
"""Centres outside this are no wavelengths of reflected or emitted light, or in another unit."""
_WIDEST_NM = 5000.0


@dataclass(frozen=True)
class Spectra:
    """Centre and width of each band of a cube, in the order of the bands.

    >>> Spectra((952.4, 902.3, 911.9)).order
    (1, 2, 0)
    """

    centers_nm: tuple[float, ...]
    """One for each band; they need not ascend: two detectors may overlap."""
    fwhm_nm: tuple[float, ...] | None = None
    """Full width at half maximum of each band; None if not known of all."""
    good: tuple[bool, ...] = ()
    """Which bands their maker calls usable; empty if the maker does not say."""

    def __post_init__(self) -> None:
        low, high = RANGE_NM
        wrong = [c for c in self.centers_nm if not (math.isfinite(c) and low <= c <= high)]
        if not self.centers_nm or wrong:
            found = f"{wrong[0]:g} nm" if wrong else "nothing"
            raise InputError(f"band centres must lie in {low:g}-{high:g} nm, found {found}")
        widths = self.fwhm_nm or ()
        if any(not 0 < width <= _WIDEST_NM for width in widths):
            raise InputError(f"band widths must lie in 0-{_WIDEST_NM:g} nm")
        for values in (widths, self.good):
            if values and len(values) != len(self.centers_nm):
                raise InputError(f"{len(self.centers_nm)} band centres, but {len(values)} widths "
                                 "or flags")  # fmt: skip

    def __len__(self) -> int:
        return len(self.centers_nm)

    @property
    def order(self) -> tuple[int, ...]:
        """Positions of the bands by ascending centre."""
        return tuple(sorted(range(len(self)), key=self.centers_nm.__getitem__))

    @property
    def ascending(self) -> bool:
        """Whether the bands already lie in the order of their centres."""
        return self.order == tuple(range(len(self)))

    @property
    def extent_nm(self) -> tuple[float, float]:
        """Lowest and highest centre."""
        return min(self.centers_nm), max(self.centers_nm)

    def select(self, positions: Sequence[int]) -> Spectra:
        """Return the spectra of the bands at the given positions, from 0, in that order."""
        return Spectra(
            tuple(self.centers_nm[i] for i in positions),
            None if self.fwhm_nm is None else tuple(self.fwhm_nm[i] for i in positions),
            tuple(self.good[i] for i in positions) if self.good else (),
        )

    def sorted(self) -> Spectra:
        """Return the same by ascending centre."""
        return self.select(self.order)
