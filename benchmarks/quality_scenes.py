"""The scenes of the quality benchmark, in memory, and their reduced-resolution counterparts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import rasterio
import scipy.io
import torch
from affine import Affine
from numpy.typing import NDArray
from torch import Tensor

from pansharpkit import registration
from pansharpkit.grid import Grid, Window
from pansharpkit.physics import decimate, degrade
from pansharpkit.sampling import Sampling
from pansharpkit.scene import Scene, make_scene
from pansharpkit.sensor import Sensor, generic_sensor, load_sensor
from pansharpkit.source import ArraySource

LANDSAT = ("B2", "B3", "B4", "B5")
LANDSAT_REFLECTIVE = ("B2", "B3", "B4", "B5", "B6", "B7")
RGBN = ("blue", "green", "red", "nir")
WV2_RGBN = ("Blue", "Green", "Red", "NIR1")
SIDE = 768
"""PAN pixels along the side of the full-resolution crops, at most."""


@dataclass(frozen=True)
class Truth:
    """What a reduced-resolution test starts from: bands and guide on one grid."""

    bands: Tensor
    """[C, h, w] float64, the delivered MS."""
    guide: Tensor
    """[1, h, w] float64, PAN brought to that grid."""
    valid: Tensor
    """[h, w] bool."""
    ratio: int
    sensor: Sensor
    sharp_guide: Tensor | None = None
    """[1, h, w] float64, PAN brought there by bicubic reduction, which leaves it sharper than its
    preset would; None where PAN came on that grid."""


@dataclass(frozen=True)
class Pair:
    """A scene of the benchmark."""

    name: str
    data: str
    """Which data it comes from."""
    truth: Truth
    full: Scene | None
    """Crop for the full-resolution test; None where only reduced resolution makes sense."""


@dataclass(frozen=True)
class Operator:
    """How a reduced-resolution target is made; the method is told the preset in any case."""

    gain: float = 1.0
    """Factor of the preset's MTF gains."""
    bicubic: bool = False
    band_shift: float = 0.0
    """Length, in pixels of the guide, by which each band is moved in a direction of its own."""
    shift: float = 0.0
    """Length, in pixels of the guide, by which all bands are moved along the diagonal."""
    sharp_guide: bool = False
    """Whether PAN is reduced otherwise too: see :attr:`Truth.sharp_guide`."""


OPERATORS: Mapping[str, Operator] = {
    "exact": Operator(),
    "mtf x0.7": Operator(gain=0.7),
    "mtf x1.3": Operator(gain=1.3),
    "bicubic": Operator(bicubic=True),
    "bands .3 px": Operator(band_shift=0.3),
    "MS .5 px": Operator(shift=0.5),
    "PAN bicubic": Operator(sharp_guide=True),
}


