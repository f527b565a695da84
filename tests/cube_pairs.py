"""Small hyperspectral scenes as files, with a known truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import torch
from affine import Affine
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pansharpkit.physics import degrade
from pansharpkit.sampling import Sampling
from pansharpkit.sensor import load_sensor
from pansharpkit.sensor.projection import srf_matrix

UTM33 = "EPSG:32633"
FINE = Affine(10.0, 0, 366_975.0, 0, -10.0, 5_808_045.0)
CENTRES = tuple(float(nm) for nm in range(430, 990, 14))
WIDTH_NM = 15.0
MS = ("B02", "B03", "B04", "B08")
RATIO = 4
SIZE = (96, 80)


@dataclass(frozen=True)
class CubePair:
    """Paths of a guide, a cube and what the cube is the coarse image of."""

    folder: Path
    truth: NDArray[np.float64]
    """[C, H, W] reflectance x 10000."""

    @property
    def ms(self) -> Path:
        """Image of four Sentinel-2 bands."""
        return self.folder / "ms.tif"

    @property
    def pan(self) -> Path:
        """ALI's PAN."""
        return self.folder / "pan.tif"

    @property
    def cube(self) -> Path:
        """The cube to be sharpened."""
        return self.folder / "cube.tif"

    @property
    def reference(self) -> Path:
        """The truth."""
        return self.folder / "truth.tif"


def spectra() -> NDArray[np.float64]:
    """Return [4, C] soil, vegetation, water and roofs, by shape."""
    nm = np.array(CENTRES)
    soil = 0.08 + 0.25 * (nm - 400) / 600
    green = 0.03 + 0.06 * np.exp(-(((nm - 550) / 35) ** 2)) + 0.42 / (1 + np.exp(-(nm - 720) / 12))
    water = 0.09 * np.exp(-(nm - 400) / 180)
    roofs = 0.3 + 0.08 * np.sin(nm / 90)
    return np.stack([soil, green, water, roofs])


def truth(size: tuple[int, int] = SIZE, seed: int = 0) -> NDArray[np.float64]:
    """Return [C, H, W]: sharp-edged fields of mixed materials."""
    rng = np.random.default_rng(seed)
    maps = np.stack([gaussian_filter(rng.normal(size=size), 2.5) for _ in range(4)])
    mixed = np.exp(14 * maps)
    shares = mixed / mixed.sum(axis=0)
    light = 1 + 0.5 * gaussian_filter(rng.normal(size=size), 0.8)
    cube: NDArray[np.float64] = 1e4 * np.tensordot(spectra().T, shares, axes=1) * light
    return cube.clip(20, 12_000)


def write(
    path: Path,
    values: NDArray[np.floating],
    names: tuple[str, ...],
    transform: Affine,
    centres: tuple[float, ...] | None = None,
) -> Path:
    """Write int16 bands, with wavelengths as band tags if there are some."""
    with rasterio.open(
        path, "w", driver="GTiff", count=len(values), height=values.shape[1],
        width=values.shape[2], dtype="int16", crs=UTM33, transform=transform, nodata=-32768,
    ) as dataset:  # fmt: skip
        dataset.write(np.rint(values).astype("int16"))
        dataset.descriptions = names
        for band, centre in enumerate(centres or (), start=1):
            dataset.update_tags(
                band, wavelength=f"{centre:g}", wavelength_units="Nanometers", fwhm=f"{WIDTH_NM:g}"
            )
    return path


def coarse_of(fine: NDArray[np.float64], ratio: int = RATIO) -> NDArray[np.float64]:
    """Return the cube that a sensor of the field's default MTF takes."""
    size = fine.shape[1] // ratio, fine.shape[2] // ratio
    image = torch.from_numpy(fine)
    return degrade(image, Sampling.edge_aligned(ratio), size, (0.3,) * len(fine)).numpy()


def cube_pair(folder: Path, size: tuple[int, int] = SIZE) -> CubePair:
    """Write a scene of 40 bands at ratio 4 with both kinds of guide."""
    fine = truth(size)
    made = CubePair(folder, fine)
    names = tuple(f"band {i} ({c:g} nm)" for i, c in enumerate(CENTRES, start=1))
    write(made.cube, coarse_of(fine), names, FINE @ Affine.scale(RATIO), CENTRES)
    write(made.reference, fine, names, FINE, CENTRES)
    sentinel, ali = load_sensor("sentinel2a_msi").subset(MS), load_sensor("eo1_ali")
    assert ali.pan is not None
    widths = (WIDTH_NM,) * len(CENTRES)
    write(made.ms, np.tensordot(srf_matrix(sentinel, CENTRES, widths), fine, axes=1), MS, FINE)
    response = srf_matrix(ali, CENTRES, widths, bands=(ali.pan,))
    write(made.pan, np.tensordot(response, fine, axes=1), ("PAN",), FINE)
    return made
