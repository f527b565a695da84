"""scenenet for cubes: small networks that learn from the pair what a classical estimate lacks.

In the subspace of the target's spectra, the base is the mean of FUSE and HySure: they win on
different scenes, and their errors differ. How colours of the guide and spectra of
the target belong together is not linear: networks that look at one pixel at a time learn, from the
pair degraded once more, what the base lacks of the target as it was delivered. Each of them was
shown all of the scene but one part; what it says there tells how far they may be followed,
coefficient by coefficient, which is not at all where they were no help.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from pansharpkit.errors import OptionError
from pansharpkit.methods.base import Context
from pansharpkit.methods.hs.fuse import Fuse
from pansharpkit.methods.hs.hysure import FittedHysure, Hysure
from pansharpkit.methods.hs.relation import Relation
from pansharpkit.methods.hs.scenenet_hs_data import draw_lessons
from pansharpkit.methods.hs.scenenet_hs_net import Learned, learn
from pansharpkit.methods.hs.statistics import pair_statistics
from pansharpkit.physics import Observation
from pansharpkit.sampling import Sampling

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScenenetHsOptions:
    """How the networks are trained."""

    steps: int = 300
    """Steps of the training."""
    channels: int = 40
    """Width of each network."""
    dimension: int | None = None
    """Dimensions of the subspace; by default as many as stand out of the noise, at most 30."""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.channels < 1:
            raise OptionError("scenenet-hs: steps and channels must be at least 1")


@dataclass(frozen=True)
class ScenenetHs:
    """Learn from the pair degraded once more what the base lacks, and add it."""

    options: ScenenetHsOptions = ScenenetHsOptions()

    def halo(self, sampling: Sampling) -> int:
        """That of the base; the networks see single pixels."""
        return max(Fuse().halo(sampling), Hysure().halo(sampling))

    def overlap(self, sampling: Sampling) -> int:
        """Neighbouring tiles agree."""
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> FittedScenenetHs:
        """Relate the images, draw the lessons and train.

        Raises
        ------
        FusionError
            If no sample of the target counts, or the training diverges.
        OptionError
            If the target has fewer bands than dimensions asked for.
        """
        statistics = pair_statistics(sample, context)
        relation = Relation.of(sample[0], statistics, self.options.dimension)
        return self.taught(sample, relation, context)

    def taught(
        self, sample: Sequence[Observation], relation: Relation, context: Context
    ) -> FittedScenenetHs:
        """Do the same with what is known of the scene."""
        lessons = draw_lessons(sample, relation, context)
        if lessons is None:
            log.warning(
                "the target is too small to be degraded once more: nothing is learnt from that"
            )
            return FittedScenenetHs(relation, relation.classic(), None)
        learned = learn(lessons, self.options.channels, self.options.steps, context)
        return FittedScenenetHs(relation, relation.classic(), learned)


@dataclass(frozen=True)
class FittedScenenetHs:
    """Classical estimate and networks of one scene."""

    relation: Relation
    classic: FittedHysure
    learned: Learned | None
    """None where there was nothing to learn from."""

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        """Fuse each observation."""
        return [self.relation.views.subspace.cube(self.coefficients(seen)) for seen in batch]

    def coefficients(self, seen: Observation) -> Tensor:
        """Return the fused coefficients, [p, H, W]."""
        features = self.relation.features(seen, self.classic)
        if self.learned is None:
            return features.base
        return self.learned.corrected(features.base, features.inputs)

    def summary(self) -> Mapping[str, object]:
        """Return what was estimated and learnt."""
        learned = self.learned
        return {
            **self.relation.views.summary(),
            "held_out_gain_db": 0.0 if learned is None else learned.gain_db,
            "share": [] if learned is None else learned.share.tolist(),
        }
