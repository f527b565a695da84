"""Measure by how much the target lies beside the guide, before anything is fused.

The PAN is blurred to the sharpness of the MS and sampled where the MS pixels should be, for many
trial shifts; each trial is regressed on all MS bands, or on groups of a cube's. R² peaks at the
true shift, whatever the spectral bands, and the height of the peak says whether the two show the
same ground at all. In place of PAN, a guide of several bands takes part with the mean of them.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pansharpkit.errors import RegistrationError
from pansharpkit.grid import Window
from pansharpkit.radiometry import erode, fill_gaps
from pansharpkit.scene import Block, Scene
from pansharpkit.source import Source
from pansharpkit.trialshifts import Samples, Score, climb, parabola

log = logging.getLogger(__name__)

SEARCH_PX = 20
"""Largest shift looked for, in PAN pixels."""
WARN_PX = 0.5
MIN_R2 = 0.2
"""Below this, at every trial shift, PAN and MS do not show the same ground: the best of many shifts
of unrelated small scenes reaches .17, true pairs start at about .5."""
RELIABLE_R2 = 0.5
MIN_CONTRAST = 0.01
"""Relative spread of the blurred PAN below which nothing can be matched (water, fog)."""
CUBE_BANDS = 32
"""Bands from which on a target is a cube, and called HS."""
_MIN_SAMPLES = 60
_MAX_SAMPLES = 80_000  # beyond this the peak no longer moves by a hundredth of a pixel
_FIRST_SAMPLES = 4_000  # enough to find the hill
_NEXT_SAMPLES = 16_000  # enough to climb it; the top is measured with all of them
_MOST_BANDS = 8  # that the PAN is regressed on; a cube's hundreds would explain anything
_BLOCK = 512  # guide pixels
_SMALL_BLOCK = 256  # where the scene has room for as many samples as count
_BLOCKS = 25  # at most, spread over the scene


@dataclass(frozen=True)
class Registration:
    """How guide and target lie to each other."""

    shift_rows: float
    """PAN pixels by which the MS must move down to lie on the PAN."""
    shift_cols: float
    """PAN pixels by which the MS must move right."""
    r2: float
    """R² of the blurred PAN on the MS bands at the measured shift."""
    r2_unshifted: float
    """The same where the georeferencing puts the MS."""
    reliable: bool
    """Whether the peak is high, inside the search range and rests on enough pixels."""
    curve: tuple[tuple[float, float], ...]
    """(shift in columns, R²) through the peak."""
    n_samples: int
    """MS pixels that took part."""
    contrast: float
    """Standard deviation of the blurred PAN over its mean."""
    guide: str = "PAN"
    """What the guide is called: of several bands it is no PAN."""
    target: str = "MS"
    """What the target is called."""

    @property
    def distance(self) -> float:
        """Length of the shift, in PAN pixels."""
        return math.hypot(self.shift_rows, self.shift_cols)

    def describe(self) -> str:
        """Return the one line that every run prints."""
        text = (
            f"{self.guide} against {self.target}: shift {self.shift_rows:+.2f} rows, "
            f"{self.shift_cols:+.2f} cols ({self.guide} px), R² {self.r2:.3f} there, "
            f"{self.r2_unshifted:.3f} as georeferenced"
        )
        return text if self.reliable else text + "; not reliable"


def measure(scene: Scene, search: float = SEARCH_PX) -> Registration:
    """Measure the shift between guide and target over blocks spread across the scene.

    The cost does not grow with the scene: at most 25 blocks are read.
    """
    names = called(scene.guide, scene.target)
    windows = _windows(scene)
    quota = _MAX_SAMPLES // len(windows)
    blocks = [_samples(scene.read(window), search).thinned(quota) for window in windows]
    samples = [block for block in blocks if len(block.rows)]
    count = sum(len(block.rows) for block in samples)
    if count < _MIN_SAMPLES:
        return Registration(0.0, 0.0, 0.0, 0.0, False, (), count, 0.0, *names)
    reach = math.floor(search)
    score, more, few = (
        Score([block.thinned(most // len(samples)) for block in samples])
        for most in (_MAX_SAMPLES, _NEXT_SAMPLES, _FIRST_SAMPLES)
    )
    coarse = [
        (few(float(r), float(c)), float(r), float(c))
        for r in range(-reach, reach + 1, 2)
        for c in range(-reach, reach + 1, 2)
    ]
    _, row, col = max(coarse)
    for step, within in ((1.0, more), (0.5, more), (0.25, score)):
        row, col = climb(within, row, col, step, reach)
    row, col = parabola(score, row, col, 0.25)
    r2 = score(row, col)
    contrast = _contrast(samples)
    inside = max(abs(row), abs(col)) < reach - 1
    reliable = inside and r2 >= RELIABLE_R2 and contrast >= MIN_CONTRAST
    curve = tuple(
        (float(c), score(row, float(c))) for c in np.linspace(col - 4, col + 4, 17).round(3)
    )
    return Registration(row, col, r2, score(0.0, 0.0), reliable, curve, count, contrast, *names)


def check(registration: Registration, *, force: bool = False) -> str | None:
    """Return a warning for a doubtful pair, None for a good one.

    Raises
    ------
    RegistrationError
        If PAN and MS do not show the same ground and `force` is not given.
    """
    found = registration
    if found.n_samples < _MIN_SAMPLES:
        return (
            f"registration could not be measured: only {found.n_samples} {found.target} pixels "
            "lie well inside the scene"
        )
    if found.contrast < MIN_CONTRAST:
        return (
            f"registration is not reliable: {found.guide} shows hardly any contrast "
            f"({found.contrast:.2%})"
        )
    if found.r2 < MIN_R2:
        text = (
            f"{found.guide} and {found.target} do not show the same ground: R² is {found.r2:.3f} "
            f"at best within {SEARCH_PX} {found.guide} pixels"
        )
        if not force:
            raise RegistrationError(text + "; check that they are a pair, or pass --force")
        return text
    if not found.reliable:
        return f"registration is not reliable: {found.describe()}"
    if found.distance > WARN_PX:
        return (
            f"{found.target} lies {found.distance:.2f} {found.guide} pixels beside the "
            f"{found.guide} (rows {found.shift_rows:+.2f}, cols {found.shift_cols:+.2f}); "
            "--correct-shift moves it"
        )
    return None


def correction(scene: Scene, found: Registration) -> tuple[float, float]:
    """Return by how many rows and columns the target is to be moved.

    That is the measured shift, but for what the scene's model of the PSF holds of it already.
    """
    psf = None if scene.model is None else scene.model.psf
    rows, cols = (0.0, 0.0) if psf is None else psf.centre
    return found.shift_rows - rows, found.shift_cols - cols


def called(guide: Source, target: Source) -> tuple[str, str]:
    """Return what two images are called beside each other."""
    fine = "PAN" if len(guide.names) == 1 else "guide"
    return fine, "MS" if len(target.names) < CUBE_BANDS else "HS"


def _windows(scene: Scene) -> list[Window]:
    """Return up to _BLOCKS windows on a regular lattice over the scene's domain."""
    domain = scene.domain
    side = math.isqrt(_BLOCKS)
    large = min(domain.height, domain.width) > 2 * side * _SMALL_BLOCK
    block = _SMALL_BLOCK if large else _BLOCK
    counts = [max(1, math.ceil(size / block)) for size in (domain.height, domain.width)]
    rows, cols = (np.unique(np.linspace(0, n - 1, min(n, side)).round().astype(int))
                  for n in counts)  # fmt: skip
    return [
        Window(domain.row + int(r) * block, domain.col + int(c) * block, block, block).clip(domain)
        for r in rows
        for c in cols
    ]


