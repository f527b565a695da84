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
from pansharpkit.methods.classical.bdsd import Bdsd, BdsdPc
from pansharpkit.methods.classical.component import Brovey, BroveyOptions, Gsa
from pansharpkit.methods.classical.haze import BtH, BtHOptions, MtfGlpHpmH, MtfGlpHpmHOptions
from pansharpkit.methods.classical.interpolation import Exp
from pansharpkit.methods.classical.modulation import MtfGlpHpm, MtfGlpHpmR, Sfim
from pansharpkit.methods.classical.multiresolution import MtfGlp, MtfGlpFs
from pansharpkit.methods.classical.pracs import Pracs
from pansharpkit.methods.classical.substitution import Gs, Ihs, IhsOptions, Pca
from pansharpkit.methods.classical.variational import Sirf, Tv
from pansharpkit.methods.classical.wavelet import Awlp
from pansharpkit.physics import Observation

Classical = Method

METHODS: dict[str, Method] = {
    "exp": Exp(),
    "brovey": Brovey(),
    "brovey, equal": Brovey(BroveyOptions("equal")),
    "ihs": Ihs(),
    "ihs, least-squares": Ihs(IhsOptions("least-squares")),
    "pca": Pca(),
    "gs": Gs(),
    "gsa": Gsa(),
    "bt-h": BtH(),
    "bt-h, minimum": BtH(BtHOptions("minimum")),
    "bdsd": Bdsd(),
    "bdsd-pc": BdsdPc(),
    "pracs": Pracs(),
    "sfim": Sfim(),
    "awlp": Awlp(),
    "mtf-glp": MtfGlp(),
    "mtf-glp-fs": MtfGlpFs(),
    "mtf-glp-hpm": MtfGlpHpm(),
    "mtf-glp-hpm-r": MtfGlpHpmR(),
    "mtf-glp-hpm-h": MtfGlpHpmH(),
    "mtf-glp-hpm-h, minimum": MtfGlpHpmH(MtfGlpHpmHOptions("minimum")),
    "tv": Tv(),
    "sirf": Sirf(),
}
SHARPENERS = [name for name in METHODS if name != "exp"]
PROJECTED: dict[str, Method] = {
    "gsa + 1": BackProjected(Gsa()),
    "gsa + 2": BackProjected(Gsa(), steps=2),
    "gsa + 1 damped": BackProjected(Gsa(), damping=0.3),
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
