"""Every classical method goes through every test here."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import cast

import pytest
import torch
from synthetic_pairs import GEOMETRIES, as_float32, boxes, cut, pair
from torch import Tensor

from pansharpkit.errors import FusionError, OptionError
from pansharpkit.methods import REGISTRY, create, describe_options
from pansharpkit.methods.backprojection import BackProjected
from pansharpkit.methods.base import Context, Fitted, Method
from pansharpkit.methods.bdsd import BdsdPc
from pansharpkit.methods.component import Brovey, BroveyOptions, Gsa
from pansharpkit.methods.interpolation import Exp
from pansharpkit.methods.multiresolution import MtfGlpFs
from pansharpkit.physics import Observation, degrade
from pansharpkit.sampling import Sampling

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


def test_the_list_covers_the_registry() -> None:
    assert {name.split(",")[0] for name in METHODS} == set(REGISTRY) - {"gdd"}


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
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_shape_dtype_and_finite_values(
    method: Method, sampling: Sampling, dtype: torch.dtype
) -> None:
    observation, _ = pair(sampling)
    if dtype == torch.float32:
        observation = as_float32(observation)
    fused = fuse(method, observation)
    assert fused.shape == (len(observation.target), *observation.size)
    assert fused.dtype == dtype
    assert bool(fused.isfinite().all())


@every_or_projected
def test_float32_is_as_good_as_float64_to_its_precision(method: Method) -> None:
    observation, _ = pair(GEOMETRIES["ratio 2.5, odd phase"])
    exact = fuse(method, observation)
    torch.testing.assert_close(
        fuse(method, as_float32(observation)).double(), exact, rtol=0, atol=5e-6
    )


@every_or_projected
@every_geometry
def test_tiles_equal_the_whole(method: Method, sampling: Sampling) -> None:
    observation, _ = pair(sampling, (151, 139))
    fitted = method.fit([observation], CONTEXT)
    whole = fitted.apply([observation], CONTEXT)[0]
    tolerance = 1e-7 if isinstance(method, BackProjected) and method.steps > 1 else 1e-11
    for box in boxes(observation.size, (47, 71)):
        tile, own = cut(observation, box, method.halo(sampling))
        inner = fitted.apply([tile], CONTEXT)[0][:, own[0], own[1]]
        row, col, height, width = box
        expected = whole[:, row : row + height, col : col + width]
        torch.testing.assert_close(inner, expected, rtol=0, atol=tolerance)


@every_or_projected
def test_halos_are_small(method: Method) -> None:
    """At ratio 4: 24 to interpolate, 38 to degrade as well."""
    expected = {Exp: 24, Brovey: 24, Gsa: 24, BdsdPc: 32, MtfGlpFs: 38}
    inner, further = method, 0
    if isinstance(method, BackProjected):
        inner, further = method.inner, 38 + (method.steps - 1) * 6
    assert method.halo(Sampling.toolbox(4)) == expected[type(inner)] + further
    assert method.overlap(Sampling.toolbox(4)) == 0


def test_a_smaller_halo_would_show() -> None:
    sampling = Sampling.toolbox(4)
    observation, _ = pair(sampling, (151, 139), gains=(0.05,) * 4)
    fitted = MtfGlpFs().fit([observation], CONTEXT)
    whole = fitted.apply([observation], CONTEXT)[0][:, 60:68, 55:63]
    for halo, differs in ((38, False), (33, True)):
        tile, own = cut(observation, (60, 55, 8, 8), halo)
        inner = fitted.apply([tile], CONTEXT)[0][:, own[0], own[1]]
        assert (float((inner - whole).abs().max()) > 1e-11) == differs


@every_method
@every_geometry
def test_the_fit_does_not_depend_on_the_blocks(method: Classical, sampling: Sampling) -> None:
    observation, _ = pair(sampling, (151, 139))
    whole = coefficients(method.fit([observation], CONTEXT))
    blocks = [
        cut(observation, box, method.halo(sampling))[0] for box in boxes(observation.size, (53, 48))
    ]
    parts = coefficients(method.fit(blocks, CONTEXT))
    backwards = coefficients(method.fit(blocks[::-1], CONTEXT))
    torch.testing.assert_close(parts, whole, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(backwards, whole, rtol=1e-9, atol=1e-9)


@every_method
def test_masked_pixels_do_not_count(method: Classical) -> None:
    sampling = Sampling.toolbox(4)
    observation, _ = pair(sampling, (151, 139))
    reach = method.halo(sampling) + 6 * 4  # what a bad pixel spreads to
    guide_mask, target_mask = observation.guide_mask.clone(), observation.target_mask.clone()
    top, left = 100 - reach, 95 - reach
    guide_mask[max(0, top) :, max(0, left) :] = False
    target_mask[max(0, top) // 4 :, max(0, left) // 4 :] = False
    assert bool(target_mask.any())
    found = []
    for value in (0.0, 77.0):
        target, guide = observation.target.clone(), observation.guide.clone()
        target[:, 26:, 25:] = value
        guide[:, 104:, 100:] = value
        spoilt = replace(
            observation,
            target=target,
            guide=guide,
            target_mask=target_mask,
            guide_mask=guide_mask,
        )
        found.append(coefficients(method.fit([spoilt], CONTEXT)))
    torch.testing.assert_close(found[0], found[1], rtol=1e-9, atol=1e-12)


@every_or_projected
def test_a_flat_scene_stays_flat(method: Method) -> None:
    observation, _ = pair(GEOMETRIES["oblong 2 x 3.2"])
    levels = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)[:, None, None]
    flat = replace(
        observation,
        target=levels.expand_as(observation.target),
        guide=torch.full_like(observation.guide, 0.27),
    )
    for scene in (flat, as_float32(flat)):
        fused = fuse(method, scene).double()
        torch.testing.assert_close(fused, levels.expand_as(fused), rtol=1e-6, atol=0)


DEGENERATE = {
    "one flat band": lambda o: replace(o, target=_with_band(o.target, 1, 0.25)),
    "one empty band": lambda o: replace(o, target=_with_band(o.target, 2, 0.0)),
    "identical bands": lambda o: replace(o, target=o.target[:1].expand_as(o.target)),
    "flat PAN": lambda o: replace(o, guide=torch.full_like(o.guide, 0.4)),
    "empty PAN": lambda o: replace(o, guide=torch.zeros_like(o.guide)),
    "empty scene": lambda o: replace(
        o, guide=torch.zeros_like(o.guide), target=torch.zeros_like(o.target)
    ),
    "negative PAN": lambda o: replace(o, guide=-o.guide),
    "flat target": lambda o: replace(o, target=torch.full_like(o.target, 0.4)),
    "one valid pixel": lambda o: replace(
        o, guide_mask=_one_pixel(o.guide_mask), target_mask=_one_pixel(o.target_mask)
    ),
}


def _with_band(target: Tensor, band: int, value: float) -> Tensor:
    changed = target.clone()
    changed[band] = value
    return changed


def _one_pixel(mask: Tensor) -> Tensor:
    one = torch.zeros_like(mask)
    one[5, 5] = True
    return one


@every_or_projected
@pytest.mark.parametrize("case", DEGENERATE)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_degenerate_scenes_give_bounded_values(
    method: Method, case: str, dtype: torch.dtype
) -> None:
    observation = DEGENERATE[case](pair(Sampling.edge_aligned(2))[0])
    if dtype == torch.float32:
        observation = as_float32(observation)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = method.fit([observation], CONTEXT)
        fused = fitted.apply([observation], CONTEXT)[0]
    assert bool(fused.isfinite().all())
    assert float(fused.abs().max()) < 10
    json.dumps(fitted.summary(), allow_nan=False)


@pytest.mark.parametrize("name", ["gsa", "mtf-glp-fs"])
def test_a_flat_target_takes_no_detail_in_additive_methods(name: str) -> None:
    observation, _ = pair(Sampling.edge_aligned(2))
    flat = as_float32(replace(observation, target=torch.full_like(observation.target, 0.4)))
    fused = fuse(METHODS[name], flat)
    torch.testing.assert_close(fused, torch.full_like(fused, 0.4))


@every_or_projected
def test_a_flat_band_among_others_stays_flat_where_detail_is_added(method: Method) -> None:
    if isinstance(method, Brovey | BdsdPc):
        return  # modulation follows PAN by definition; BDSD-PC is checked below
    observation, _ = pair(Sampling.edge_aligned(2))
    fused = fuse(method, DEGENERATE["one flat band"](observation))
    torch.testing.assert_close(fused[1], torch.full_like(fused[1], 0.25))


def test_bdsd_gives_a_flat_band_nothing() -> None:
    observation, _ = pair(Sampling.edge_aligned(2))
    fused = fuse(BdsdPc(), DEGENERATE["one flat band"](observation))
    torch.testing.assert_close(fused[1], torch.full_like(fused[1], 0.25), rtol=0, atol=1e-6)


@every_method
def test_no_valid_pixel_is_an_error(method: Classical) -> None:
    if isinstance(method, Exp):
        return
    observation, _ = pair(Sampling.edge_aligned(2))
    blind = replace(
        observation,
        guide_mask=torch.zeros_like(observation.guide_mask),
        target_mask=torch.zeros_like(observation.target_mask),
    )
    with pytest.raises(FusionError, match="no valid pixel"):
        method.fit([blind, blind], CONTEXT)
    with pytest.raises(FusionError, match="no valid pixel"):
        method.fit([], CONTEXT)


@every_method
def test_a_coloured_guide_is_refused(method: Classical) -> None:
    if isinstance(method, Exp):
        return
    observation, _ = pair(Sampling.edge_aligned(2))
    coloured = replace(observation, guide=observation.guide.repeat(3, 1, 1))
    with pytest.raises(FusionError, match="one PAN band, the guide has 3"):
        method.fit([coloured], CONTEXT)


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
    assert steps == ([] if isinstance(method, Exp) else [(1, 2), (2, 2)])


@every_method
@pytest.mark.parametrize("unit", [1e-3, 4000.0])
def test_units_do_not_matter(method: Classical, unit: float) -> None:
    observation, _ = pair(Sampling.toolbox(4))
    scaled = replace(observation, target=observation.target * unit, guide=observation.guide * unit)
    torch.testing.assert_close(
        fuse(method, scaled) / unit, fuse(method, observation), rtol=0, atol=1e-10
    )


PAN_CHANGES = {
    "exp": (3.0, 0.4),
    "brovey": (3.0, 0.0),  # a haze term in PAN is a haze term in the intensity
    "brovey, equal": (3.0, 0.4),
    "gsa": (3.0, 0.4),
    "bdsd-pc": (3.0, 0.0),  # no intercept: PAN must share the radiometry of the bands
    "mtf-glp-fs": (3.0, 0.4),
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
@pytest.mark.parametrize("name", ["brovey", "gsa", "bdsd-pc", "mtf-glp-fs"])
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


@pytest.mark.parametrize("name", ["gsa", "brovey", "bdsd-pc", "mtf-glp-fs"])
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
