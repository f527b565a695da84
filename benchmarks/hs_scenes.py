"""Pairs of a coarse hyperspectral cube and a fine MS image, simulated from real cubes.

    python benchmarks/hs_scenes.py DATA          # lists what would be made

DATA holds `hs_jasper` (AVIRIS, 198 bands), `hs_enmap_potsdam` (EnMAP, its rectangle, without dead
bands) and `hs_paris_eo1` (Hyperion, 128 bands). The cube is the truth. The guide is the truth seen
through the spectral responses of a preset, integrated over the cube's own bands; the target is the
truth blurred by the Gaussian of the cube's MTF, or averaged over disjoint blocks as in the papers,
and decimated. Both may carry noise, of the same signal-to-noise ratio in each band.

AVIRIS and Hyperion files tell which bands of the instrument they hold, not the wavelengths: those
come from the instruments' presets.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Literal

import numpy as np
import rasterio
import scipy.io
import torch
from torch import Tensor

from pansharpkit.model import ObservationModel, Psf
from pansharpkit.physics import Observation, Optics, degrade, spread_by
from pansharpkit.sampling import Sampling
from pansharpkit.sensor import Sensor, load_sensor
from pansharpkit.sensor.projection import srf_matrix

Degradation = Literal["gaussian", "block"]
"""The Gaussian PSF of the preset's MTF, or the mean over disjoint blocks as in the papers."""

SRFS: Mapping[str, tuple[str, ...]] = {
    "landsat8_oli": ("B1", "B2", "B3", "B4", "B5", "B6", "B7"),
    "worldview2": ("Coastal", "Blue", "Green", "Yellow", "Red", "RedEdge", "NIR1", "NIR2"),
}
"""Presets whose responses make the guide, and the bands used."""
PANS: Mapping[str, tuple[str, ...]] = {"landsat8_pan": ("B2", "B3", "B4")}
"""Guides of one band: the mean of these bands of Landsat 8, about what its PAN sees."""
RATIOS = (4, 8)
NOISES: tuple[float | None, ...] = (None, 35.0)
"""Signal-to-noise ratios in dB; None for no noise."""
_WHOLE = 8  # sides are cut to a multiple of this, so that all ratios fit
_FULL_SCALE = 99.5  # percentile that becomes 1


@dataclass(frozen=True)
class Cube:
    """A real cube, the truth of the simulations."""

    name: str
    values: Tensor
    """[C, H, W] float64, nearly all of it in [0, 1]."""
    centres_nm: tuple[float, ...]
    fwhm_nm: tuple[float, ...]
    mtf: float
    """MTF gain of the instrument at its Nyquist frequency."""


@dataclass(frozen=True)
class HsScene:
    """A simulated pair with everything known."""

    name: str
    cube: str
    ratio: int
    srf_name: str
    """Preset whose bands the guide has, or the name of a PAN."""
    noise: float | None
    """Signal-to-noise ratio, dB; None for no noise."""
    observation: Observation
    """Its optics carry the true model; `blind()` is the same without."""
    truth: Tensor
    """[C, H, W]."""
    model: ObservationModel
    """True SRF; PSF None for the Gaussian of the optics' MTF gains."""
    sensor: Sensor
    """Preset of the guide, reduced to its bands."""
    centres_nm: tuple[float, ...]
    fwhm_nm: tuple[float, ...]

    def blind(self) -> Observation:
        """Return the observation of somebody who knows neither SRF nor PSF, only the presets."""
        optics = replace(self.observation.optics, model=None)
        return replace(self.observation, optics=optics)


