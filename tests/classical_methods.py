"""The classical methods that go through every test, and how the tests run them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import pytest
import torch
from synthetic_pairs import GEOMETRIES
from torch import Tensor

from pansharpkit.methods.backprojection import BackProjected
from pansharpkit.methods.base import Context, Fitted, Method
from pansharpkit.methods.bdsd import BdsdPc
from pansharpkit.methods.component import Brovey, BroveyOptions, Gsa
from pansharpkit.methods.interpolation import Exp
from pansharpkit.methods.multiresolution import MtfGlpFs
from pansharpkit.physics import Observation

Classical = Exp | Brovey | Gsa | BdsdPc | MtfGlpFs

METHODS: dict[str, Classical] = {
    "exp": Exp(),
    "brovey": Brovey(),
    "brovey, equal": Brovey(BroveyOptions("equal")),
    "gsa": Gsa(),
    "bdsd-pc": BdsdPc(),
    "mtf-glp-fs": MtfGlpFs(),
}
PROJECTED: dict[str, Method] = {
    "gsa + 1": BackProjected(Gsa(), steps=1),
    "mtf-glp-fs + 2": BackProjected(MtfGlpFs(), steps=2, damping=1.0),
}
CONTEXT = Context()

every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
every_or_projected = pytest.mark.parametrize(
    "method", [*METHODS.values(), *PROJECTED.values()], ids=[*METHODS, *PROJECTED]
)
every_geometry = pytest.mark.parametrize("sampling", GEOMETRIES.values(), ids=GEOMETRIES.keys())


def fuse(method: Method, observation: Observation) -> Tensor:
    fitted = method.fit([observation], CONTEXT)
    return fitted.apply([observation], CONTEXT)[0]


def coefficients(fitted: Fitted) -> Tensor:
    """Return all numbers of a summary in one vector."""
    numbers: list[float] = []

    def walk(value: object) -> None:
        if isinstance(value, Mapping):
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)
        else:
            numbers.append(float(cast(float, value)))

    walk(fitted.summary())
    return torch.tensor(numbers, dtype=torch.float64)
