"""`--uncertainty`: how far each pixel depends on the seed, beside an image that stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import synthetic_pairs
import torch
from command_line import pansharpkit
from rasters import Pair, make_pair
from torch import Tensor

from pansharpkit import pipeline
from pansharpkit.api import open_scene
from pansharpkit.errors import FusionError, OptionError
from pansharpkit.intake import SceneRequest
from pansharpkit.methods.base import Context, Fitted
from pansharpkit.methods.gdd import method as gdd
from pansharpkit.methods.gdd.method import FittedGdd
from pansharpkit.methods.networks import ensemble
from pansharpkit.methods.networks.ensemble import Ensemble
from pansharpkit.parts import Parts
from pansharpkit.physics import Observation
from pansharpkit.pipeline import FuseRequest
from pansharpkit.requested import MethodRequest
from pansharpkit.runs import RunOptions
from pansharpkit.sampling import Sampling

GDD = MethodRequest("gdd", {"preset": "fast", "shared": 1, "iterations": 1, "channels": 4})


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("pair"), size=(24, 30))


def asked(pair: Pair, output: Path, method: MethodRequest, tile: int = 64) -> FuseRequest:
    files = SceneRequest((str(pair.pan), str(pair.ms)))
    options = RunOptions(tile, threads=1, device="cpu")
    return FuseRequest(files, output, method, options, report=False)


def uncertain(method: MethodRequest) -> MethodRequest:
    return replace(method, uncertainty=True)


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read()


def test_the_image_stays_and_its_deviations_lie_beside_it(pair: Pair, tmp_path: Path) -> None:
    pipeline.fuse(asked(pair, tmp_path / "plain.tif", GDD))
    outcome = pipeline.fuse(asked(pair, tmp_path / "sure.tif", uncertain(GDD)))
    assert np.array_equal(read(tmp_path / "plain.tif"), read(tmp_path / "sure.tif"))
    path = tmp_path / "sure.uncertainty.tif"
    assert outcome.to_dict()["uncertainty"] == str(path)
    with rasterio.open(tmp_path / "sure.tif") as fused, rasterio.open(path) as found:
        assert (found.crs, found.transform, found.shape) == (
            fused.crs,
            fused.transform,
            fused.shape,
        )
        assert found.descriptions == tuple(f"{name} uncertainty" for name in fused.descriptions)
        assert (found.dtypes[0], np.isnan(found.nodata)) == ("float32", True)
        assert found.tags()["PANSHARPKIT_UNCERTAINTY_OF"] == "sure.tif"
        assert found.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        values, valid = found.read(), fused.dataset_mask() > 0
    assert np.array_equal(np.isfinite(values), np.broadcast_to(valid, values.shape))
    assert (values[:, valid] > 0).any()


def test_a_run_that_ended_early_goes_on(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = uncertain(GDD)
    pipeline.fuse(asked(pair, tmp_path / "whole.tif", method))
    request = replace(asked(pair, tmp_path / "a.tif", method), resume=True)
    with monkeypatch.context() as patch:
        put = Parts.put

        def second(self: Parts, index: int, tile: object) -> None:
            if index:
                raise KeyboardInterrupt
            put(self, index, tile)  # type: ignore[arg-type]

        patch.setattr(Parts, "put", second)
        with pytest.raises(KeyboardInterrupt):
            pipeline.fuse(request)
    assert not (tmp_path / "a.uncertainty.tif").exists()
    pipeline.fuse(request)
    for suffix in (".tif", ".uncertainty.tif"):
        first, second_run = (read(tmp_path / f"{name}{suffix}") for name in ("whole", "a"))
        np.testing.assert_array_equal(first, second_run)


def test_where_a_tile_fails_nobody_knows(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = FittedGdd.apply

    def failing(self: FittedGdd, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        if batch[0].index == 0:
            raise FusionError("diverged")
        return apply(self, batch, context)

    monkeypatch.setattr(FittedGdd, "apply", failing)
    outcome = pipeline.fuse(asked(pair, tmp_path / "a.tif", uncertain(GDD)))
    assert [fault.index for fault in outcome.run.faults] == [0]
    fused, unknown = read(tmp_path / "a.tif"), np.isnan(read(tmp_path / "a.uncertainty.tif"))
    assert (fused[:, 10, 10] > 0).all()
    assert unknown[:, 10, 10].all()
    assert not unknown[:, -20, -20].any()


def test_it_is_refused_where_no_seed_matters_or_a_file_is_there(tmp_path: Path, pair: Pair) -> None:
    with pytest.raises(OptionError, match="that of gsa does not; choose -m scenenet, gdd, "):
        MethodRequest("gsa", uncertainty=True).create()
    with pytest.raises(OptionError, match="of which auto knows none"):
        MethodRequest("auto", uncertainty=True).stand_in()
    there = tmp_path / "a.uncertainty.tif"
    there.write_bytes(b"mine")
    done = pansharpkit(
        "fuse", pair.pan, pair.ms, "-o", tmp_path / "a.tif", "-m", "gdd", "--uncertainty"
    )
    assert (done.code, "a.uncertainty.tif" in done.stderr) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == [there.name]


def test_only_the_image_saves_its_weights(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[object] = []
    monkeypatch.setattr(gdd, "save_weights", lambda path, *_: saved.append(path))
    options = {**GDD.options, "save_weights": "kept"}
    pipeline.fuse(asked(pair, tmp_path / "a.tif", uncertain(replace(GDD, options=options))))
    assert saved == ["kept"]


def test_no_spread_is_no_sign_of_certainty(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def same(self: FittedGdd, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        return [seen.guide.expand(len(seen.target), -1, -1) for seen in batch]

    monkeypatch.setattr(FittedGdd, "apply", same)
    outcome = pipeline.fuse(asked(pair, tmp_path / "a.tif", uncertain(GDD)))
    assert any("every seed gave the same image" in text for text in outcome.warnings)


def test_in_memory_it_is_a_coordinate(pair: Pair) -> None:
    scene = open_scene(pair.pan, pair.ms)
    options = {"method": GDD.name, "options": GDD.options, "device": "cpu"}
    fused = scene.fuse(**options, uncertainty=True)  # type: ignore[arg-type]
    assert fused.coords["uncertainty"].dims == fused.dims
    assert float(fused.coords["uncertainty"].max()) > 0
    assert fused.isel(band=0).coords["uncertainty"].ndim == 2


@dataclass(frozen=True)
class Noise:
    """Draws from the seed: white noise, or the guide with a gain."""

    deviation: float
    local: bool = False

    def halo(self, sampling: Sampling) -> int:
        return ensemble.REACH

    def overlap(self, sampling: Sampling) -> int:
        return 0

    def fit(self, sample: Sequence[Observation], context: Context) -> Fitted:
        return self

    def apply(self, batch: Sequence[Observation], context: Context) -> list[Tensor]:
        draws = torch.Generator().manual_seed(context.seed)
        if self.local:
            gain = float(torch.randn((), generator=draws))
            return [gain * seen.guide.expand(2, -1, -1) for seen in batch]
        return [self.deviation * torch.randn(2, *seen.size, generator=draws) for seen in batch]

    def summary(self) -> Mapping[str, object]:
        return {}


def deviations(seen: Observation, method: Noise) -> Tensor:
    fitted = Ensemble(method, method).fit([], Context())
    return fitted.apply([seen], Context())[0][2:]


def test_the_deviation_is_that_of_one_image() -> None:
    seen = synthetic_pairs.pair(Sampling.edge_aligned(2), (60, 80))[0]
    mask = torch.ones(60, 80, dtype=torch.bool)
    mask[:, :20] = False
    fitted = Ensemble(Noise(3.0), Noise(3.0)).fit([], Context(5))
    assert torch.equal(
        fitted.apply([seen], Context(5))[0][:2], Noise(3.0).apply([seen], Context(5))[0]
    )
    found = deviations(replace(seen, guide_mask=mask), Noise(3.0))
    assert found.shape == (2, 60, 80)
    assert float(found[:, mask].square().mean().sqrt()) == pytest.approx(3.0, rel=0.05)
    assert float(deviations(seen, Noise(0.0)).max()) == 0


def test_deviations_agree_where_tiles_meet() -> None:
    seen, method = synthetic_pairs.pair(Sampling.edge_aligned(2), (60, 80))[0], Noise(1.0, True)
    whole = deviations(seen, method)
    for box in synthetic_pairs.boxes(seen.size, (32, 32)):
        tile, own = synthetic_pairs.cut(seen, box, method.halo(seen.sampling))
        tile = replace(tile, guide_mask=torch.ones(tile.size, dtype=torch.bool))
        row, col, height, width = box
        expected = whole[:, row : row + height, col : col + width]
        torch.testing.assert_close(deviations(tile, method)[:, own[0], own[1]], expected)