def scenes(
    data: Path,
    *,
    cubes: Sequence[str] | None = None,
    ratios: Sequence[int] = RATIOS,
    srfs: Sequence[str] = tuple(SRFS),
    noises: Sequence[float | None] = NOISES,
    degradation: Degradation = "gaussian",
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> Iterator[HsScene]:
    """Simulate every combination, cube by cube; the same for the same seed."""
    for name in cubes or CUBES:
        cube = load_cube(name, data)
        for ratio, srf, noise in itertools.product(ratios, srfs, noises):
            yield simulate(cube, ratio, srf, noise, degradation, dtype, seed)


def simulate(
    cube: Cube,
    ratio: int,
    srf_name: str,
    noise: float | None,
    degradation: Degradation = "gaussian",
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> HsScene:
    """Make the pair that an instrument of that SRF, ratio and noise would deliver."""
    parts = PANS.get(srf_name)
    sensor = load_sensor("landsat8_oli" if parts else srf_name).subset(parts or SRFS[srf_name])
    srf = srf_matrix(sensor, cube.centres_nm, cube.fwhm_nm)
    if parts:
        srf = (tuple(map(fmean, zip(*srf, strict=True))),)
    psf = Psf(((1 / ratio**2,) * ratio,) * ratio) if degradation == "block" else None
    model = ObservationModel(srf, psf)
    sampling = Sampling.edge_aligned(ratio)
    size = (cube.values.shape[1] // ratio, cube.values.shape[2] // ratio)
    gains = (cube.mtf,) * len(cube.values)
    if psf is None:
        target = degrade(cube.values, sampling, size, gains)
    else:
        target = spread_by(cube.values, sampling, size, psf)
    guide = torch.tensordot(torch.tensor(srf, dtype=torch.float64), cube.values, dims=1)
    random = torch.Generator().manual_seed(seed)
    optics = Optics(gains, sum(sensor.mtf) / len(sensor.mtf), model=model)
    observation = Observation.whole(
        _noisy(target, noise, random).to(dtype), _noisy(guide, noise, random).to(dtype),
        sampling, optics,
    )  # fmt: skip
    told = "" if noise is None else f" {noise:g} dB"
    shape = " block" if degradation == "block" else ""
    return HsScene(
        f"{cube.name} r{ratio} {srf_name}{told}{shape}", cube.name, ratio, srf_name, noise,
        observation, cube.values.to(dtype), model, sensor, cube.centres_nm, cube.fwhm_nm,
    )  # fmt: skip


def _noisy(image: Tensor, snr_db: float | None, random: torch.Generator) -> Tensor:
    """Add white noise of that signal-to-noise ratio to each band."""
    if snr_db is None:
        return image
    power = image.square().mean(dim=(1, 2), keepdim=True)
    noise = torch.randn(image.shape, generator=random, dtype=image.dtype)
    return image + noise * power.sqrt() * 10 ** (-snr_db / 20)


def load_cube(name: str, data: Path) -> Cube:
    """Read one of `CUBES` from the data folder."""
    return CUBES[name](data)


def _jasper(data: Path) -> Cube:
    arrays = scipy.io.loadmat(data / "hs_jasper" / "jasperRidge2_R198.mat")
    rows, cols = int(arrays["nRow"][0, 0]), int(arrays["nCol"][0, 0])
    values = arrays["Y"].reshape(-1, cols, rows).transpose(0, 2, 1)  # stored column by column
    return _cube("jasper", values, load_sensor("aviris224"), arrays["SlectBands"].ravel())


def _paris(data: Path) -> Cube:
    arrays = scipy.io.loadmat(data / "hs_paris_eo1" / "paris_data_hs_ms.mat")
    values = arrays["HSim"].transpose(2, 0, 1)
    return _cube("paris", values, load_sensor("hyperion"), arrays["non_del_bands"].ravel())


def _enmap(data: Path) -> Cube:
    with rasterio.open(data / "hs_enmap_potsdam" / "enmap_potsdam_rect.tif") as dataset:
        values, nodata = dataset.read(), dataset.nodata
    alive = np.flatnonzero((values != nodata).all(axis=(1, 2)))
    return _cube("enmap", values[alive], load_sensor("enmap"), alive + 1)


def _cube(name: str, values: np.ndarray, sensor: Sensor, numbers: np.ndarray) -> Cube:
    bands = [sensor.bands[int(number) - 1] for number in numbers]
    centres = tuple(band.center_nm or math.nan for band in bands)
    widths = tuple(band.fwhm_nm or math.nan for band in bands)
    rows, cols = (n // _WHOLE * _WHOLE for n in values.shape[1:])
    cut = values[:, :rows, :cols].astype(np.float64)
    scaled = torch.from_numpy(cut / np.percentile(cut, _FULL_SCALE))
    return Cube(name, scaled.contiguous(), centres, widths, sensor.mtf[0])


CUBES: Mapping[str, Callable[[Path], Cube]] = {
    "jasper": _jasper,
    "enmap": _enmap,
    "paris": _paris,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    for scene in scenes(parser.parse_args().data):
        seen = scene.observation
        shapes = " ".join(
            "x".join(map(str, image.shape)) for image in (seen.target, seen.guide, scene.truth)
        )
        print(f"{scene.name:36s} target, guide, truth {shapes}; MTF {seen.optics.mtf[0]:.2f}")


if __name__ == "__main__":
    main()
