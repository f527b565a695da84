"""About how long a batch will take and how much it will write, from what is known already."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from pansharpkit import pipeline
from pansharpkit.archive.files import input_bytes
from pansharpkit.archive.plan import Planned
from pansharpkit.archive.survey import BatchRequest, Survey
from pansharpkit.errors import PansharpkitError
from pansharpkit.estimate import FEW, rounded
from pansharpkit.resources import cores


@dataclass(frozen=True)
class Forecast:
    """What a batch will take, roughly."""

    basis: str
    """What that is derived from."""
    free_bytes: int
    """Room where the outputs go."""
    seconds: float | None = None
    """Wall time; None where nobody knows."""
    at_most: bool = False
    """Whether that is a bound rather than a guess."""
    bytes: int | None = None
    """Of rasters, uncompressed unless earlier ones tell better."""

    def describe(self) -> str:
        """Return the forecast in words.

        >>> Forecast("3 scenes done", 10**12, 7200.0, bytes=5 * 10**9).describe()
        'about 2 h, 5 GB of 1000 GB free (from 3 scenes done)'
        """
        if self.seconds is None:
            time = "unknown time"
        else:
            time = f"{'at most' if self.at_most else 'about'} {rounded(self.seconds)}"
        free = f"{self.free_bytes / 1e9:.0f} GB free"
        return f"{time}, {_size(self.bytes)} of {free} (from {self.basis})"


def _size(count: int | None) -> str:
    if count is None:
        return "unknown size"
    return f"{count / 1e6:.3g} MB" if count < 1e9 else f"{count / 1e9:.3g} GB"


def forecast(request: BatchRequest, plan: Survey, jobs: int = 1) -> Forecast:
    """Return what the scenes that are to be done will take.

    By the mean of those that are done, if there are any; else by a short trial on the scene with
    the median size of inputs, scaled by the size of inputs.
    """
    free = shutil.disk_usage(_standing(request.folder)).free
    scenes = len(plan.to_do)
    if not scenes:
        return Forecast("nothing is to be done", free, 0.0, bytes=0)
    past = plan.past
    if past.scenes:
        rounds = scenes / past.scenes
        basis = f"{past.scenes} done"
        return Forecast(basis, free, rounds * past.seconds / jobs, bytes=int(rounds * past.bytes))
    return _by_trial(request, plan, jobs, free)


def _by_trial(request: BatchRequest, plan: Survey, jobs: int, free: int) -> Forecast:
    sizes = [(input_bytes(each.entry.inputs), each.entry.id, each) for each in plan.to_do]
    size, id, sample = sorted(sizes)[len(sizes) // 2]
    scale = sum(each[0] for each in sizes) / size if size else float(len(sizes))
    try:
        found = pipeline.plan(_request(request, sample, jobs))
    except PansharpkitError as error:
        return Forecast(f"{id}, which cannot be fused: {error}", free)
    seconds, megabytes = found["estimated_seconds"], found["uncompressed_mb"]
    assert isinstance(megabytes, float)
    basis = f"a trial on {id}, scaled by the size of the inputs; rasters uncompressed"
    size = int(megabytes * 1e6 * scale)
    if not isinstance(seconds, float):
        return Forecast(basis, free, FEW * len(sizes) / jobs, at_most=True, bytes=size)
    return Forecast(basis, free, seconds * scale / jobs, bytes=size)


def _request(request: BatchRequest, sample: Planned, jobs: int) -> pipeline.FuseRequest:
    """Return what fuses the sample with a worker's share of the machine, into no new folder."""
    wanted = request.scene
    threads = wanted.run.threads or max(1, cores() // jobs)
    return replace(
        wanted,
        scene=replace(wanted.scene, inputs=sample.entry.inputs),
        output=_standing(request.folder) / f"{sample.entry.id}.tif",
        run=replace(wanted.run, threads=threads),
        overwrite=True,
    )


def _standing(folder: Path) -> Path:
    """Return the innermost folder that exists already."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.is_dir())
