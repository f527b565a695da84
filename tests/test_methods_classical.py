"""What every classical method does on good input."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from classical_methods import (
    CONTEXT,
    METHODS,
    SHARPENERS,
    Classical,
    every_geometry,
    every_method,
    every_or_projected,
    fuse,
)
from synthetic_pairs import GEOMETRIES, as_float32, pair

from pansharpkit.errors import OptionError
from pansharpkit.methods import REGISTRY, create, describe_options
from pansharpkit.methods.base import Context, Method
from pansharpkit.methods.classical.haze import BtH, MtfGlpHpmH
from pansharpkit.methods.classical.interpolation import Exp
from pansharpkit.methods.classical.pracs import Pracs
from pansharpkit.physics import degrade
from pansharpkit.sampling import Sampling


def test_the_list_covers_the_registry() -> None:
    families = ("interpolation", "component substitution", "multiresolution", "variational")
    classical = {entry.name for entry in REGISTRY.values() if entry.family in families}
    assert {name.split(",")[0] for name in METHODS} == classical


@pytest.mark.parametrize("name", sorted({name.split(",")[0] for name in METHODS}))
def test_registry_creates_each_method_with_its_defaults(name: str) -> None:
    assert create(name) == METHODS[name]


def test_registry_validates_options() -> None:
    assert create("brovey", {"weights": "equal"}) == METHODS["brovey, equal"]
    assert describe_options("brovey") == [("weights", "least-squares | equal", "least-squares")]
    with pytest.raises(OptionError, match="weights"):
        create("brovey", {"weights": "heavy"})
    with pytest.raises(OptionError, match="no option"):
        create("gsa", {"weights": "equal"})


@every_or_projected
@every_geometry
def test_float32_is_as_good_as_float64_to_its_precision(method: Method, sampling: Sampling) -> None:
    observation, _ = pair(sampling)
    exact, single = fuse(method, observation), fuse(method, as_float32(observation))
    assert exact.shape == (len(observation.target), *observation.size)
    assert (exact.dtype, single.dtype) == (torch.float64, torch.float32)
    torch.testing.assert_close(single.double(), exact, rtol=0, atol=5e-6)


@every_or_projected
def test_same_result_twice_and_inputs_untouched(method: Method) -> None:
    observation, _ = pair(GEOMETRIES["ratio 2.5, odd phase"])
    target, guide = observation.target.clone(), observation.guide.clone()
    assert torch.equal(fuse(method, observation), fuse(method, observation))
    assert torch.equal(observation.target, target)
    assert torch.equal(observation.guide, guide)


@every_method
def test_a_batch_is_its_members(method: Classical) -> None:
    first, _ = pair(Sampling.edge_aligned(2), seed=1)
    second, _ = pair(Sampling.toolbox(4), (60, 52), seed=2)
    fitted = method.fit([first], CONTEXT)
    together = fitted.apply([first, second], CONTEXT)
    assert torch.equal(together[0], fitted.apply([first], CONTEXT)[0])
    assert torch.equal(together[1], fitted.apply([second], CONTEXT)[0])


@every_method
def test_summary_is_json_and_progress_is_reported(method: Classical) -> None:
    observation, _ = pair(Sampling.edge_aligned(2))
    steps: list[tuple[int, int]] = []
    context = Context(progress=lambda stage, done, total: steps.append((done, total)))
    summary = method.fit([observation, observation], context).summary()
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    passes = 0 if isinstance(method, Exp) else 2 if isinstance(method, Pracs) else 1
    assert steps == [(1, 2), (2, 2)] * passes


@every_method
@pytest.mark.parametrize("unit", [1e-3, 4000.0])
def test_units_do_not_matter(method: Classical, unit: float) -> None:
    observation, _ = pair(Sampling.toolbox(4))
    scaled = replace(observation, target=observation.target * unit, guide=observation.guide * unit)
    torch.testing.assert_close(
        fuse(method, scaled) / unit, fuse(method, observation), rtol=0, atol=1e-10
    )


PAN_CHANGES = dict.fromkeys(METHODS, (3.0, 0.4)) | {
    "brovey": (3.0, 0.0),  # a haze term in PAN is a haze term in the intensity
    "bt-h": (3.0, 0.0),  # no intercept: PAN must share the radiometry of the bands
    "bt-h, minimum": (3.0, 0.0),
    "bdsd": (3.0, 0.0),
    "bdsd-pc": (3.0, 0.0),
    "pracs": (1.0, 0.0),  # bands and PAN are compared as they are
}


@pytest.mark.parametrize("name", PAN_CHANGES)
def test_gain_and_offset_of_pan_do_not_matter(name: str) -> None:
    gain, offset = PAN_CHANGES[name]
    observation, _ = pair(GEOMETRIES["ratio 2.5, odd phase"])
    changed = replace(observation, guide=observation.guide * gain + offset)
    torch.testing.assert_close(
        fuse(METHODS[name], changed), fuse(METHODS[name], observation), rtol=0, atol=1e-9
    )


@every_method
def test_order_of_bands_does_not_matter(method: Classical) -> None:
    if isinstance(method, BtH | MtfGlpHpmH) and method.options.haze == "auto":
        return  # the haze of four bands is that of blue, green, red and near infrared
    observation, _ = pair(Sampling.toolbox(4))
    order = [2, 0, 3, 1]
    shuffled = replace(
        observation, target=observation.target[order], optics=observation.optics.subset(order)
    )
    torch.testing.assert_close(
        fuse(method, shuffled), fuse(method, observation)[order], rtol=0, atol=1e-8
    )


@pytest.mark.parametrize("name", ["brovey", "gsa"])
@every_geometry
def test_weights_are_found_when_pan_is_a_sum_of_the_bands(name: str, sampling: Sampling) -> None:
    weights = (0.2, 0.35, 0.4, 0.05)
    observation, _ = pair(sampling, gains=(0.3,) * 4, weights=weights)
    found = METHODS[name].fit([observation], CONTEXT).summary()["weights"]
    assert found == pytest.approx(weights, abs=1e-7)


@every_geometry
@pytest.mark.parametrize("name", SHARPENERS)
def test_pan_helps(name: str, sampling: Sampling) -> None:
    observation, fine = pair(sampling)
    inner = (slice(None), slice(8, -8), slice(8, -8))
    floor = (fuse(Exp(), observation) - fine)[inner].square().mean().sqrt()
    error = (fuse(METHODS[name], observation) - fine)[inner].square().mean().sqrt()
    assert float(error) < 0.8 * float(floor)


@every_geometry
def test_identical_bands_are_recovered_from_pan(sampling: Sampling) -> None:
    """Where every band is PAN times a factor, GSA and Brovey have the exact answer."""
    observation, fine = pair(sampling, gains=(0.3,) * 4, weights=(1.0, 0.0, 0.0, 0.0))
    factors = torch.tensor([0.5, 1.0, 1.5, 2.0], dtype=torch.float64)[:, None, None]
    grey = replace(observation, target=observation.target[:1] * factors)
    for name in ("gsa", "brovey"):
        error = fuse(METHODS[name], grey) - fine[:1] * factors
        error -= error.mean(dim=(1, 2), keepdim=True)  # GSA keeps the mean of the target, not PAN's
        assert float(error.abs().max()) < 1e-7


@pytest.mark.parametrize("name", SHARPENERS)
def test_brightness_of_bands_is_kept(name: str) -> None:
    observation, _ = pair(Sampling.toolbox(4), (160, 160))
    fused = fuse(METHODS[name], observation)
    back = degrade(
        fused, observation.sampling, observation.target_size, observation.optics.mtf
    ).mean(dim=(1, 2))
    torch.testing.assert_close(back, observation.target.mean(dim=(1, 2)), rtol=0.01, atol=0)


@every_method
def test_toolbox_mode_refuses_what_it_cannot_do(method: Classical) -> None:
    observation, _ = pair(GEOMETRIES["ratio 2.5, odd phase"])
    toolbox = replace(observation, optics=replace(observation.optics, compat="toolbox"))
    with pytest.raises(OptionError, match="toolbox"):
        fuse(method, toolbox)
