"""Adam by PyTorch's functional interface."""

from __future__ import annotations

import subprocess
import sys

import torch
from torch import nn

from pansharpkit.methods.networks.adam import Adam

_QUIET = """
import sys, torch
from pansharpkit.methods.networks.adam import Adam
weight = torch.nn.Parameter(torch.ones(3))
adam = Adam([weight], 0.1)
weight.square().sum().backward()
adam.step()
adam.zero_grad()
print("torch._dynamo" in sys.modules, weight.grad, weight.tolist()[0] < 1)
"""


def test_moves_as_the_class_does() -> None:
    """Bit by bit, with a rate that changes and a parameter without gradient."""
    draws = torch.Generator().manual_seed(0)
    ours = [nn.Parameter(torch.randn(4, 3, generator=draws)), nn.Parameter(torch.randn(5))]
    theirs = [nn.Parameter(p.detach().clone()) for p in ours]
    adam, reference = Adam(ours, 0.01), torch.optim.Adam(theirs, lr=0.01)
    for step in range(20):
        adam.rate = 0.01 / (step + 1)
        reference.param_groups[0]["lr"] = adam.rate
        for weights, optimiser in ((ours, adam), (theirs, reference)):
            optimiser.zero_grad()
            weights[0].tanh().sum().backward()
            optimiser.step()
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.equal(mine, other)


def test_does_not_load_the_compiler() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _QUIET], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "None", "True"]