def _samples(block: Block, search: float) -> Samples:
    """Blur the PAN of a block and pick the MS pixels that no trial shift moves out of it."""
    sampling = block.sampling
    sigma = [ratio / 2.5 for ratio in sampling.ratio]
    pan = fill_gaps(block.intensity[None], block.guide_valid)[0].astype(np.float64)
    blurred = _blurred(_blurred(pan, sigma[0]).T, sigma[1]).T
    margin = math.ceil(search + 3 * max(sigma))
    height, width = blurred.shape
    # Small scenes cannot afford the whole margin; trial shifts then reach over the edge.
    margin = min(margin, max(1, min(height, width) // 5))
    usable = erode(block.guide_valid, math.ceil(2 * max(sigma)), border=True)
    target_valid = block.target_valid & _finite(block.target)
    if block.clouds is not None and (target_valid & ~block.clouds).mean() > 0.05:
        target_valid = target_valid & ~block.clouds
    shape = target_valid.shape
    rows = sampling.ratio[0] * np.arange(shape[0]) + sampling.phase[0]
    cols = sampling.ratio[1] * np.arange(shape[1]) + sampling.phase[1]
    rr, cc = np.meshgrid(rows, cols, indexing="ij")
    inside = (rr >= margin) & (rr <= height - 1 - margin)
    inside &= (cc >= margin) & (cc <= width - 1 - margin) & target_valid
    nearest = (
        np.clip(np.rint(rr).astype(int), 0, height - 1),
        np.clip(np.rint(cc).astype(int), 0, width - 1),
    )
    inside &= usable[nearest]
    return Samples(blurred, rr[inside], cc[inside], _grouped(block.target[:, inside]).T)


def _grouped(bands: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return means of neighbouring bands, [n, samples], few enough to tell signal from chance."""
    few = np.array_split(bands, _MOST_BANDS) if len(bands) > 2 * _MOST_BANDS else bands
    return np.stack([np.mean(np.atleast_2d(group), axis=0, dtype=np.float64) for group in few])


def _blurred(image: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Blur along the rows with a Gaussian cut at four sigma; the edge goes on beyond the edge."""
    reach = math.ceil(4 * sigma)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    wide = np.pad(image, ((reach, reach), (0, 0)), mode="edge")
    height = len(image)
    total = weights[reach] * image
    for step in range(1, reach + 1):
        pair = wide[reach - step : reach - step + height] + wide[reach + step :][:height]
        total += weights[reach + step] * pair
    blurred: NDArray[np.float64] = total
    return blurred


def _contrast(samples: list[Samples]) -> float:
    pan = np.concatenate([s.pan[::4, ::4].ravel() for s in samples])
    return float(pan.std() / max(abs(float(pan.mean())), 1e-12))


def _finite(values: NDArray[np.generic]) -> NDArray[np.bool_]:
    finite: NDArray[np.bool_] = np.isfinite(values).all(axis=0)
    return finite
