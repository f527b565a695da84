from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pansharpkit.methods.gdd.net import (
    DENOISING,
    HYPERSPECTRAL,
    PANSHARPENING,
    Architecture,
    GuidedDeepDecoder,
    GuideNet,
    coarsest,
    untrained,
)
from pansharpkit.methods.networks.nets import (
    count_parameters,
    double,
    double_slices,
    initialised,
    reflect_pad,
    reflect_pad_slices,
)


def learning(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters() if p.grad is not None)


def random_net(bands: int, guides: int, arch: Architecture) -> GuidedDeepDecoder:
    return untrained(bands, guides, arch, torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("arch", "bands", "guides", "total", "trained"),
    [
        (HYPERSPECTRAL, 31, 3, 245_151, 245_151),
        (PANSHARPENING, 8, 1, 561_736, 479_496),
        (DENOISING, 3, 3, 140_780, 121_187),
    ],
)
def test_parameters_are_as_many_as_published(
    arch: Architecture, bands: int, guides: int, total: int, trained: int
) -> None:
    net = random_net(bands, guides, arch)
    image = net(torch.rand(1, bands, 2, 2), torch.rand(1, guides, 64, 64))
    seen = net.mixing(image) if arch is PANSHARPENING else image
    torch.autograd.backward(seen.square().mean())
    assert count_parameters(net) == total
    assert learning(net) == trained


def test_every_scale_is_half_of_the_one_above_rounded_up() -> None:
    net = GuideNet(1, replace(PANSHARPENING, channels=4))
    encoded, decoded = net(torch.rand(1, 1, 75, 41))
    sizes = [(-(-75 // 2**k), -(-41 // 2**k)) for k in range(6)]
    assert [tuple(x.shape[-2:]) for x in encoded] == sizes
    assert [tuple(x.shape[-2:]) for x in decoded] == sizes[-2::-1]
    assert coarsest((75, 41)) == sizes[-1]


def test_shared_scales_use_one_set_of_weights() -> None:
    shared, separate = (
        random_net(2, 1, replace(arch, channels=4)) for arch in (HYPERSPECTRAL, PANSHARPENING)
    )
    assert (len(shared.guide_net.up), len(shared.upsample)) == (1, 1)
    assert (len(separate.guide_net.up), len(separate.upsample)) == (4, 5)


def test_weights_come_from_the_generator_alone() -> None:
    before = torch.get_rng_state()
    first, second = (random_net(3, 1, PANSHARPENING) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    for one, two in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, two)


def test_initial_weights_follow_the_default_distributions() -> None:
    net = random_net(8, 1, PANSHARPENING)
    conv = net.mix.conv
    for values in (conv.weight, conv.bias):
        assert values is not None
        assert values.abs().max() <= 1 / math.sqrt(9 * 64)
    assert float(conv.weight.detach().std()) == pytest.approx(1 / math.sqrt(3 * 9 * 64), rel=0.02)
    assert torch.equal(net.mix.norm.weight, torch.ones(64))
    assert isinstance(net.mixing, nn.Conv2d)
    matrix = net.mixing.weight[:, :, 0, 0]
    assert torch.equal(matrix, torch.diag(matrix.diag()))
    assert bool((matrix.diag() != 0).all())


def test_refuses_layers_without_a_known_distribution() -> None:
    with pytest.raises(TypeError, match="Linear"):
        initialised(lambda: nn.Linear(2, 2), torch.Generator())


def _gradient(operation: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    y = operation(x)
    weights = torch.linspace(-1, 1, y.numel(), dtype=x.dtype).reshape(y.shape)
    (gradient,) = torch.autograd.grad((weights * y).sum(), x)
    return y, gradient


@pytest.mark.parametrize("size", [(2, 2), (5, 3), (8, 13)])
def test_both_versions_of_padding_and_doubling_agree(size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for one, two in (
        (reflect_pad, reflect_pad_slices),
        (lambda t: double(t, (2 * size[0], 2 * size[1])), double_slices),
    ):
        for ours, theirs in zip(_gradient(one, x), _gradient(two, x), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_doubling_is_bilinear_and_cuts_odd_sizes() -> None:
    x = torch.randn(1, 2, 6, 5)
    doubled = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    assert torch.equal(double(x, (11, 9)), doubled[..., :11, :9])
