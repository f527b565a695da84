from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from synthetic_pairs import GAINS, GEOMETRIES, as_float32, pair
from torch import Tensor

from pansharpkit.errors import FusionError, OptionError, OutputError
from pansharpkit.methods import create
from pansharpkit.methods.base import Context
from pansharpkit.methods.gdd.method import Gdd, GddOptions
from pansharpkit.methods.gdd.shared import CROP, POOL, SharedProblem, crop, draw_crops
from pansharpkit.physics import Observation, degrade
from pansharpkit.sampling import Sampling

SMALL = GddOptions(preset="fast", channels=8, shared=4, iterations=3, degradation="mtf")


def block(size: tuple[int, int] = (300, 280), ratio: float = 4, seed: int = 0) -> Observation:
    return as_float32(pair(Sampling.edge_aligned(ratio), size, seed=seed)[0])


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_crop_is_the_pair_over_the_same_ground(geometry: str) -> None:
    sampling = GEOMETRIES[geometry]
    whole, truth = pair(sampling, (120, 111))
    part = crop(whole, (17, 30), (64, 48))
    assert part.size == (64, 48)
    again = degrade(truth[:, 17:81, 30:78], part.sampling, part.target_size, GAINS)
    inside = part.target_mask
    assert 0 < int(inside.sum()) < inside.numel()
    error = (again - part.target).abs()[:, inside]
    assert float(error.max()) < 0.02
    assert float(error.mean()) < 2e-3


def test_samples_at_an_edge_of_the_block_still_count() -> None:
    whole = block((120, 120))
    part = crop(whole, (0, 0), (64, 64))
    assert bool(part.target_mask[0, 0])
    assert not bool(part.target_mask[-1].any() or part.target_mask[:, -1].any())


def test_crops_are_seeded_bounded_and_leave_gaps_out() -> None:
    blocks = [block(seed=0), block((600, 500), seed=1)]
    empty = torch.zeros_like(blocks[0].guide_mask)
    blocks.append(replace(blocks[0], guide_mask=empty))
    first, second, other = (draw_crops(blocks, Context(seed=seed)) for seed in (0, 0, 1))
    assert 2 < len(first) <= POOL
    assert [c.index for c in first] == list(range(len(first)))
    assert all(max(c.size) <= CROP and bool(c.guide_mask.any()) for c in first)
    assert all(torch.equal(a.guide, b.guide) for a, b in zip(first, second, strict=True))
    assert not all(torch.equal(a.guide, b.guide) for a, b in zip(first, other, strict=False))


def test_a_small_block_is_one_crop_even_if_hardly_valid() -> None:
    small = block((90, 200))
    thin = torch.zeros_like(small.guide_mask)
    thin[:, :20] = True
    (only,) = draw_crops([replace(small, guide_mask=thin)], Context())
    assert torch.equal(only.guide, small.guide)


def test_the_shared_network_is_trained_once_and_every_tile_starts_from_it() -> None:
    scene, tile = block((120, 130)), block((64, 80), seed=3)
    raw = replace(SMALL, iterations=0, back_projection=0)
    fitted = Gdd(raw).fit([scene], Context())
    random = Gdd(replace(raw, shared=1)).fit([scene], Context())
    longer = Gdd(replace(raw, shared=60)).fit([scene], Context())
    fused = [f.apply([scene], Context())[0] for f in (random, fitted, longer)]
    exact = pair(Sampling.edge_aligned(4), (120, 130))[1].float()
    errors = [float((x - exact).square().mean()) for x in fused]
    assert errors[2] < 0.4 * errors[0]
    refined = Gdd(replace(SMALL, iterations=3)).fit([scene], Context()).apply([tile], Context())[0]
    assert refined.shape == (4, 64, 80)


def test_a_scene_that_is_one_crop_is_fitted_without_a_break() -> None:
    scene = block((64, 70))
    divided = Gdd(SMALL).fit([scene], Context())
    whole = Gdd(replace(SMALL, shared=0, iterations=7)).fit([scene], Context())
    assert torch.equal(*(f.apply([scene], Context())[0] for f in (divided, whole)))
    assert divided.summary()["iterations"] == 7
    large = Gdd(SMALL).fit([block((64, 300))], Context())
    assert (large.summary()["shared"], large.summary()["iterations"]) == (4, 3)


