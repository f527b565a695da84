"""HS-MS methods against arrays and figures of the comparison toolbox on a Hyperion crop.

The arrays are rounded to 2**-14. The target of this case is blurred otherwise on its outer ring
than inside, which is how the toolbox simulates: exact operators have to leave the ring out.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from golden_cases import FOLDER, cases
from golden_figures import hyperspectral
from torch import Tensor

from pansharpkit.errors import FusionError, OptionError
from pansharpkit.methods import create
from pansharpkit.methods.base import Context
from pansharpkit.methods.hs.fuse import Fuse
from pansharpkit.model import ObservationModel, Psf
from pansharpkit.physics import Observation, Optics
from pansharpkit.sampling import Sampling

CASE = cases(FOLDER)["hs_paris_small"]
TOLERANCE = 2**-15 + 1e-6
CONTEXT = Context()
RING = 12
"""Guide pixels that the outer ring of samples and the interpolation from it reach."""


def observation() -> Observation:
    with np.load(FOLDER / "hs_paris_small_inputs.npz") as arrays:
        srf, kernel = arrays["SRF"], arrays["psf_inner_8x8"]
    psf = Psf(tuple(tuple(row) for row in (kernel / kernel.sum()).tolist()))
    model = ObservationModel(tuple(tuple(row) for row in srf.tolist()), psf)
    target, guide = CASE.input("HSI"), CASE.input("MSI")
    optics = Optics((0.4,) * len(target), 0.2, "toolbox", model=model)
    return Observation.whole(target, guide, Sampling.edge_aligned(4), optics)


def exact() -> Observation:
    """Return the same for exact operators, the ring left out of the statistics."""
    seen = observation()
    inside = torch.zeros_like(seen.target_mask)
    inside[1:-1, 1:-1] = True
    return replace(seen, target_mask=inside, optics=replace(seen.optics, compat="none"))


def fuse(name: str, seen: Observation) -> Tensor:
    return create(name).fit([seen], CONTEXT).apply([seen], CONTEXT)[0]


@pytest.mark.parametrize(("key", "name"), [("GSA", "gsa-hs"), ("GLP_HS", "glp-hs")])
def test_method_equals_the_toolbox(key: str, name: str) -> None:
    deviation = (fuse(name, observation()) - CASE.fused(key)).abs().max()
    assert float(deviation) <= TOLERANCE


def test_sfim_has_the_toolbox_figures() -> None:
    fused = torch.floor(fuse("sfim-hs", observation()) * 2**14 + 0.5) / 2**14
    found = hyperspectral(CASE, CASE.input("GT"), fused)
    for name, wanted in CASE.figures["SFIM_HS"].items():
        assert found[name] == pytest.approx(wanted, rel=1e-4), name


@pytest.mark.parametrize("seed", [0, 1])
def test_the_published_hysure_is_as_far_from_the_toolbox_as_its_seeds(seed: int) -> None:
    """Five of them are .04 dB, .013 degrees and .027 apart."""
    seen, context = observation(), Context(seed)
    fused = create("hysure").fit([seen], context).apply([seen], context)[0]
    found = hyperspectral(CASE, CASE.input("GT"), fused)
    wanted = CASE.figures["HySure"]
    assert found["PSNR_yokoya"] == pytest.approx(wanted["PSNR_yokoya"], abs=0.08)
    assert found["SAM"] == pytest.approx(wanted["SAM"], abs=0.02)
    assert found["ERGAS"] == pytest.approx(wanted["ERGAS"], abs=0.02)


def test_fuse_of_the_toolbox_is_a_sensible_image() -> None:
    """Its array is too large to come along; `benchmarks/golden_methods.py` compares it."""
    found = hyperspectral(CASE, CASE.input("GT"), fuse("fuse", observation()))
    floor = CASE.figures["EXP_bicubic"]
    assert float(found["RMSE"] or 1) < 0.5 * float(floor["RMSE"] or 0)


@pytest.mark.parametrize("name", ["sfim-hs", "glp-hs", "fuse", "hysure"])
def test_exact_methods_are_better_than_any_of_the_toolbox(name: str) -> None:
    truth, inner = CASE.input("GT"), (slice(None), slice(RING, -RING), slice(RING, -RING))
    error = (fuse(name, exact()) - truth)[inner].square().mean()
    for key in ("GSA", "GLP_HS", "CNMF", "HySure"):
        assert error < (CASE.fused(key) - truth)[inner].square().mean()


def test_the_toolbox_mode_fuses_whole_images_only() -> None:
    seen = observation()
    odd = replace(seen, sampling=Sampling.toolbox(4))
    for name in ("gsa-hs", "sfim-hs", "glp-hs", "fuse"):
        with pytest.raises(OptionError, match="toolbox mode"):
            fuse(name, odd)


def test_the_toolbox_mode_of_fuse_needs_the_response() -> None:
    seen = observation()
    blind = replace(seen, optics=replace(seen.optics, model=None))
    with pytest.raises(FusionError, match="spectral response"):
        Fuse().fit([blind], CONTEXT).apply([blind], CONTEXT)
