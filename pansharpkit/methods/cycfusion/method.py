"""CycFusion: a fused cube that comes back to both inputs, found without training data.

Two networks make the cube, one from the target and one from the guide. What the cameras make of
either must be the other input, what they make of that again the first, and both cubes must be the
same. PSF and SRF are known, estimated, or trained along.

Source: Shi, Zhang, Altmann, Chen, "CycFusion".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import torch
from torch import Tensor

from pansharpkit.methods.base import Context, Fitted
from pansharpkit.methods.classical.multiresolution import pyramid_reach
from pansharpkit.methods.cycfusion.networks import Networks, share_of, trained
from pansharpkit.methods.cycfusion.options import PRESETS, CycFusionOptions
from pansharpkit.methods.cycfusion.published import fitted, scale_of
from pansharpkit.methods.cycfusion.subspace import RADIUS
from pansharpkit.methods.gdd.shared import draw_crops
from pansharpkit.methods.hs.hyperspectral import srf_of
from pansharpkit.methods.hs.hysure import REACH
from pansharpkit.methods.hs.materials import Materials, lowest_of
from pansharpkit.methods.hs.relation import Relation
from pansharpkit.methods.hs.scenenet_hs import FittedScenenetHs, ScenenetHs
from pansharpkit.methods.hs.statistics import pair_statistics
from pansharpkit.model import ObservationModel
from pansharpkit.physics import Observation
from pansharpkit.physics.blind import estimate_model
from pansharpkit.sampling import Sampling

__all__ = ["MARGIN", "PRESETS", "CycFusion", "CycFusionOptions", "FittedSubspace"]

CLASSIC = 1 / 3
"""Share of each of the three classics: FUSE, HySure and CNMF."""
MARGIN = 32
"""Guide pixels around a tile whose networks are its own, and over which tiles are blended."""


@dataclass(frozen=True)
class CycFusion:
    """Fit the networks to the scene, or to each tile."""

    options: CycFusionOptions = field(default_factory=CycFusionOptions)

    def halo(self, sampling: Sampling) -> int:
        """Cover the networks' neighbourhood and the correction's, or give context."""
        if self.options.resolved.form == "published":
            return MARGIN
        return RADIUS + pyramid_reach(sampling) + math.ceil(REACH * max(sampling.ratio))

    def overlap(self, sampling: Sampling) -> int:
        """Blend tiles whose networks see them as a whole; the others agree."""
        return MARGIN if self.options.resolved.form == "published" else 0

    def fit(self, sample: Sequence[Observation], context: Context) -> Fitted:
        """Find the camera and train what all tiles share.

        Raises
        ------
        FusionError
            If no pixel is valid, or the training diverges twice.
        """
        options = self.options
        camera = _camera_of(sample, options)
        seen: Sequence[Observation] = sample if camera is None else _Seen(sample, camera)
        if options.resolved.form == "subspace":
            found: Fitted = _subspace(seen, options, context)
            return found if camera is None else _WithCamera(found, camera)
        learns = seen[0].optics.model is None or options.camera == "learned"
        scale = scale_of(seen, context.steps)
        crops = draw_crops(seen, context)
        networks = fitted(crops, scale, options, context, learns_camera=learns)
        return networks if camera is None else _WithCamera(networks, camera)


@dataclass(frozen=True)
class _Seen(Sequence[Observation]):
    """A sample with the camera that was estimated."""

    sample: Sequence[Observation]
    camera: ObservationModel

    def __len__(self) -> int:
        return len(self.sample)

    def __getitem__(self, index: int) -> Observation:  # type: ignore[override]
        return seen_by(self.sample[index], self.camera)


@dataclass(frozen=True)
class _WithCamera:
    """Tiles are fused with the camera that was estimated from the scene."""

    inner: Fitted
    camera: ObservationModel

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Fuse each observation."""
        return self.inner.apply([seen_by(seen, self.camera) for seen in batch], context)

    def summary(self) -> Mapping[str, object]:
        """Return the inner summary and the response that was estimated."""
        return {**self.inner.summary(), "estimated_srf": self.camera.srf}


def seen_by(seen: Observation, camera: ObservationModel) -> Observation:
    """Return the observation with another camera."""
    return replace(seen, optics=replace(seen.optics, model=camera))


def _camera_of(sample: Sequence[Observation], options: CycFusionOptions) -> ObservationModel | None:
    """Return the camera estimated from the pair, or None where the observation's own is taken.

    Raises
    ------
    FusionError
        If the camera is to be known and nobody knows it.
    """
    known = sample[0].optics.model is not None
    if options.camera == "known" and not known:
        srf_of(sample[0])
    wanted = options.camera == "estimated"
    if options.camera == "auto":
        wanted = not known and options.resolved.form == "subspace"
    return estimate_model(sample).model if wanted else None


def _subspace(
    sample: Sequence[Observation], options: CycFusionOptions, context: Context
) -> FittedSubspace:
    """Train the networks of the subspace, and find out what they are worth."""
    statistics = pair_statistics(sample, context)
    relation = Relation.of(sample[0], statistics, options.dimension)
    crops = draw_crops(sample, context)
    networks = trained(crops, statistics, relation.views, options, context, "cycfusion networks")
    base = ScenenetHs().taught(sample, relation, context)
    share, error = share_of(crops, base, options, context)
    materials = None
    if options.resolved.materials and len(sample[0].guide) > 1:
        materials = Materials.of(crops, relation.views, base.coefficients, context)
    lowest = lowest_of(crops, relation.views)
    return FittedSubspace(options, networks, base, share, error, materials, lowest)


@dataclass(frozen=True)
class FittedSubspace:
    """What the networks make of a pair, averaged with a base that they were measured against."""

    options: CycFusionOptions
    networks: Networks
    base: FittedScenenetHs
    """FUSE and HySure with what was learnt from the pair degraded once more."""
    share: Tensor
    """[p] of the networks in the average."""
    rehearsed_error: Tensor | None
    """[p] of the networks one scale down, squared, over that of the base; None where nobody
    knows."""
    materials: Materials | None
    """CNMF as the third classic; None for none."""
    lowest: Tensor
    """[C] below which no band goes."""

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Fuse each observation."""
        return [self._fused(observation, context) for observation in batch]

    def _fused(self, seen: Observation, context: Context) -> Tensor:
        made = self.networks.fused(seen, context)
        base = self.base.coefficients(seen.to(context.device)).to(made)
        found = torch.lerp(base, made, self.share.to(base)[:, None, None])
        if self.materials is not None:
            here = seen.to(context.device)
            unmixed = self.materials.coefficients(here, base.to(here.target), context)
            found = torch.lerp(found, unmixed.to(found), CLASSIC)
        cube = self.networks.base.subspace.cube(found)
        cube = torch.maximum(cube, self.lowest.to(cube)[:, None, None])
        return cube.to(seen.target.device, seen.target.dtype)

    def summary(self) -> Mapping[str, object]:
        """Return the schedule, the dimension and how much the networks are believed."""
        members, error = self.networks.members, self.rehearsed_error
        return {
            **asdict(self.options.resolved),
            **self.base.summary(),
            "materials": None if self.materials is None else self.materials.mixture.summary(),
            "share_of_networks": self.share.tolist(),
            "rehearsed_error": None if error is None else error.tolist(),
            "belief": [[b.tolist() for b in member.belief] for member in members],
        }
