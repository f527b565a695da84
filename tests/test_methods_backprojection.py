from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pytest
import torch
from synthetic_pairs import GAINS, GEOMETRIES, pair
from torch import Tensor

from pansharpkit.errors import OptionError
from pansharpkit.methods.backprojection import SOFTNESS, BackProjected
from pansharpkit.methods.base import Context, Method
from pansharpkit.methods.classical.component import Gsa
from pansharpkit.methods.classical.interpolation import Exp
from pansharpkit.physics import Observation, Optics, degrade, degrade_adjoint, upsample
from pansharpkit.sampling import Sampling

CONTEXT = Context()


def fuse(method: Method, observation: Observation) -> Tensor:
    return method.fit([observation], CONTEXT).apply([observation], CONTEXT)[0]


def inconsistency(fused: Tensor, observation: Observation) -> float:
    down = degrade(fused, observation.sampling, observation.target_size, observation.optics.mtf)
    return float((down - observation.target)[:, observation.target_mask].square().mean().sqrt())


@pytest.mark.parametrize("sampling", GEOMETRIES.values(), ids=GEOMETRIES.keys())
def test_consistency_improves_with_every_step(sampling: Sampling) -> None:
    observation, _ = pair(sampling)
    errors = [inconsistency(fuse(Gsa(), observation), observation)]
    for steps in (1, 2, 5, 10):
        method = BackProjected(Gsa(), steps, damping=1.0)
        errors.append(inconsistency(fuse(method, observation), observation))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.2 * errors[0]


def test_one_step_is_the_written_formula() -> None:
    observation, _ = pair(Sampling.toolbox(4))
    plain = fuse(Gsa(), observation)
    residual = observation.target - degrade(
        plain, observation.sampling, observation.target_size, observation.optics.mtf
    )
    expected = plain + 0.3 * upsample(residual, observation.sampling, observation.size)
    torch.testing.assert_close(fuse(BackProjected(Gsa(), 1, 0.3), observation), expected)
    soft = tuple(gain * math.exp(-((math.pi * SOFTNESS) ** 2) / 2) for gain in GAINS)
    back = [
        degrade_adjoint(values, observation.sampling, observation.size, soft)
        for values in (residual, torch.ones_like(residual))
    ]
    expected = plain + back[0] / back[1]
    torch.testing.assert_close(fuse(BackProjected(Gsa()), observation), expected)


@pytest.mark.parametrize("sampling", GEOMETRIES.values(), ids=GEOMETRIES.keys())
def test_soft_steps_are_gentler_where_the_operator_is_wrong(sampling: Sampling) -> None:
    """The target was blurred more than the method is told: interpolated residuals ring."""
    observation, fine = pair(sampling, (160, 144), gains=(0.15,) * 4)
    told = replace(observation, optics=replace(observation.optics, mtf=(0.4,) * 4))
    plain = fuse(Gsa(), told)
    soft, damped = (fuse(BackProjected(Gsa(), 1, damping), told) for damping in (None, 1.0))
    inner = (slice(None), slice(16, -16), slice(16, -16))
    errors = [float((x - fine)[inner].square().mean().sqrt()) for x in (plain, soft, damped)]
    assert errors[1] < errors[2]
    assert inconsistency(soft, told) < inconsistency(plain, told)


def test_a_consistent_image_is_left_alone() -> None:
    """Flat ground is the same at every scale."""
    observation, _ = pair(Sampling.edge_aligned(2))
    flat = replace(observation, target=torch.full_like(observation.target, 0.4))
    method = BackProjected(Exp(), steps=5, damping=1.0)
    torch.testing.assert_close(fuse(method, flat), torch.full_like(fuse(Exp(), flat), 0.4))


@dataclass(frozen=True)
class GreyGuide:
    """A method that never looks at the target."""

    def halo(self, sampling: Sampling) -> int:
        return 0

    def overlap(self, sampling: Sampling) -> int:
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> GreyGuide:
        return self

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        return [one.guide.repeat(len(one.target), 1, 1) for one in batch]

    def summary(self) -> Mapping[str, object]:
        return {}


def test_target_samples_beyond_the_guide_are_ignored() -> None:
    observation, _ = pair(Sampling((2.0, 2.0), (-5.5, -3.5)), (60, 60))
    target = observation.target.clone()
    target[:, :3], target[:, :, :2] = 9.0, 9.0  # centred on rows -5.5 to -1.5, columns -3.5, -1.5
    method = BackProjected(GreyGuide(), steps=3, damping=1.0)
    spoilt = fuse(method, replace(observation, target=target))
    assert torch.equal(spoilt, fuse(method, observation))
    target[:, 3, 2] = 9.0
    assert not torch.equal(fuse(method, replace(observation, target=target)), spoilt)


def test_toolbox_operators_project_too() -> None:
    observation, _ = pair(Sampling.toolbox(4), (64, 64))
    toolbox = replace(observation, optics=Optics(observation.optics.mtf, 0.15, "toolbox"))
    before = inconsistency(fuse(Gsa(), toolbox), toolbox)
    after = inconsistency(fuse(BackProjected(Gsa(), 3, 1.0), toolbox), toolbox)
    assert after < 0.5 * before


def test_summary_says_what_was_done() -> None:
    observation, _ = pair(Sampling.edge_aligned(2))
    summary = BackProjected(Gsa(), 2, 0.5).fit([observation], CONTEXT).summary()
    assert summary["back_projection"] == {"steps": 2, "damping": 0.5}
    assert "weights" in summary


@pytest.mark.parametrize(("steps", "damping"), [(0, 0.3), (1, 0.0), (1, 1.5), (-1, 1.0)])
def test_senseless_settings_are_refused(steps: int, damping: float) -> None:
    with pytest.raises(OptionError, match="back-projection"):
        BackProjected(Gsa(), steps, damping)