def test_results_do_not_depend_on_the_order_of_tiles_or_the_global_state() -> None:
    scene = block((70, 270))
    tiles = [replace(block((64, 64), seed=s), index=s) for s in (1, 2)]
    before = torch.get_rng_state()
    fitted = Gdd(SMALL).fit([scene], Context(seed=3))
    forward = fitted.apply(tiles, Context(seed=3))
    again = Gdd(SMALL).fit([scene], Context(seed=3))
    backward = again.apply(tiles[::-1], Context(seed=3))[::-1]
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(forward, backward, strict=True))
    other = Gdd(SMALL).fit([scene], Context(seed=4)).apply(tiles, Context(seed=4))
    assert not torch.equal(other[0], forward[0])


def test_masked_pixels_do_not_reach_the_shared_network() -> None:
    scene, tile = block((70, 270)), block((64, 64))
    guide_mask, target_mask = scene.guide_mask.clone(), scene.target_mask.clone()
    target_mask[3:5, 4] = False
    spoilt = replace(
        scene, target=torch.where(target_mask, scene.target, 40.0), target_mask=target_mask
    )
    kept = replace(scene, guide_mask=guide_mask, target_mask=target_mask)
    one, two = (Gdd(SMALL).fit([o], Context()).apply([tile], Context())[0] for o in (kept, spoilt))
    assert torch.equal(one, two)


def test_a_network_that_sees_the_ms_differs(tmp_path: Path) -> None:
    scene = block((64, 64))
    path = str(tmp_path / "net.safetensors")
    seen = replace(SMALL, sees_ms=True, save_weights=path)
    fused = Gdd(seen).fit([scene], Context()).apply([scene], Context())[0]
    assert bool(fused.isfinite().all())
    with pytest.raises(OptionError, match="sees_ms is True there and False here"):
        Gdd(replace(SMALL, weights=path)).fit([scene], Context())


def test_saved_weights_start_another_scene(tmp_path: Path) -> None:
    path = str(tmp_path / "net.safetensors")
    scene, other = block((70, 70)), block((64, 64), seed=5)
    saving = replace(SMALL, save_weights=path)
    as_is = Gdd(saving).fit([scene], Context())
    loaded = Gdd(replace(SMALL, weights=path, shared=0)).fit([scene], Context())
    assert torch.equal(*(f.apply([scene], Context())[0] for f in (as_is, loaded)))
    first = create("gdd", {"preset": "fast", "channels": 8, "shared": 0, "weights": path})
    fused = first.fit([other], Context()).apply([other], Context())[0]
    assert fused.shape == (4, 64, 64)
    assert loaded.summary()["weights"] == path


@pytest.mark.parametrize(
    ("options", "bands", "said"),
    [
        (replace(SMALL, channels=16), 4, "channels is 8 there and 16 here"),
        (SMALL, 3, "bands is 4 there and 3 here"),
        (replace(SMALL, standardise=False), 4, "standardise is True there"),
    ],
)
def test_weights_that_do_not_fit_are_one_clear_error(
    tmp_path: Path, options: GddOptions, bands: int, said: str
) -> None:
    path = str(tmp_path / "net.safetensors")
    scene = block((64, 64))
    Gdd(replace(SMALL, save_weights=path)).fit([scene], Context())
    fewer = replace(
        scene,
        target=scene.target[:bands],
        optics=replace(scene.optics, mtf=scene.optics.mtf[:bands]),
    )
    with pytest.raises(OptionError, match=said):
        Gdd(replace(options, weights=path)).fit([fewer], Context())


def test_files_that_are_no_weights(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    scene = block((64, 64))
    text, foreign = tmp_path / "text.safetensors", tmp_path / "foreign.safetensors"
    text.write_text("not a network", encoding="ascii")
    save_file({"x": torch.zeros(3)}, foreign)
    for path, said in (
        (text, "not a readable safetensors file"),
        (foreign, "not written by"),
        (tmp_path / "no", "no such"),
    ):
        with pytest.raises(OptionError, match=said):
            Gdd(replace(SMALL, weights=str(path))).fit([scene], Context())
    with pytest.raises(OutputError, match="cannot be written"):
        Gdd(replace(SMALL, save_weights=str(tmp_path / "none" / "x"))).fit([scene], Context())


def test_a_shared_network_that_diverges_twice_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate = SharedProblem.evaluate

    def broken(self: SharedProblem) -> tuple[Tensor, Tensor]:
        loss, image = evaluate(self)
        return loss * torch.inf, image

    monkeypatch.setattr(SharedProblem, "evaluate", broken)
    with pytest.raises(FusionError, match="diverged from 2"):
        Gdd(SMALL).fit([block((300, 64))], Context())
