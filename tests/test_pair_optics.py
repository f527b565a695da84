"""Whether the pair gives away how it was observed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pansharpkit.observe import FitSample, Observer
from pansharpkit.physics import Observation, Optics, PairOptics, degrade, estimate_optics
from pansharpkit.physics.dependence import gain_of_width, parts_of, width_of_gain
from pansharpkit.sampling import Pair, Sampling
from tests.scenes import PAN, demo_scene, demo_source

GAINS = (0.15, 0.3, 0.5, 0.22)
SHIFTS = ((0.3, -0.5), (0.45, -0.6), (0.8, -0.45), (0.35, -0.55))
PRESET = 0.33


def demo_pan(size: tuple[int, int] = (480, 640)) -> Tensor:
    values = demo_source(PAN).values.astype(np.float32)
    return torch.from_numpy(values[:, : size[0], : size[1]]) / 2**14


def ground_of(pan: Tensor, bands: int = 4, unlike: float = 0.1) -> Tensor:
    """Return bands that relate to PAN by slopes that vary over the scene, and to something else.

    The last has little in common with PAN, and slopes of either sign.
    """
    generator = torch.Generator().manual_seed(3)
    height, width = pan.shape[-2:]
    other = pan[0].flip(0, 1) - pan.mean()
    detail = pan[0] - pan.mean()
    found = []
    for band in range(bands):
        rough = torch.randn(1, 1, height // 40, width // 40, generator=generator)
        slope = functional.interpolate(rough, (height, width), mode="bicubic")[0, 0]
        last = band == bands - 1
        slope = 0.3 * slope if last else 0.8 + 0.4 * slope
        found.append(pan.mean() + slope * detail + (3 * unlike if last else unlike) * other)
    return torch.stack(found)


def observed(
    ground: Tensor,
    pan: Tensor,
    ratio: float,
    gains: Sequence[float],
    shifts: Sequence[Pair],
    noise: float = 0.0,
) -> Observation:
    sampling = Sampling.edge_aligned(ratio)
    size = (int(pan.shape[1] // ratio), int(pan.shape[2] // ratio))
    bands = [
        degrade(band[None], sampling.shifted(*shift), size, (gain,))
        for band, gain, shift in zip(ground, gains, shifts, strict=True)
    ]
    target = torch.cat(bands)
    generator = torch.Generator().manual_seed(4)
    target = target + noise * torch.randn(target.shape, generator=generator)
    return Observation.whole(target, pan, sampling, Optics((PRESET,) * len(bands), 0.15))


def errors(found: PairOptics, gains: Sequence[float], shifts: Sequence[Pair]) -> tuple[Tensor, ...]:
    blur = (torch.tensor(found.mtf) - torch.tensor(gains)).abs()
    place = (torch.tensor(found.shift) - torch.tensor(shifts)).abs().amax(dim=1)
    return blur, place


@pytest.mark.parametrize("ratio", [2.0, 3.7, 4.0])
def test_recovers_gains_and_shifts(ratio: float) -> None:
    pan = demo_pan()
    found = estimate_optics([observed(ground_of(pan), pan, ratio, GAINS, SHIFTS, noise=0.0005)])
    blur, place = errors(found, GAINS, SHIFTS)
    assert blur.max() < 0.03
    assert place[:3].max() < 0.05
    assert place[3] < 0.1
    assert min(found.confidence[:3]) > 0.9


def test_recovers_no_shift_as_none() -> None:
    pan = demo_pan()
    still = ((0.0, 0.0),) * 4
    found = estimate_optics([observed(ground_of(pan), pan, 4, (PRESET,) * 4, still)])
    blur, place = errors(found, (PRESET,) * 4, still)
    assert blur.max() < 0.02
    assert place.max() < 0.03


def test_observed_repeats_the_observation() -> None:
    pan = demo_pan((240, 240))
    ground = ground_of(pan)
    pair = observed(ground, pan, 4, GAINS, SHIFTS)
    truth = PairOptics(GAINS, SHIFTS, (1.0,) * 4, (0.0,) * 4)
    assert torch.equal(truth.observed(pair, ground), pair.target)


def test_a_band_without_relation_to_the_guide_follows_the_others() -> None:
    pan = demo_pan()
    ground = ground_of(pan)
    noise = torch.randn(pan.shape[-2:], generator=torch.Generator().manual_seed(5))
    ground[3] = pan.mean() + 0.05 * noise
    found = estimate_optics([observed(ground, pan, 4, (0.25,) * 4, ((0.5, -0.4),) * 4)])
    blur, place = errors(found, (0.25,) * 4, ((0.5, -0.4),) * 4)
    assert found.confidence[3] < 0.5 < min(found.confidence[:3])
    assert blur[3] < 0.08
    assert place[3] < 0.2


def test_nothing_to_see_gives_the_preset() -> None:
    pan = torch.ones(1, 256, 256)
    pair = observed(pan.expand(2, -1, -1), pan, 4, (0.2, 0.4), ((0.0, 0.0),) * 2)
    found = estimate_optics([pair])
    assert found.mtf == pytest.approx((PRESET,) * 2, abs=1e-6)
    assert found.shift == ((0.0, 0.0),) * 2
    assert found.confidence == (0.0, 0.0)


def test_only_counted_samples_matter() -> None:
    pan = demo_pan()
    pair = observed(ground_of(pan), pan, 4, GAINS, SHIFTS)
    hole = torch.zeros_like(pair.target_mask)
    hole[20:60, 30:90] = True
    spoilt = torch.where(hole, torch.rand(pair.target.shape), pair.target)
    masked = replace(pair, target_mask=~hole)
    clean, dirty = estimate_optics([masked]), estimate_optics([replace(masked, target=spoilt)])
    assert dirty == clean
    blur, place = errors(clean, GAINS, SHIFTS)
    assert blur.max() < 0.04
    assert place[:3].max() < 0.06


def test_no_valid_sample_gives_the_preset() -> None:
    pan = demo_pan((240, 240))
    pair = observed(ground_of(pan), pan, 4, GAINS, SHIFTS)
    found = estimate_optics([replace(pair, target_mask=torch.zeros_like(pair.target_mask))])
    assert found.confidence == (0.0,) * 4
    assert found.shift == ((0.0, 0.0),) * 4


def test_noise_is_about_what_was_added() -> None:
    pan = demo_pan()
    pair = observed(ground_of(pan, unlike=0.0), pan, 2, GAINS, SHIFTS, noise=0.002)
    found = estimate_optics([pair])
    assert found.noise[:3] == pytest.approx((0.002,) * 3, rel=0.35)


def test_is_deterministic_and_does_not_depend_on_units() -> None:
    pan = demo_pan((320, 320))
    pair = observed(ground_of(pan), pan, 4, GAINS, SHIFTS)
    first = estimate_optics([pair])
    assert estimate_optics([pair]) == first
    scaled = replace(pair, target=pair.target * 1024, guide=pair.guide * 512)
    again = estimate_optics([scaled])
    assert again.mtf == pytest.approx(first.mtf, abs=1e-4)
    assert np.allclose(again.shift, first.shift, atol=1e-3)
    assert again.noise == pytest.approx([1024 * n for n in first.noise], rel=1e-3)


def test_reads_few_parts_of_a_lazy_sample() -> None:
    pan = demo_pan((320, 320))
    pair = observed(ground_of(pan), pan, 4, GAINS, SHIFTS)

    class Counted(Sequence[Observation]):
        reads = 0

        def __len__(self) -> int:
            return 16

        def __getitem__(self, index: int) -> Observation:  # type: ignore[override]
            self.reads += 1
            return pair

    sample = Counted()
    assert len(parts_of(sample)) == 4
    assert sample.reads == 4


def test_demo_scene_is_blurred_more_than_the_preset_says() -> None:
    scene = demo_scene(rows=150, cols=150, row=60, col=80)
    found = estimate_optics(FitSample(Observer.of(scene), halo=24))
    assert np.abs(np.array(found.shift)).max() < 0.2
    assert all(0.3 < gain < 0.45 for gain in found.mtf)
    assert all(gain < preset for gain, preset in zip(found.mtf, scene.sensor.mtf, strict=True))


def test_width_and_gain_are_inverse() -> None:
    for gain in (0.05, 0.3, 0.8):
        assert gain_of_width(width_of_gain(gain)) == pytest.approx(gain)