def reduced(truth: Truth, operator: Operator, seed: int) -> tuple[Scene, ArraySource]:
    """Return the degraded pair as a scene, and its reference."""
    sampling = Sampling.edge_aligned(truth.ratio)
    size = (truth.bands.shape[1] // truth.ratio, truth.bands.shape[2] // truth.ratio)
    if operator.bicubic:
        target = decimate(truth.bands, sampling, size, antialias=True, border="symmetric")
    else:
        places = _places(sampling, operator, len(truth.bands), seed)
        gains = [min(0.95, gain * operator.gain) for gain in truth.sensor.mtf]
        target = torch.cat([
            degrade(band[None], place, size, (gain,))
            for band, place, gain in zip(truth.bands, places, gains, strict=True)
        ])  # fmt: skip
    cover = degrade(truth.valid.double()[None], sampling, size, (min(truth.sensor.mtf),))[0]
    target = torch.where(cover > 1 - 1e-3, target, torch.nan)
    names = truth.sensor.names
    fine = _grid(truth.bands.shape[1:])
    coarse = Grid(*size, fine.transform @ Affine.scale(truth.ratio), None)
    sharp = truth.sharp_guide if operator.sharp_guide else None
    holes = torch.where(truth.valid, truth.guide if sharp is None else sharp, torch.nan)
    scene = make_scene(
        ArraySource(fine, holes.float().numpy(), ("PAN",), label="PAN"),
        ArraySource(coarse, target.float().numpy(), names, label="MS"),
        truth.sensor,
    )
    reference = torch.where(truth.valid, truth.bands, torch.nan)
    return replace(scene, reduced=True), ArraySource(
        fine, reference.numpy(), names, label="reference"
    )


def _places(sampling: Sampling, operator: Operator, bands: int, seed: int) -> list[Sampling]:
    """Return each band's sampling; the directions are drawn from the seed."""
    angles = np.random.default_rng(seed).uniform(0, 2 * np.pi, bands)
    diagonal = operator.shift / np.sqrt(2)
    return [
        sampling.shifted(
            diagonal + operator.band_shift * np.sin(angle),
            diagonal + operator.band_shift * np.cos(angle),
        )
        for angle in angles
    ]


def _grid(size: tuple[int, ...], pixel: float = 1.0) -> Grid:
    return Grid(int(size[0]), int(size[1]), Affine(pixel, 0, 0, 0, -pixel, 0), None)


def truth_of(scene: Scene, ratio: int | None = None) -> Truth:
    """Return the delivered MS of a scene, and its PAN degraded onto the same pixels."""
    ratio = ratio or round(scene.ratio)
    window = scene.target_domain
    rows, cols = (n // ratio * ratio for n in (window.height, window.width))
    window = Window(window.row, window.col, rows, cols)
    bands, valid = scene.target.read(window)
    fine = scene.guide.grid.window
    pan, pan_valid = scene.guide.read(fine)
    sampling = scene.sampling.windowed((0, 0), (window.row, window.col))
    gain = (scene.sensor.pan_mtf,)
    fine = torch.from_numpy(pan.astype("f8"))
    guide = degrade(fine, sampling, (rows, cols), gain)
    sharp = decimate(fine, sampling, (rows, cols), antialias=True, border="symmetric")
    cover = degrade(torch.from_numpy(pan_valid.astype("f8"))[None], sampling, (rows, cols), gain)
    return Truth(
        torch.from_numpy(bands.astype("f8")),
        guide,
        torch.from_numpy(valid) & (cover[0] > 1 - 1e-3),
        ratio,
        scene.sensor,
        sharp,
    )


def cropped(scene: Scene) -> Scene:
    """Return the scene with only a central crop to be fused and judged."""
    domain = scene.domain
    sides = min(SIDE, domain.height), min(SIDE, domain.width)
    row, col = (
        start + (n - side) // 2
        for start, n, side in zip(
            (domain.row, domain.col), (domain.height, domain.width), sides, strict=True
        )
    )
    window = Window(row, col, *sides)
    return replace(scene, domain=window, extent=window)


def tif(path: Path, names: tuple[str, ...], nodata: float | None = None) -> ArraySource:
    """Read a raster into memory."""
    with rasterio.open(path) as dataset:
        grid = Grid(dataset.height, dataset.width, dataset.transform, dataset.crs)
        return ArraySource(grid, dataset.read(), names, nodata, path.name)


def _wv2(folder: Path) -> Scene:
    arrays = scipy.io.loadmat(folder / "vhr_unina" / "imgWV2.mat")
    sensor = load_sensor("worldview2")
    pan, ms = arrays["I_PAN"][None], arrays["I_MS"].transpose(2, 0, 1)
    return make_scene(
        ArraySource(_grid(pan.shape[1:], 0.5), pan, ("PAN",), label="imgWV2 PAN"),
        ArraySource(_grid(ms.shape[1:], 2.0), ms, sensor.names, label="imgWV2 MS"),
        sensor,
    )


def _zhengzhou(folder: Path) -> Scene:
    folder = folder / "vhr_zhengzhou_4band"
    return make_scene(
        tif(folder / "pan.tif", ("PAN",)), tif(folder / "ms.tif", RGBN), generic_sensor(4, RGBN)
    )


def _pamplona(folder: Path) -> Scene:
    folder = folder / "landsat8_pamplona_demo"
    return make_scene(
        tif(folder / "LC08_20150630_pamplona_PAN_15m.tif", ("PAN",), 0),
        tif(folder / "LC08_20150630_pamplona_MS_30m.tif", LANDSAT, 0),
        load_sensor("landsat8_oli").subset(LANDSAT),
    )


def _rotterdam(folder: Path) -> Scene:
    folder = folder / "sn6_rotterdam_wv2"
    return make_scene(
        tif(folder / "tile1_pan_0.5m.tif", ("PAN",), 0),
        tif(folder / "tile1_ms_2m.tif", WV2_RGBN, 0),
        load_sensor("worldview2").subset(WV2_RGBN),
    )


def _alabama(prefix: str, suffix: str) -> Callable[[Path], Scene]:
    def load(folder: Path) -> Scene:
        def band(name: str) -> ArraySource:
            return tif(folder / f"{prefix}{name}{suffix}", (name,), 0)

        bands = [band(name) for name in LANDSAT_REFLECTIVE]
        values = np.concatenate([source.values for source in bands])
        grid = bands[0].grid
        quality = band("BQA").values
        return make_scene(
            band("B8"),
            ArraySource(grid, values, LANDSAT_REFLECTIVE, 0, "MS"),
            load_sensor("landsat8_oli").subset(LANDSAT_REFLECTIVE),
            clouds=ArraySource(grid, _clouds(quality), ("clouds",), label="clouds"),
        )

    return load


def _clouds(quality: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return where a pre-collection quality band is confident of a cloud."""
    return (quality.astype(np.uint16) >> 14 == 3).astype(np.uint8)


def _official(folder: Path) -> Truth:
    """The GDD authors' scene: their ground truth, and PAN on the same pixels."""
    arrays = scipy.io.loadmat(folder / "gdd_official" / "pan_im4.mat")
    bands = torch.from_numpy(arrays["I_MS_GT"].transpose(2, 0, 1).astype("f8"))
    guide = torch.from_numpy(arrays["I_PAN_input"].astype("f8"))[None]
    valid = torch.ones(bands.shape[1:], dtype=torch.bool)
    return Truth(bands, guide, valid, 4, load_sensor("worldview2"))


_LOADERS: Mapping[str, tuple[str, Callable[[Path], Scene]]] = {
    "S1": ("vhr_unina/imgWV2, WorldView-2, 8 bands, ratio 4", _wv2),
    "S2": ("vhr_zhengzhou_4band, unknown VHR, ratio 4", _zhengzhou),
    "S3": ("landsat8_pamplona_demo, Landsat 8, 4 bands, ratio 2", _pamplona),
    "S6": ("sn6_rotterdam_wv2 tile1, WorldView-2, 4 bands, ratio 4", _rotterdam),
    "S7": (
        "landsat8_alabama_mini, Landsat 8 DN, 6 bands, haze, ratio 2",
        _alabama("landsat8_alabama_mini/LC80200392015216LGN00_", ".TIF"),
    ),
    "S8": (
        "landsat8_alabama_full_cloudy, Landsat 8, 6 bands, two thirds cloud, ratio 2",
        _alabama("landsat8_alabama_full_cloudy/l8_", ".tif"),
    ),
}
NAMES = ("S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8")


def load(name: str, folder: Path) -> Pair:
    """Load a scene.

    S4 is S3 at ratio 4: reduced resolution only, as S5, whose ground truth is all there is.
    """
    if name == "S4":
        data = "landsat8_pamplona_demo, MS degraded by 4 and PAN by 2"
        return Pair(name, data, truth_of(_pamplona(folder), ratio=4), None)
    if name == "S5":
        return Pair(name, "gdd_official/pan_im4, WorldView-2, 8 bands", _official(folder), None)
    data, loader = _LOADERS[name]
    scene = loader(folder)
    found = registration.measure(scene)
    if found.reliable and found.distance > registration.WARN_PX:  # as --correct-shift does
        moved = (found.shift_rows, found.shift_cols)
        scene = scene.moved(moved)
        data += f", MS moved by ({moved[0]:+.2f}, {moved[1]:+.2f}) PAN px"
    return Pair(name, data, truth_of(scene), cropped(scene))
