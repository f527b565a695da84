"""A network's features by compiled kernels: fewer and larger ones, on a GPU replayed as one graph.

A GPU spends most of a small iteration on being told what to do next. Compiling takes minutes for
each size of an image, and on a CPU the iterations are no faster after it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from pansharpkit.errors import OptionError
from pansharpkit.methods.networks.priors import ImageNet

BACKEND = "inductor"
Features = Callable[[ImageNet, Tensor, Tensor], Tensor]


def compiled_features(net: ImageNet, noise: Tensor, guide: Tensor) -> Tensor:
    """Return ``net.features(noise, guide)``, differentiable, up to rounding.

    On a GPU the result is written over by the next call: make something of it before.

    Raises
    ------
    OptionError
        If nothing can be compiled here.
    """
    from torch._dynamo.exc import BackendCompilerFailed  # loads the compiler, which takes a second

    torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
    try:
        return _compiled(noise.device.type == "cuda", BACKEND)(net, noise, guide)
    except BackendCompilerFailed as failed:
        reason = str(failed).strip().splitlines()[0]
        raise OptionError(
            f"compiled=True needs a C++ compiler, on a GPU Triton too ({reason}); leave it out"
        ) from failed


@cache
def _compiled(graphs: bool, backend: str) -> Features:
    """Return the compiled function: one for all networks, so that tiles of one size share it."""
    if backend != "inductor":
        return torch.compile(_features, dynamic=False, backend=backend)
    mode = "reduce-overhead" if graphs else "default"
    return torch.compile(_features, dynamic=False, mode=mode)


def _features(net: ImageNet, noise: Tensor, guide: Tensor) -> Tensor:
    return net.features(noise, guide)
