"""Small rasters for tests, made so that the right answer is known exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import ArrayLike, NDArray

UTM30 = "EPSG:32630"
ORIGIN = Affine(15.0, 0.0, 605_000.0, 0.0, -15.0, 4_745_000.0)
"""A north-up grid of 15 m pixels in UTM zone 30."""


def write_geotiff(
    path: Path,
    array: ArrayLike,
    transform: Affine | None = ORIGIN,
    crs: str | None = UTM30,
    *,
    nodata: float | None = None,
    names: tuple[str, ...] = (),
    mask: NDArray[np.bool_] | None = None,
    options: Mapping[str, object] | None = None,
) -> Path:
    """Write [C, H, W] or [H, W] to a GeoTIFF and return its path; `mask` becomes a mask band."""
    values = np.asarray(array)
    values = values[None] if values.ndim == 2 else values
    path.unlink(missing_ok=True)  # GDAL would delete the metadata files beside it as well
    profile: dict[str, object] = {
        "driver": "GTiff",
        "count": values.shape[0],
        "height": values.shape[1],
        "width": values.shape[2],
        "dtype": values.dtype,
        "nodata": nodata,
        **({} if transform is None else {"transform": transform}),
        **({} if crs is None else {"crs": crs}),
        **(options or {}),
    }
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **profile) as out:
        out.write(values)
        for band, name in enumerate(names, 1):
            out.set_band_description(band, name)
        if mask is not None:
            out.write_mask(mask)
    return path


@dataclass(frozen=True)
class Pair:
    """Two files that show the same synthetic ground."""

    pan: Path
    ms: Path
    truth: NDArray[np.float64]
    """[C, H, W]: what the MS sensor would have seen on the PAN grid."""
    weights: NDArray[np.float64]
    """[C]: PAN is exactly this mixture of the truth."""


def make_pair(
    folder: Path,
    *,
    ratio: float = 4,
    phase: tuple[float, float] | None = None,
    size: tuple[int, int] = (24, 32),
    bands: int = 4,
    dtype: str = "uint16",
    nodata: float | None = None,
    seed: int = 0,
) -> Pair:
    """Write a PAN and an MS GeoTIFF of one analytic scene.

    The scene is a sum of waves, so that any ratio and phase is sampled exactly, and the blur of
    the MS, a Gaussian of MTF gain .3, is exact too.

    Parameters
    ----------
    phase : PAN index (row, col) of the centre of MS pixel 0; edge-aligned by default.
    size : height and width of the MS; the PAN covers the same ground, rounded down.
    """
    row0, col0 = ((ratio - 1) / 2,) * 2 if phase is None else phase
    waves = _Waves.random(bands, seed)
    fine = int(size[0] * ratio), int(size[1] * ratio)
    truth = waves.sample(np.arange(fine[0]), np.arange(fine[1]), sigma=0.0)
    sigma = ratio / np.pi * np.sqrt(-2 * np.log(0.3))
    ms = waves.sample(row0 + ratio * np.arange(size[0]), col0 + ratio * np.arange(size[1]), sigma)
    weights = np.linspace(1, 2, bands) / np.linspace(1, 2, bands).sum()
    pan = np.tensordot(weights, truth, 1)
    half = (ratio - 1) / 2  # from the centre of an MS pixel to that of its first PAN pixel
    shifted = ORIGIN @ Affine.translation(col0 - half, row0 - half) @ Affine.scale(ratio)
    folder.mkdir(parents=True, exist_ok=True)
    return Pair(
        write_geotiff(folder / "pan.tif", _as(pan, dtype), nodata=nodata, names=("PAN",)),
        write_geotiff(
            folder / "ms.tif",
            _as(ms, dtype),
            shifted,
            nodata=nodata,
            names=tuple(f"B{i}" for i in range(1, bands + 1)),
        ),
        truth,
        weights,
    )


def _as(values: NDArray[np.float64], dtype: str) -> NDArray[np.generic]:
    return (np.rint(values) if np.dtype(dtype).kind in "iu" else values).astype(dtype)


@dataclass(frozen=True)
class _Waves:
    """Bands that share most of their detail, each a sum of plane waves about a level."""

    frequency: NDArray[np.float64]
    """[K, 2] cycles per PAN pixel along rows and columns."""
    angle: NDArray[np.float64]
    """[K] phases."""
    amplitude: NDArray[np.float64]
    """[C, K]."""

    @classmethod
    def random(cls, bands: int, seed: int, count: int = 48) -> _Waves:
        rng = np.random.default_rng(seed)
        radius = 0.25 * rng.random(count) ** 2  # mostly coarse, as ground is
        turn = 2 * np.pi * rng.random(count)
        frequency = radius[:, None] * np.stack([np.sin(turn), np.cos(turn)], 1)
        shared = rng.normal(size=count)
        own = rng.normal(size=(bands, count))
        amplitude = 400 / np.sqrt(count) * (0.9 * shared + 0.4 * own)
        return cls(frequency, 2 * np.pi * rng.random(count), amplitude)

    def sample(
        self, rows: NDArray[np.number], cols: NDArray[np.number], sigma: float
    ) -> NDArray[np.float64]:
        """Return [C, H, W] at the given PAN indices, blurred by a Gaussian of `sigma` pixels."""
        gain = np.exp(-2 * (np.pi * sigma) ** 2 * (self.frequency**2).sum(1))
        along_rows = np.exp(2j * np.pi * np.outer(rows, self.frequency[:, 0]))
        along_cols = np.exp(2j * np.pi * np.outer(cols, self.frequency[:, 1]) + 1j * self.angle)
        field = np.einsum("ck,hk,wk->chw", self.amplitude * gain, along_rows, along_cols)
        levels = 2500 + 250 * np.arange(self.amplitude.shape[0])
        return levels[:, None, None] + field.real
