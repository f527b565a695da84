"""The protocols of the papers on HS-MS fusion, on the user's own copy of their datasets.

The truth is a cube of the dataset. The coarse cube is its mean over disjoint blocks of 32 x 32
pixels, the fine image what a camera of few bands sees of it, both without noise; the indices are
those of the 8-bit range. Nothing is downloaded.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pansharpkit.errors import FileReadError, InputError, OptionError
from pansharpkit.grid import Window
from pansharpkit.methods import REGISTRY, create
from pansharpkit.methods.base import Context, Progress
from pansharpkit.metrics import reference
from pansharpkit.model import ObservationModel, Psf
from pansharpkit.physics import Observation, Optics, spread_by
from pansharpkit.physics.blind import estimate_model
from pansharpkit.readers import ReadOptions, open_cube
from pansharpkit.readers.cubes.cave import CENTERS_NM, cave_scenes, read_cave
from pansharpkit.sampling import Sampling
from pansharpkit.sensor import DEFAULT_MTF, load_sensor
from pansharpkit.sensor.projection import srf_matrix

PEAK = 255.0
"""Of the 8-bit range."""
RATIO = 32
"""Side of the blocks."""
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class MatlabCube:
    """A cube in one MATLAB file."""

    file: str
    key: str
    sensor: str
    """Preset that says where its bands lie."""


@dataclass(frozen=True)
class Dataset:
    """What a paper's table is about."""

    title: str
    guide: str
    """Preset of the camera of few bands."""
    guide_bands: tuple[str, ...]
    cubes: tuple[MatlabCube, ...] = ()
    """None for CAVE's folders of PNGs."""
    window: int | None = None
    """Side of the square from the middle of the scene that is used; None for all of it."""


