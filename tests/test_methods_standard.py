"""Standard units: undone exactly, the same for every partition, harmless on constant bands."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from scenes import demo_scene

from pansharpkit.errors import FusionError
from pansharpkit.grid import Window
from pansharpkit.methods.base import Context
from pansharpkit.methods.gdd.method import Gdd, GddOptions
from pansharpkit.methods.networks.standard import Standard
from pansharpkit.observe import FitSample, Observer
from pansharpkit.physics import Observation


def observed() -> Observation:
    observer = Observer.of(demo_scene(40, 44))
    return FitSample(observer, 0)[0]


def test_standard_units_have_mean_zero_and_deviation_one() -> None:
    seen = observed()
    standard = Standard.of([seen], Context())
    scaled = standard.applied(seen)
    for values, mask in ((scaled.target, scaled.target_mask), (scaled.guide, scaled.guide_mask)):
        inside = values[:, mask].double()
        torch.testing.assert_close(inside.mean(dim=1), torch.zeros(len(values)).double(),
                                   atol=1e-5, rtol=0)  # fmt: skip
        torch.testing.assert_close(inside.std(dim=1, correction=0),
                                   torch.ones(len(values)).double(), atol=1e-5, rtol=0)  # fmt: skip
    torch.testing.assert_close(standard.undone(scaled.target), seen.target)


def test_the_partition_of_the_scene_does_not_matter() -> None:
    observer = Observer.of(demo_scene(40, 44))
    scene = observer.scene
    whole = Standard.of(FitSample(observer, 0), Context())
    halves = [Window(0, 0, 40, 88), Window(40, 0, 40, 88)]
    parts = [
        observer.observation(observer.read(scene.domain, 0), half, i)
        for i, half in enumerate(halves)
    ]
    split = Standard.of(parts, Context())
    torch.testing.assert_close(split.target.mean, whole.target.mean, rtol=1e-9, atol=0)
    torch.testing.assert_close(split.guide.deviation, whole.guide.deviation, rtol=1e-9, atol=0)


def test_a_constant_band_is_shifted_and_not_blown_up() -> None:
    seen = observed()
    flat = replace(seen, target=torch.full_like(seen.target, 0.25))
    standard = Standard.of([flat], Context())
    assert float(standard.applied(flat).target.abs().max()) < 1e-6
    torch.testing.assert_close(standard.undone(torch.zeros_like(flat.target)), flat.target)


def test_a_scene_without_valid_pixels_is_refused() -> None:
    seen = observed()
    with pytest.raises(FusionError, match="valid"):
        Standard.of([replace(seen, guide_mask=torch.zeros_like(seen.guide_mask))], Context())


def test_gdd_returns_to_the_units_of_the_target() -> None:
    seen = observed()
    options = GddOptions(preset="reference", iterations=60, channels=8, ema=0.0, standardise=True)
    fused = Gdd(options).fit([seen], Context()).apply([seen], Context())[0]
    means = fused.mean(dim=(1, 2)) / seen.target.mean(dim=(1, 2))
    assert float((means - 1).abs().max()) < 0.1


def test_presets_say_whether_they_standardise() -> None:
    assert not GddOptions(preset="reference").resolved.standardise
    assert GddOptions(preset="fast").resolved.standardise
    assert not GddOptions(preset="fast", standardise=False).resolved.standardise
