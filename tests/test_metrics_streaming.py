"""Window by window, every figure is that of the whole array."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_images import noisy, patchy_mask, texture
from torch import Tensor

from pansharpkit.errors import OptionError
from pansharpkit.metrics import Area, Indices, Raster, full_resolution, reduced_resolution
from pansharpkit.metrics import reference as rr
from pansharpkit.metrics.operators import local_range
from pansharpkit.metrics.rasters import areas, fill, lattice_of, window_side
from pansharpkit.physics import Compat, Optics
from pansharpkit.sampling import Sampling

EXACT = 1e-10
WHOLE = 10**6


def assert_same(first: Indices, second: Indices) -> None:
    assert first.values.keys() == second.values.keys()
    for name, value in first.values.items():
        assert value == pytest.approx(second.values[name], abs=EXACT), name
    assert first.intervals.keys() == second.intervals.keys()
    for name, interval in first.intervals.items():
        assert interval == pytest.approx(second.intervals[name], abs=1e-8), name
    for name, bands in first.per_band.items():
        assert bands == pytest.approx(second.per_band[name], abs=EXACT), name
    np.testing.assert_allclose(
        first.quality_map.values, second.quality_map.values, atol=EXACT, equal_nan=True
    )
    assert first.quality_map.others.keys() == second.quality_map.others.keys()
    for name, values in first.quality_map.others.items():
        np.testing.assert_allclose(values, second.quality_map.others[name], rtol=1e-4, atol=1e-5)
    assert first.n_pixels == second.n_pixels
    assert first.masked_fraction == second.masked_fraction


@given(
    height=st.integers(1, 150),
    width=st.integers(1, 110),
    window=st.integers(1, 120),
    masked=st.booleans(),
    compat=st.sampled_from(["none", "toolbox"]),
)
@settings(max_examples=15)
def test_reduced_resolution_does_not_depend_on_the_window(
    height: int, width: int, window: int, masked: bool, compat: Compat
) -> None:
    image = texture(3, height, width)
    mask = patchy_mask(height, width) if masked else None
    pair = Raster.of(image, mask), Raster.of(noisy(image))
    whole, streamed = (
        reduced_resolution(*pair, ratio=4, peak=2047, compat=compat, window=side)
        for side in (WHOLE, window)
    )
    assert_same(streamed, whole)


@pytest.mark.parametrize("masked", [False, True])
def test_reduced_resolution_equals_the_functions(masked: bool) -> None:
    image, mask = texture(4, 133, 101), patchy_mask(133, 101) if masked else None
    fused = noisy(image)
    found = reduced_resolution(
        Raster.of(image, mask), Raster.of(fused), ratio=3, peak=1000, window=32
    ).values
    expected = {
        "q2n": rr.q2n(image, fused, mask),
        "q": rr.q(image, fused, mask),
        "sam_deg": rr.sam_deg(image, fused, mask),
        "ergas": rr.ergas(image, fused, mask, ratio=3),
        "scc": rr.scc(image, fused, mask),
        "psnr_db": rr.psnr_db(image, fused, mask, peak=1000),
        "psnr_band_mean_db": rr.psnr_band_mean_db(image, fused, mask, peak=1000),
        "ssim": rr.ssim(image, fused, mask, peak=1000),
        "rmse": rr.rmse(image, fused, mask),
    }
    assert found == pytest.approx(expected, abs=EXACT)


@dataclass(frozen=True)
class Pair:
    """A fused raster with its inputs."""

    fused: Raster
    pan: Raster
    ms: Raster
    sampling: Sampling

    @classmethod
    def of(cls, size: tuple[int, int], small: tuple[int, int], sampling: Sampling,
           *, masked: bool) -> Pair:  # fmt: skip
        pan = texture(1, *size, seed=5)
        fused = texture(3, *size) + 0.5 * pan
        ms = texture(3, *small, seed=7)
        holes: list[Tensor | None] = [None, None, None]
        if masked:
            coarse = torch.ones(small, dtype=torch.bool)
            coarse[2:4, 5:9] = False
            pan_holes = torch.ones(size, dtype=torch.bool)
            pan_holes[-9:-5, 20:60] = False
            holes = [patchy_mask(*size), pan_holes, coarse]
        rasters = (
            Raster.of(image, mask) for image, mask in zip((fused, pan, ms), holes, strict=True)
        )
        return cls(*rasters, sampling)

    def judge(self, window: int, compat: Compat = "none") -> Indices:
        optics = Optics((0.3, 0.25, 0.3), 0.15, compat)
        return full_resolution(
            self.fused, self.pan, self.ms, self.sampling, optics, red_nir=(1, 2), window=window
        )


PAIRS = {
    "edge aligned": ((200, 168), (50, 42), Sampling.edge_aligned(4)),
    "not a multiple": ((150, 131), (38, 33), Sampling((4.0, 4.0), (0.7, 2.1))),
    "ratio 2.5, not square": ((130, 157), (52, 66), Sampling((2.5, 2.4), (0.3, -1.1))),
    "MS beyond PAN": ((96, 128), (60, 80), Sampling((2.0, 2.0), (-10.5, -12.5))),
    "PAN beyond MS": ((128, 128), (40, 50), Sampling((2.0, 2.0), (20.5, 8.5))),
    "tiny": ((20, 24), (5, 6), Sampling.edge_aligned(4)),
}


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", PAIRS)
def test_full_resolution_does_not_depend_on_the_window(name: str, masked: bool) -> None:
    pair = Pair.of(*PAIRS[name], masked=masked and name != "tiny")
    whole = pair.judge(WHOLE)
    assert whole.values["hqnr"] is not None
    for window in (33, 64) if masked else (1, 100):
        assert_same(pair.judge(window), whole)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("ratio", [2, 4])
def test_circular_borders_do_not_need_the_whole_array(ratio: int, masked: bool) -> None:
    size = (60 * ratio, 44 * ratio)
    pair = Pair.of(size, (60, 44), Sampling.toolbox(ratio), masked=masked)
    whole = pair.judge(WHOLE, "toolbox")
    for window in (33, 70):
        assert_same(pair.judge(window, "toolbox"), whole)


def test_a_part_spread_over_the_raster_stands_for_all_of_it() -> None:
    pair = Pair.of((512, 512), (128, 128), Sampling.edge_aligned(4), masked=False)
    optics = Optics((0.3, 0.25, 0.3), 0.15)
    inputs = (pair.fused, pair.pan, pair.ms, pair.sampling, optics)
    whole = full_resolution(*inputs, window=64)
    part = full_resolution(*inputs, window=64, most=3 * 512 * 512 // 4)
    assert whole.definitions["judged"] == "all pixels"
    assert part.definitions["judged"] == "0.25 of the pixels, spread evenly"
    assert part.n_pixels == whole.n_pixels / 4
    assert part.masked_fraction == 0
    judged = np.isfinite(part.quality_map.values)
    assert judged.reshape(4, 4, 4, 4).any(axis=(1, 3)).all()  # something of every quarter
    same = part.quality_map.values[judged] == whole.quality_map.values[judged]
    assert same.all()
    for name, value in part.values.items():
        other = whole.values[name]
        assert (value is not None and other is not None) or value == other
    assert part.values["hqnr"] == pytest.approx(whole.values["hqnr"], abs=0.02)
    low, high = part.intervals["hqnr"]
    assert high - low > np.subtract(*whole.intervals["hqnr"][::-1])


@given(
    size=st.tuples(st.integers(1, 400), st.integers(1, 400)),
    window=st.integers(10, 100),
    share=st.floats(0.001, 1.5),
)
def test_a_lattice_of_areas_is_spread_evenly(
    size: tuple[int, int], window: int, share: float
) -> None:
    every = list(areas(size, (8, 8), window))
    some = lattice_of(every, share)
    assert some
    assert set(some) <= set(every)
    if share >= 1:
        assert some == every
    for axis in ("row", "col"):
        starts = sorted({getattr(area, axis) for area in every})
        kept = sorted({getattr(area, axis) for area in some})
        wanted = min(len(starts), max(1, round(len(starts) * math.sqrt(share))))
        assert len(kept) == wanted


def test_only_ground_that_both_rasters_cover_counts() -> None:
    pair = Pair.of(*PAIRS["PAN beyond MS"], masked=False)
    assert pair.judge(64).n_pixels == (2 * 40) * (2 * 50)
    whole = Pair.of(*PAIRS["MS beyond PAN"], masked=False)
    assert whole.judge(64).n_pixels == 96 * 128


def test_toolbox_assumes_its_own_sampling() -> None:
    size, small, _ = PAIRS["edge aligned"]
    ours = Pair.of(size, small, Sampling.edge_aligned(4), masked=False)
    theirs = Pair.of(size, small, Sampling.toolbox(4), masked=False)
    assert ours.judge(WHOLE, "toolbox").values == theirs.judge(WHOLE, "toolbox").values
    assert ours.judge(WHOLE).values != theirs.judge(WHOLE).values


def test_toolbox_refuses_what_it_cannot_do() -> None:
    pair = Pair.of(*PAIRS["not a multiple"], masked=False)
    with pytest.raises(OptionError, match="compat 'toolbox' needs"):
        pair.judge(64, "toolbox")


def test_values_under_masks_do_not_matter() -> None:
    size, small, sampling = PAIRS["edge aligned"]
    pair = Pair.of(size, small, sampling, masked=True)

    def spoil(raster: Raster) -> Raster:
        values, mask = raster.load(Area(0, 0, *raster.size))
        return Raster.of(torch.where(mask, values, -9999.0), mask)

    spoilt = Pair(spoil(pair.fused), spoil(pair.pan), spoil(pair.ms), sampling)
    assert_same(spoilt.judge(WHOLE), pair.judge(WHOLE))


def test_a_frame_of_nodata_hardly_matters() -> None:
    """Pixels at the edge meet filled instead of replicated values, and that is all."""
    size, small, sampling = PAIRS["edge aligned"]
    pair = Pair.of(size, small, sampling, masked=False)

    def framed(raster: Raster, width: int) -> Raster:
        values, mask = raster.load(Area(0, 0, *raster.size))
        pads = (width,) * 4
        return Raster.of(torch.nn.functional.pad(values, pads), torch.nn.functional.pad(mask, pads))

    inner = Pair(framed(pair.fused, 64), framed(pair.pan, 64), framed(pair.ms, 16), sampling)
    found, expected = inner.judge(64), pair.judge(64)
    # Half an MS pixel is lost on each side: EXP rests on samples that are not there.
    assert found.n_pixels == (size[0] - 4) * (size[1] - 4)
    assert expected.n_pixels == size[0] * size[1]
    for name in ("hqnr", "qnr", "d_s", "d_lambda_k", "detail_correlation"):
        assert found.values[name] == pytest.approx(expected.values[name], abs=0.01), name


def test_without_valid_pixels_everything_is_none() -> None:
    image = texture(3, 64, 64)
    none = torch.zeros(64, 64, dtype=torch.bool)
    reduced = reduced_resolution(Raster.of(image, none), Raster.of(image), ratio=2, peak=1000)
    full = full_resolution(
        Raster.of(image, none), Raster.of(image[:1]), Raster.of(image[:, ::2, ::2]),
        Sampling.edge_aligned(2), Optics((0.3,) * 3, 0.2), red_nir=(0, 1),
    )  # fmt: skip
    for indices in (reduced, full):
        assert set(indices.values.values()) == {None}
        assert indices.intervals == {}
        assert indices.per_band == {}
        assert indices.n_pixels == 0
        assert indices.masked_fraction == 1
        assert np.isnan(indices.quality_map.values).all()


def test_intervals_cover_the_truth() -> None:
    """The spread of an index over independent scenes is what the interval of one of them says."""
    covered, truth = 0, math.sqrt(15**2)
    for seed in range(40):
        image = texture(2, 128, 128)
        pair = Raster.of(image), Raster.of(noisy(image, 15, seed))
        low, high = reduced_resolution(*pair, ratio=4, peak=2047).intervals["rmse"]
        covered += low <= truth <= high
    assert covered >= 34


def test_one_block_has_no_interval() -> None:
    image = texture(2, 32, 32)
    pair = Raster.of(image), Raster.of(noisy(image))
    assert reduced_resolution(*pair, ratio=4, peak=2047).intervals == {}


def test_map_of_blocks_averages_to_the_index() -> None:
    image = texture(3, 100, 90)
    indices = reduced_resolution(
        Raster.of(image, patchy_mask(100, 90)), Raster.of(noisy(image)), ratio=4, peak=2047
    )
    assert indices.quality_map.values.shape == (4, 3)
    assert np.nanmean(indices.quality_map.values) == pytest.approx(indices.values["q2n"])
    assert np.isnan(indices.quality_map.values[0, 0])


def test_mismatches_are_refused() -> None:
    image = texture(3, 64, 64)
    with pytest.raises(OptionError, match="same bands and size"):
        reduced_resolution(Raster.of(image), Raster.of(image[:2]), ratio=2, peak=1)
    with pytest.raises(OptionError, match="ratio"):
        reduced_resolution(Raster.of(image), Raster.of(image), ratio=1, peak=1)
    with pytest.raises(OptionError, match="peak"):
        reduced_resolution(Raster.of(image), Raster.of(image), ratio=2, peak=0)
    ms, pan, sampling = Raster.of(image[:, ::2, ::2]), Raster.of(image[:1]), Sampling.toolbox(2)
    optics = Optics((0.3,) * 3, 0.2)
    with pytest.raises(OptionError, match="PAN has 3 bands"):
        full_resolution(Raster.of(image), Raster.of(image), ms, sampling, optics)
    with pytest.raises(OptionError, match="PAN grid"):
        full_resolution(ms, pan, ms, sampling, optics)
    with pytest.raises(OptionError, match="MTF gains"):
        full_resolution(Raster.of(image), pan, ms, sampling, Optics((0.3,), 0.2))
    with pytest.raises(OptionError, match="red and NIR"):
        full_resolution(Raster.of(image), pan, ms, sampling, optics, red_nir=(0, 3))


@given(
    size=st.tuples(st.integers(1, 500), st.integers(1, 500)),
    cell=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    window=st.integers(1, 300),
)
def test_areas_partition_the_raster_in_whole_cells(
    size: tuple[int, int], cell: tuple[int, int], window: int
) -> None:
    seen = np.zeros(size, dtype=int)
    for area in areas(size, cell, window):
        seen[area.slices] += 1
        assert area.row % cell[0] == area.col % cell[1] == 0
        for axis, n in enumerate((area.height, area.width)):
            assert n < max(window, cell[axis]) + cell[axis]
            assert n >= min(cell[axis], size[axis])
    assert (seen == 1).all()


def test_windows_shrink_with_the_number_of_bands() -> None:
    assert window_side(1) == window_side(4) == 512
    assert 100 < window_side(224) < 200


def test_reading_beyond_the_raster_wraps_around() -> None:
    values = torch.arange(30.0, dtype=torch.float64).reshape(1, 5, 6)
    found, mask = Raster.of(values).load_wrapped(Area(-7, 4, 18, 9))
    rows, cols = torch.arange(-7, 11).remainder(5), torch.arange(4, 13).remainder(6)
    assert torch.equal(found, values[:, rows[:, None], cols[None, :]])
    assert mask.all()


def test_filling_replaces_gaps_by_means_around_them() -> None:
    image, mask = texture(2, 40, 40), torch.ones(40, 40, dtype=torch.bool)
    mask[20:23, 20:23] = False
    image[:, 20:23, 20:23] = 0
    filled = fill(image, mask, 6)
    assert torch.equal(filled[:, mask], image[:, mask])
    assert (filled[:, ~mask] > 100).all()
    ring = image[:, 18:25, 18:25].clone()
    around = ring[:, mask[18:25, 18:25]]
    inside = filled[:, ~mask]
    assert (inside.amin(dim=1) >= around.amin(dim=1)).all()
    assert (inside.amax(dim=1) <= around.amax(dim=1)).all()
    assert fill(image, torch.ones_like(mask), 6) is image


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(st.integers(-3, 12), st.integers(-3, 12), st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(0, 9), st.integers(0, 7), st.integers(1, 4), st.integers(1, 4)),
)
def test_a_held_raster_reads_as_the_raster_does(
    held: tuple[int, int, int, int], asked: tuple[int, int, int, int]
) -> None:
    values = texture(2, 13, 11)
    values[1, 4, 5] = math.nan
    values[0, 6, 2], values[1, 6, 2] = math.inf, -math.inf
    mask = torch.ones(13, 11, dtype=torch.bool)
    mask[2, 3] = False
    plain = Raster.of(values, mask)
    area = Area(*asked)
    found, known = plain.held(Area(*held)).load(area)
    expected, valid = plain.load(area)
    assert torch.equal(found, expected)
    assert torch.equal(known, valid)
    whole, every = plain.load(Area(0, 0, 13, 11))
    assert torch.isfinite(whole).all()
    assert int(every.sum()) == 13 * 11 - 3


@pytest.mark.parametrize("half", [0, 1, 3, 6])
def test_the_local_range_is_that_of_the_valid_pixels_around(half: int) -> None:
    values, mask = texture(1, 17, 19), torch.ones(17, 19, dtype=torch.bool)
    mask[5, 7] = mask[0, 0] = False
    found, valid = local_range(Raster.of(values, mask), half).load(Area(0, 0, 17, 19))
    assert torch.equal(valid, mask)
    for row, col in ((0, 1), (5, 6), (8, 9), (16, 18)):
        rows = slice(max(0, row - half), row + half + 1)
        cols = slice(max(0, col - half), col + half + 1)
        around = values[0, rows, cols][mask[rows, cols]]
        assert found[:, row, col].tolist() == [float(around.min()), float(around.max())]
