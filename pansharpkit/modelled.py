"""How a guide's bands mix those of a cube: what presets say, set right by the pair, or its own."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from pansharpkit.methods.registry import REGISTRY
from pansharpkit.model import ObservationModel
from pansharpkit.observe import FitSample, Observer
from pansharpkit.physics import Observation, degrade, spread_by
from pansharpkit.scene import Scene
from pansharpkit.sensor import DEFAULT_MTF

log = logging.getLogger(__name__)

_REACH = 4  # target samples around a block, so that those at its edge count as well
_SAME = 0.02  # relative; gains this close to 1 are rounding and noise
_WEAK = 0.9  # R² of the guide on what its response makes of the cube below which that is doubtful


def needs_model(scene: Scene, method: str) -> bool:
    """Whether a method may ask how the guide's bands mix the target's."""
    return len(scene.guide.names) > 1 or REGISTRY[method.lower()].guide != "pan"


def modelled(scene: Scene, file: Path | None = None) -> Scene:
    """Return the scene with a model of how its guide's bands mix the target's, and say which.

    What presets or a file say is scaled to the numbers of this guide: one may hold reflectance, the
    other radiance. Where they say nothing the pair itself is asked.

    Parameters
    ----------
    file : where the model of the scene comes from; by default from presets.
    """
    sample = FitSample(Observer.of(scene), math.ceil(_REACH * max(scene.sampling.ratio)))
    if scene.model is None:
        found, said = _estimated(scene, sample)
    else:
        found, said = _scaled(scene, scene.model, sample, file)
    return replace(scene, model=found, notices=(*scene.notices, *said))


def _estimated(
    scene: Scene, sample: Sequence[Observation]
) -> tuple[ObservationModel, tuple[str, ...]]:
    centres = [band.center_nm for band in scene.sensor.bands]
    widths = [band.fwhm_nm for band in scene.sensor.bands]
    known = None not in centres
    from pansharpkit.physics.blind import estimate_model  # loads solvers that PAN never needs

    found = estimate_model(sample, centres if known else None, widths if known else None)
    missed = ", ".join(f"{share:.1%}" for share in found.residual)
    return found.model, (
        f"how the bands of {scene.guide.label} mix those of {scene.target.label}, and the PSF, "
        f"are estimated from the pair; this misses {missed} of the guide's bands",
    )


@dataclass(frozen=True)
class _Sums:
    """Over samples: squares of what a response makes of the cube, of the guide, and products."""

    made: Tensor
    seen: Tensor
    both: Tensor

    @property
    def gains(self) -> Tensor:
        """[c] what the guide's numbers are of those that its response makes of the cube."""
        found = torch.where(self.made > 0, self.both / self.made.clamp(min=1e-30), 1.0)
        return torch.where((found > 0) & torch.isfinite(found), found, 1.0)

    @property
    def explained(self) -> Tensor:
        """[c] share of the guide's power that this leaves nothing of."""
        power = (self.made * self.seen).clamp(min=1e-30)
        return self.both.clamp(min=0).square() / power


def _scaled(
    scene: Scene, model: ObservationModel, sample: Sequence[Observation], file: Path | None
) -> tuple[ObservationModel, tuple[str, ...]]:
    sums = _summed(model, sample)
    gains = sums.gains
    names, label = scene.guide.names, scene.guide.label
    origin = "presets" if file is None else file.name
    said = []
    if not _near(gains):
        fitted = f", times {_listed(names, gains)} to fit its numbers"
        said = [f"the response of {label} comes from {origin}{fitted}"]
    elif file is None:
        said = [f"the response of {label} comes from presets"]
    doubtful = [name for name, r in zip(names, sums.explained, strict=True) if float(r) < _WEAK]
    if doubtful:
        remedy = "check --guide-sensor and the wavelengths, or estimate a --model"
        remedy = remedy if file is None else "is it of these instruments? Estimate one of this pair"
        said.append(
            f"what {origin} {'say' if file is None else 'says'} of {', '.join(doubtful)} of "
            f"{label} explains little of it: {remedy}"
        )
    if _near(gains):
        return model, tuple(said)
    rows = tuple(
        tuple(float(gain) * weight for weight in row)
        for gain, row in zip(gains, model.srf, strict=True)
    )
    return replace(model, srf=rows), tuple(said)


def _near(gains: Tensor) -> bool:
    return bool((gains - 1).abs().max() <= _SAME)


def _listed(names: Sequence[str], gains: Tensor) -> str:
    return ", ".join(f"{float(g):.3g} ({name})" for name, g in zip(names, gains, strict=True))


def _summed(model: ObservationModel, sample: Sequence[Observation]) -> _Sums:
    """Compare the guide, seen as coarsely as the cube, with what its response makes of the cube."""
    count = len(model.srf)
    made, seen, both = (torch.zeros(count, dtype=torch.float64) for _ in range(3))
    srf = torch.tensor(model.srf, dtype=torch.float64)
    for observation in sample:
        size, mask = observation.target_size, observation.target_mask
        gains = (DEFAULT_MTF,) * count
        guide = observation.guide.double()
        if model.psf is None:
            coarse = degrade(guide, observation.sampling, size, gains)[:, mask]
        else:
            coarse = spread_by(guide, observation.sampling, size, model.psf)[:, mask]
        mixed = torch.tensordot(srf, observation.target.double()[:, mask], dims=1)
        made += mixed.square().sum(dim=1)
        seen += coarse.square().sum(dim=1)
        both += (mixed * coarse).sum(dim=1)
    return _Sums(made, seen, both)
