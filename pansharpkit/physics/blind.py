"""How a coarse cube and a fine image saw the same ground: SRF and PSF from the pair itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from pansharpkit.errors import OptionError
from pansharpkit.model import ObservationModel, Psf, Rows
from pansharpkit.physics.blind_gradient import Descent, descend
from pansharpkit.physics.blind_psf import Predictor, fit_aperture, roughness_of
from pansharpkit.physics.blind_ridge import ridge
from pansharpkit.physics.blind_sample import BlindSample, Floats, gather
from pansharpkit.physics.blind_srf import estimate_srf
from pansharpkit.physics.observation import Observation
from pansharpkit.sampling import Pair
from pansharpkit.sensor.projection import shares_nm

BlindMethod = Literal["filters", "ridge", "cycfusion"]
"""``filters`` fits shapes of filters and apertures, ``ridge`` is HySure's way, ``cycfusion`` the
pre-training of CycFusion."""
BLIND_METHODS: tuple[BlindMethod, ...] = get_args(BlindMethod)


@dataclass(frozen=True)
class BlindEstimate:
    """SRF and PSF of a pair, and how much to trust them."""

    model: ObservationModel
    residual: tuple[float, ...]
    """[c] root mean square of what the model misses of each guide band, in coarse samples that it
    has not seen where the method leaves some out, beside the root mean square of the band."""
    srf_spread: Rows = field(repr=False)
    """[c, C] standard deviation of the SRF between fits that leave out a fifth of the samples each;
    zeros where the method makes only one."""
    kind: tuple[str, ...]
    """[c] what each row of the SRF is: ``shape`` of a filter, ``deviation`` from one, ``smooth`` or
    ``free`` weights."""
    samples: int
    """Target pixels that were compared."""

    @property
    def centre(self) -> Pair:
        """Guide pixels (rows, cols) from where the grids put samples to the centre of the PSF."""
        assert self.model.psf is not None
        return self.model.psf.centre

    @property
    def width(self) -> Pair:
        """Standard deviation of the PSF along rows and columns, guide pixels."""
        assert self.model.psf is not None
        return width_of(self.model.psf)


def width_of(psf: Psf) -> Pair:
    """Return the standard deviation of a PSF along rows and columns, guide pixels."""
    first, second = _moments(psf, 1), _moments(psf, 2)
    rows, cols = (math.sqrt(max(0.0, b - a * a)) for a, b in zip(first, second, strict=True))
    return rows, cols


def _moments(psf: Psf, order: int) -> Pair:
    values = np.array(psf.values)
    taps = (np.arange(psf.side) - (psf.side - 1) / 2) ** order
    return float(values.sum(axis=1) @ taps), float(values.sum(axis=0) @ taps)


def estimate_model(
    sample: Sequence[Observation],
    centres_nm: Sequence[float | None] | None = None,
    fwhm_nm: Sequence[float | None] | None = None,
    *,
    method: BlindMethod = "filters",
    descent: Descent | None = None,
    step_done: Callable[[int], None] | None = None,
) -> BlindEstimate:
    """Estimate SRF and PSF from the pair alone.

    ``filters``: first the PSF, a box through a Gaussian, with width and place of their own on both
    axes, such that the target's bands best predict the guide degraded by it. Then the SRF: for each
    guide band the shape of a filter, or what the samples speak for beyond doubt.

    Parameters
    ----------
    sample
        Blocks of the scene, read lazily; samples count where the masks of both images are true, and
        the guide's over the whole reach of the PSF.
    centres_nm, fwhm_nm
        [C] of the target's bands; without, bands are taken to be evenly spaced in their order.
    descent, step_done
        For ``cycfusion``: its settings, and whom to tell the number of steps done.

    Raises
    ------
    FusionError
        If fewer than 20 target pixels have valid surroundings.
    SensorError
        If some of the wavelengths are missing.
    """
    gathered = gather(sample)
    place, share = _spectrum(len(gathered.target), centres_nm, fwhm_nm)
    roughness = _roughness(place, share)
    if method == "ridge":
        return _free(gathered, *ridge(gathered, roughness))
    if method == "cycfusion":
        return _free(gathered, *descend(gathered, descent or Descent(), step_done))
    predictor = Predictor(gathered, roughness)
    aperture = fit_aperture(predictor)
    seen = predictor.seen(aperture)
    found = estimate_srf(gathered.target, seen, gathered.folds, place, share, roughness)
    return BlindEstimate(
        ObservationModel(_rows(found.rows), aperture.table(gathered.parts[0])),
        tuple(found.miss.tolist()),
        _rows(found.spread),
        found.kind,
        gathered.target.shape[1],
    )


def _free(gathered: BlindSample, srf: Floats, psf: Psf, missed: Floats) -> BlindEstimate:
    """Return an estimate whose weights are bound to no shape."""
    return BlindEstimate(
        ObservationModel(_rows(srf), psf),
        tuple(missed.tolist()),
        _rows(np.zeros_like(srf)),
        ("free",) * len(srf),
        gathered.target.shape[1],
    )


def _spectrum(
    bands: int,
    centres_nm: Sequence[float | None] | None,
    fwhm_nm: Sequence[float | None] | None,
) -> tuple[Floats, Floats]:
    """Return [C] places of the bands and stretches that they stand for."""
    if centres_nm is None:
        return np.arange(bands, dtype=np.float64), np.ones(bands)
    if len(centres_nm) != bands:
        raise OptionError(f"{len(centres_nm)} wavelengths for {bands} bands of the target")
    share = np.array(shares_nm(centres_nm, fwhm_nm))
    place = np.array(centres_nm, dtype=np.float64)
    return place, np.maximum(share, 1e-3 * share.max())


def _roughness(place: Floats, share: Floats) -> Floats:
    """Return the roughness of weights per wavelength, the bands in their own order."""
    order = np.argsort(place, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return roughness_of(share[order])[np.ix_(rank, rank)]


def _rows(values: Floats) -> Rows:
    return tuple(map(tuple, values.tolist()))