DATASETS: Mapping[str, Dataset] = {
    "cave": Dataset("CAVE", "nikon_d700_cave", ("R", "G", "B")),
    "chikusei": Dataset(
        "Chikusei", "landsat8_oli", ("B1", "B2", "B3", "B4", "B5"),
        (MatlabCube("HyperspecVNIR_Chikusei_20140729.mat", "chikusei", "chikusei"),), 512,
    ),
    "pavia": Dataset(
        "Pavia", "ikonos", ("Blue", "Green", "Red", "NIR"),
        (
            MatlabCube("PaviaU.mat", "paviaU", "rosis_pavia_university"),
            MatlabCube("Pavia.mat", "pavia", "rosis_pavia_centre"),
        ),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class PaperRun:
    """What of a dataset is run, and how."""

    ratio: int = RATIO
    scenes: tuple[str, ...] = ()
    """Names of scenes, or of files without suffix; all of them by default."""
    window: tuple[int, int, int, int] | None = None
    """First row, first column, height and width; otherwise what the dataset says."""
    blind: bool = False
    """Whether SRF and PSF are estimated from the pair instead of given."""
    seed: int = 0
    device: str = "cpu"
    options: Mapping[str, object] = field(default_factory=dict)
    """Of the method, where there is one only."""


@dataclass(frozen=True)
class Truth:
    """A cube of a dataset."""

    name: str
    values: Floats
    """[C, H, W] in [0, 1]."""
    centers_nm: tuple[float | None, ...]
    fwhm_nm: tuple[float | None, ...]


@dataclass(frozen=True)
class PaperRow:
    """What one method made of one scene."""

    scene: str
    method: str
    values: Mapping[str, float | None]
    """``psnr_db`` (mean over the bands), ``sam_deg``, ``ergas``, ``ssim``, ``rmse``."""
    seconds: float


def benchmark(
    name: str,
    root: Path,
    methods: Sequence[str],
    run: PaperRun | None = None,
    progress: Progress | None = None,
) -> Iterator[PaperRow]:
    """Yield the figures of each method on each scene of a dataset, then their means.

    Raises
    ------
    OptionError
        If the dataset, a method, an option or a scene is unknown, or the window does not fit.
    FileReadError
        If `root` does not hold the dataset.
    """
    run = run or PaperRun()
    if name not in DATASETS:
        raise OptionError(f"there is no dataset {name!r}; choose one of {', '.join(DATASETS)}")
    dataset = DATASETS[name]
    _check_methods(methods, run.options, len(dataset.guide_bands))
    rows: list[PaperRow] = []
    for truth in truths(dataset, root, run):
        seen = observed(dataset, truth, run).to(run.device)
        for method in methods:
            rows.append(_judged(truth, seen, method, run, progress))
            yield rows[-1]
    if len({row.scene for row in rows}) > 1:
        yield from _means(rows, methods)


def _check_methods(methods: Sequence[str], options: Mapping[str, object], guides: int) -> None:
    if not methods or len(set(methods)) < len(methods):
        raise OptionError("-m needs different methods")
    if len(methods) > 1 and options:
        raise OptionError("--option goes with a single method; run one at a time")
    for method in methods:
        create(method, options, "sharpen")
        if method.lower() != "exp" and not REGISTRY[method.lower()].takes(guides):
            able = [entry.name for entry in REGISTRY.values() if entry.takes(guides)]
            raise OptionError(
                f"{method} does not take a guide of {guides} bands; choose of exp, "
                f"{', '.join(able)}"
            )


def truths(dataset: Dataset, root: Path, run: PaperRun) -> Iterator[Truth]:
    """Yield the cubes of a dataset, cut to whole blocks.

    Raises
    ------
    FileReadError
        If `root` does not hold them.
    OptionError
        If a scene asked for is not there, or the window does not fit.
    """
    if not root.is_dir():
        raise FileReadError(f"{root}: is no folder; --root is where your copy of the dataset lies")
    if not dataset.cubes:
        folders = cave_scenes(root)
        for scene in _picked(tuple(folders), run.scenes):
            values = read_cave(folders[scene], scene)
            box = _window(dataset, run, (values.shape[1], values.shape[2]))
            widths = (10.0,) * len(CENTERS_NM)
            yield Truth(scene, values[:, *box.slices], CENTERS_NM, widths)
        return
    there = {Path(c.file).stem: c for c in dataset.cubes if (root / c.file).is_file()}
    if not there:
        expected = " or ".join(f"{cube.file} (variable {cube.key})" for cube in dataset.cubes)
        raise FileReadError(f"{root}: does not hold {dataset.title}; expected {expected}")
    for scene in _picked(tuple(there), run.scenes):
        yield _matlab(there[scene], root, dataset, run)


def _picked(found: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := sorted(set(wanted) - set(found)):
        raise OptionError(f"no scene {', '.join(unknown)} here; there are {', '.join(found)}")
    return wanted or found


def _matlab(cube: MatlabCube, root: Path, dataset: Dataset, run: PaperRun) -> Truth:
    source = open_cube(root / cube.file, ReadOptions(mat_key=cube.key)).source
    bands = load_sensor(cube.sensor).bands
    if len(source.names) != len(bands):
        raise InputError(
            f"{cube.file}: {len(source.names)} live bands, but {dataset.title} has {len(bands)}"
        )
    box = _window(dataset, run, (source.grid.height, source.grid.width))
    values, valid = source.read(box)
    cut: Floats = np.asarray(np.where(valid, values, 0), np.float32).clip(min=0)
    top = float(cut.max(initial=0)) or 1.0
    return Truth(
        Path(cube.file).stem,
        np.asarray(cut / top, np.float32),
        tuple(band.center_nm for band in bands),
        tuple(band.fwhm_nm for band in bands),
    )


def _window(dataset: Dataset, run: PaperRun, size: tuple[int, int]) -> Window:
    """Return the part of a cube that is used: whole blocks, from the top left corner on."""
    whole = Window(0, 0, *size)
    if run.window is not None:
        box = Window(*run.window)
        if box.clip(whole) != box:
            raise OptionError(f"--window {run.window} does not fit into {size[0]} x {size[1]}")
    elif dataset.window is not None:
        sides = [min(dataset.window, side) for side in size]
        box = Window((size[0] - sides[0]) // 2, (size[1] - sides[1]) // 2, sides[0], sides[1])
    else:
        box = whole
    height, width = (side // run.ratio * run.ratio for side in (box.height, box.width))
    if not height or not width:
        raise OptionError(f"{box.height} x {box.width} pixels are not one block of {run.ratio}")
    return Window(box.row, box.col, height, width)


def observed(dataset: Dataset, truth: Truth, run: PaperRun) -> Observation:
    """Return the pair that the protocol makes of a cube."""
    sensor = load_sensor(dataset.guide).subset(dataset.guide_bands)
    srf = srf_matrix(sensor, truth.centers_nm, truth.fwhm_nm)
    block = Psf(((1 / run.ratio**2,) * run.ratio,) * run.ratio)
    values = torch.from_numpy(np.ascontiguousarray(truth.values))
    size = (values.shape[1] // run.ratio, values.shape[2] // run.ratio)
    sampling = Sampling.edge_aligned(run.ratio)
    guide = torch.tensordot(torch.tensor(srf, dtype=values.dtype), values, dims=1)
    optics = Optics(
        (DEFAULT_MTF,) * len(values), DEFAULT_MTF, "none", "target", ObservationModel(srf, block)
    )
    seen = Observation.whole(spread_by(values, sampling, size, block), guide, sampling, optics)
    if not run.blind:
        return seen
    blind = replace(seen, optics=replace(optics, model=None))
    found = estimate_model([blind], truth.centers_nm, truth.fwhm_nm)
    return replace(seen, optics=replace(optics, model=found.model))


def _judged(
    truth: Truth, seen: Observation, method: str, run: PaperRun, progress: Progress | None
) -> PaperRow:
    context = Context(run.seed, run.device, progress)
    started = time.perf_counter()
    fitted = create(method, run.options).fit([seen], context)
    fused = fitted.apply([seen], context)[0].cpu()
    seconds = time.perf_counter() - started
    values = torch.from_numpy(np.ascontiguousarray(truth.values))
    return PaperRow(truth.name, method, figures(values, fused, run.ratio), seconds)


def figures(truth: Tensor, fused: Tensor, ratio: int) -> dict[str, float | None]:
    """Return the indices of the papers' tables of [C, H, W] images in [0, 1]."""
    known, made = truth.double() * PEAK, fused.double().clamp(0, 1) * PEAK
    return {
        "psnr_db": reference.psnr_band_mean_db(known, made, peak=PEAK),
        "sam_deg": reference.sam_deg(known, made),
        "ergas": reference.ergas(known, made, ratio=ratio),
        "ssim": reference.ssim(known, made, peak=PEAK),
        "rmse": reference.rmse(known, made),
    }


def _means(rows: Sequence[PaperRow], methods: Sequence[str]) -> Iterator[PaperRow]:
    """Yield the mean of each method over the scenes; None where a scene has no figure."""
    for method in methods:
        own = [row for row in rows if row.method == method]
        values: dict[str, float | None] = {}
        for key in own[0].values:
            found = [value for row in own if (value := row.values[key]) is not None]
            values[key] = sum(found) / len(found) if len(found) == len(own) else None
        yield PaperRow("mean", method, values, sum(row.seconds for row in own) / len(own))
