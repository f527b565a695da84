"""What a sensor is: bands, resolutions and radiometry, each figure with its source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from pansharpkit.errors import SensorError
from pansharpkit.sensor.spectral import SpectralResponse

CommonName = Literal[
    "coastal",
    "blue",
    "green",
    "yellow",
    "red",
    "rededge",
    "nir",
    "nir2",
    "cirrus",
    "swir1",
    "swir2",
    "pan",
]
COMMON_NAMES: tuple[CommonName, ...] = get_args(CommonName)

DEFAULT_MTF = 0.30
DEFAULT_PAN_MTF = 0.15
DEFAULT_MTF_SOURCE = (
    "no published value: 0.30 (MS) and 0.15 (PAN), what the field's current toolboxes use for an "
    "unknown sensor (older ones used 0.29 and 0.15)"
)
IN_PAN = 0.1
"""Mean PAN response over a band from which PAN counts as seeing it."""


@dataclass(frozen=True)
class Band:
    """One band, and what is known of it."""

    name: str
    """As the product calls it: B2, Blue, ..."""
    common_name: CommonName | None = None
    """What the field calls it, whatever the product."""
    center_nm: float | None = None
    """Midpoint between the half-power wavelengths; None if unknown."""
    fwhm_nm: float | None = None
    """Distance between the half-power wavelengths."""
    nominal_nm: tuple[float, float] | None = None
    """Limits as the operator prints them; they may differ from the response by tens of nm."""
    gsd_m: float | None = None
    """Only for a band that is not on the sensor's MS grid."""
    mtf: float = DEFAULT_MTF
    """Gain at the Nyquist frequency of the band's own sampling, in (0, 1)."""
    mtf_is_default: bool = True
    """Whether `mtf` is the field's default because nobody published one."""
    esun: float | None = None
    """Mean solar irradiance at 1 au, W m-2 um-1."""
    esun_computed: float | None = None
    """The same from SRF and solar spectrum, beside a published `esun`."""
    abscal: tuple[float, float] | None = None
    """Vendor's gain and offset on radiance."""
    pan_coverage: float | None = None
    """Mean PAN response over the band: 0 outside PAN, 1 where PAN peaks; None if unknown."""


@dataclass(frozen=True)
class Gsd:
    """Ground sampling distances, m: at nadir, and of the usual products."""

    pan_m: float | None = None
    ms_m: float | None = None
    product_pan_m: float | None = None
    product_ms_m: float | None = None


@dataclass(frozen=True)
class Sensor:
    """An instrument: its PAN band, its other bands in product order, the figures' sources."""

    id: str
    name: str
    bands: tuple[Band, ...]
    pan: Band | None = None
    aliases: tuple[str, ...] = ()
    gsd: Gsd = Gsd()
    ratio: float | None = None
    """MS pixel over PAN pixel; None without PAN."""
    bit_depth: int | None = None
    nodata: float | None = None
    srf: SpectralResponse | None = None
    """Responses by band name, PAN included; None if no table is known."""
    notes: tuple[str, ...] = ()
    """Traps that a user of this sensor should know."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where each group of figures (srf, gsd, mtf, ...) comes from."""
    unverified: tuple[str, ...] = ()
    """Groups of figures that stand on a single source, or on memory."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the bands, without PAN."""
        return tuple(band.name for band in self.bands)

    @property
    def mtf(self) -> tuple[float, ...]:
        """MTF gain at Nyquist of each band, without PAN."""
        return tuple(band.mtf for band in self.bands)

    @property
    def pan_mtf(self) -> float:
        """MTF gain of PAN at Nyquist; the field's default without a PAN band."""
        return self.pan.mtf if self.pan else DEFAULT_PAN_MTF

    def match(self, names: Sequence[str]) -> tuple[Band, ...]:
        """Return this sensor's bands for the band names of a file, in the file's order.

        A name is a band's own name or, if only one band has it, its common name; case does not
        count. PAN is not among them.

        Raises
        ------
        SensorError
            If a name fits no band, or two names fit the same one.
        """
        found = tuple(self._find(name, names) for name in names)
        if len({band.name for band in found}) < len(found):
            raise SensorError(f"{self.id}: the bands {', '.join(names)} name one band twice")
        return found

    def _find(self, name: str, names: Sequence[str]) -> Band:
        key = name.strip().casefold()
        named = [band for band in self.bands if band.name.casefold() == key]
        common = [band for band in self.bands if band.common_name == key]
        if len(candidates := named or common) == 1:
            return candidates[0]
        problem = "means several bands" if candidates else "is not a band"
        raise SensorError(
            f"{name!r} {problem} of {self.name}: expected names among {', '.join(self.names)}, "
            f"found {', '.join(names)}"
        )

    def subset(self, names: Sequence[str]) -> Sensor:
        """Return the sensor with only these bands, in this order (names as in `match`)."""
        return replace(self, bands=self.match(names))

    def in_pan(self, band: Band) -> bool | None:
        """Whether PAN sees the band (mean PAN response at least `IN_PAN`); None if unknown."""
        return None if band.pan_coverage is None else band.pan_coverage >= IN_PAN


def generic_sensor(n_bands: int, names: Sequence[str] | None = None) -> Sensor:
    """Return a sensor of which nothing is known but the number of its bands.

    The MTF gains are the field's defaults, 0.30 for MS and 0.15 for PAN. Of the two in use (0.29
    and 0.30 for MS), 0.30 belongs to the current toolbox, which most presets' gains come from too.

    Parameters
    ----------
    names
        Names of the bands; those that are common names also set `common_name`. Default: B1, ...
    """
    names = tuple(names) if names is not None else tuple(f"B{i + 1}" for i in range(n_bands))
    if n_bands < 1 or len(names) != n_bands or len(set(names)) < n_bands:
        raise SensorError(f"expected {n_bands} distinct band names, found {', '.join(names)}")
    return Sensor(
        id="generic",
        name="unknown sensor",
        bands=tuple(Band(name, common_name=_common_name(name)) for name in names),
        pan=Band("PAN", common_name="pan", mtf=DEFAULT_PAN_MTF),
        sources={"mtf_default": DEFAULT_MTF_SOURCE},
        unverified=("mtf_default",),
    )


def _common_name(name: str) -> CommonName | None:
    return next((common for common in COMMON_NAMES if common == name.casefold()), None)
