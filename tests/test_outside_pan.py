"""Bands that PAN does not see: which they are, and that nothing of PAN is forced on them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from classical_methods import CONTEXT, fuse
from command_line import pansharpkit
from rasters import write_geotiff
from scenes import BANDS, MS, PAN, demo_scene, demo_source, synthetic
from synthetic_pairs import GAINS, boxes, cut, pair

from pansharpkit import evaluate
from pansharpkit.engine import RunOptions
from pansharpkit.errors import OptionError
from pansharpkit.grid import Window
from pansharpkit.methods import REGISTRY, create
from pansharpkit.methods.backprojection import BackProjected
from pansharpkit.methods.base import Method
from pansharpkit.methods.classical.component import Brovey, Gsa
from pansharpkit.methods.classical.interpolation import Exp
from pansharpkit.methods.outside import Apart, DetailRegression
from pansharpkit.physics import Observation, Optics, degrade
from pansharpkit.requested import MethodRequest, Outside, seen_bands
from pansharpkit.sampling import Sampling

ODD = Sampling((2.5, 2.5), (0.8, -0.7))


def vegetation(sampling: Sampling, own: float) -> tuple[Observation, torch.Tensor]:
    """Return a pair whose last band shares a part of PAN's detail, and has its own beside it."""
    observation, fine = pair(sampling, (151, 139), weights=(0.3, 0.4, 0.3, 0.0))
    _, other = pair(sampling, (151, 139), seed=7)
    guide = observation.guide[0]
    fine = torch.cat([fine[:3], (0.5 + 0.4 * (guide - guide.mean()) + own * other[0])[None]])
    target = degrade(fine, sampling, observation.target_size, GAINS)
    return dataclasses.replace(observation, target=target), fine


def test_the_regression_finds_the_share_of_pan_that_a_band_has() -> None:
    observation, _ = vegetation(Sampling.toolbox(4), own=0.0)
    observation = dataclasses.replace(observation, optics=Optics((0.3,) * 4, 0.3))
    target = degrade(
        torch.cat([observation.guide, 0.7 * observation.guide, 1 - observation.guide]),
        observation.sampling, observation.target_size, (0.3,) * 3,
    )  # fmt: skip
    known = dataclasses.replace(observation, target=target, optics=Optics((0.3,) * 3, 0.3))
    fitted = DetailRegression().fit([known], CONTEXT)
    assert fitted.gains.tolist() == pytest.approx([1.0, 0.7, 0.0], abs=1e-6)
    assert fitted.correlations.tolist() == pytest.approx([1.0, 1.0, -1.0], abs=1e-6)


def test_detail_that_a_band_has_for_itself_lowers_its_gain() -> None:
    gains = [
        float(DetailRegression().fit([vegetation(ODD, own)[0]], CONTEXT).correlations[3])
        for own in (0.0, 0.3, 1.0)
    ]
    assert gains[0] > gains[1] > gains[2] > -0.2


@pytest.mark.parametrize("name", ["brovey", "gsa", "bdsd-pc", "mtf-glp-fs"])
def test_bands_apart_are_what_each_method_makes_of_its_own(name: str) -> None:
    observation, _ = vegetation(ODD, 0.4)
    both = fuse(Apart(create(name), DetailRegression(), (0, 2)), observation)

    def alone(method: Method, bands: list[int]) -> torch.Tensor:
        optics = observation.optics.subset(bands)
        few = dataclasses.replace(observation, target=observation.target[bands], optics=optics)
        return fuse(method, few)

    torch.testing.assert_close(both[[0, 2]], alone(create(name), [0, 2]))
    torch.testing.assert_close(both[[1, 3]], alone(DetailRegression(), [1, 3]))


def test_brovey_no_longer_puts_pan_into_a_band_that_pan_does_not_see() -> None:
    observation, fine = vegetation(Sampling.toolbox(4), own=0.6)

    def error(method: Method) -> float:
        return float((fuse(method, observation)[3] - fine[3]).square().mean().sqrt())

    plain = error(Brovey())
    apart = error(Apart(Brovey(), DetailRegression(), (0, 1, 2)))
    assert apart < 0.8 * plain
    assert apart < error(Exp())


@pytest.mark.parametrize(
    "method",
    [
        DetailRegression(),
        Apart(Gsa(), DetailRegression(), (1, 2)),
        Apart(Brovey(), Exp(), (0, 1, 2)),
        BackProjected(Apart(Gsa(), DetailRegression(), (0, 3)), steps=1),
    ],
    ids=["regression", "gsa apart", "brovey and exp", "back-projected"],
)
@pytest.mark.parametrize("sampling", [ODD, Sampling.edge_aligned(2)], ids=["2.5", "2"])
def test_neither_tiles_nor_blocks_change_the_result(method: Method, sampling: Sampling) -> None:
    observation, _ = pair(sampling, (151, 139))
    blocks = [
        cut(observation, box, method.halo(sampling))[0] for box in boxes(observation.size, (53, 48))
    ]
    fitted = method.fit(blocks, CONTEXT)
    whole = method.fit([observation], CONTEXT).apply([observation], CONTEXT)[0]
    for box in boxes(observation.size, (47, 71)):
        tile, own = cut(observation, box, method.halo(sampling))
        inner = fitted.apply([tile], CONTEXT)[0][:, own[0], own[1]]
        row, col, height, width = box
        expected = whole[:, row : row + height, col : col + width]
        torch.testing.assert_close(inner, expected, rtol=0, atol=1e-8)
    assert method.overlap(sampling) == 0


def test_a_lazy_sample_stays_lazy_and_can_be_sliced() -> None:
    observation, _ = pair(ODD)

    class Once(Sequence[Observation]):
        reads = 0

        def __len__(self) -> int:
            return 2

        def __getitem__(self, index):  # type: ignore[no-untyped-def]
            if isinstance(index, slice):
                return [self[i] for i in range(*index.indices(2))]
            if not 0 <= index < 2:
                raise IndexError
            Once.reads += 1
            return observation

    seen: list[tuple[int, ...]] = []

    @dataclasses.dataclass(frozen=True)
    class Spy(Exp):
        def fit(self, sample: Sequence[Observation], context: object):  # type: ignore[no-untyped-def]
            seen.extend(tuple(o.target.shape) for o in sample)
            assert [o.target.shape[0] for o in sample[1:]] == [2]
            assert sample[0].optics.mtf == tuple(GAINS[band] for band in (0, 2))
            assert len(sample) == 2
            return Exp().fit(sample, CONTEXT)

    Apart(Spy(), Exp(), (0, 2)).fit(Once(), CONTEXT)
    assert [shape[0] for shape in seen] == [2, 2]
    assert Once.reads == 4


@pytest.mark.parametrize(
    ("reference", "inside"),
    [
        (None, (0, 1, 2)),
        (("red", "green"), (1, 2)),
        (("B5", "nir"), (3,)),
        (("b2", "BLUE", "green", "red", "nir"), (0, 1, 2, 3)),
    ],
)
def test_the_preset_or_the_user_says_which_bands_pan_sees(
    reference: tuple[str, ...] | None, inside: tuple[int, ...]
) -> None:
    assert seen_bands(demo_scene(), reference) == inside


def test_bands_of_an_unknown_sensor_count_as_seen() -> None:
    assert seen_bands(synthetic()) == (0, 1)
    assert isinstance(MethodRequest("gsa").prepared(synthetic()).method, Gsa)


@pytest.mark.parametrize("name", [name for name, e in REGISTRY.items() if e.takes(1)])
def test_every_method_is_prepared_for_landsat(name: str) -> None:
    ready = MethodRequest(name).prepared(demo_scene())
    if not REGISTRY[name].outside_apart:
        assert not isinstance(ready.method, Apart)
        assert "outside_pan" not in ready.options
    else:
        assert isinstance(ready.method, Apart)
        assert ready.method.bands == (0, 1, 2)
        assert ready.options["outside_pan"] == {"B5": "regression"}


@pytest.mark.parametrize("outside", ["regression", "exp", "skip"])
def test_what_is_asked_for_is_done(outside: Outside) -> None:
    scene = demo_scene()
    ready = MethodRequest("brovey", outside=outside, back_projection=1).prepared(scene)
    assert ready.options["outside_pan"] == {"B5": outside}
    assert isinstance(ready.method, BackProjected)
    inner = ready.method.inner
    if outside == "skip":
        assert ready.scene.target.names == ("B2", "B3", "B4")
        assert [band.name for band in ready.scene.sensor.bands] == ["B2", "B3", "B4"]
        assert isinstance(inner, Brovey)
    else:
        assert ready.scene is scene
        assert isinstance(inner, Apart)
        assert isinstance(inner.outside, Exp if outside == "exp" else DetailRegression)


def test_bands_that_pan_sees_none_of_are_only_regressed() -> None:
    scene = demo_scene()
    sensor = dataclasses.replace(
        scene.sensor,
        bands=tuple(dataclasses.replace(band, pan_coverage=0.0) for band in scene.sensor.bands),
    )
    dark = dataclasses.replace(scene, sensor=sensor)
    assert isinstance(MethodRequest("gsa").prepared(dark).method, DetailRegression)
    assert isinstance(MethodRequest("gsa", outside="exp").prepared(dark).method, Exp)
    with pytest.raises(OptionError, match="no band is left: PAN sees none of B2, B3, B4, B5"):
        MethodRequest("gsa", outside="skip").prepared(dark)


def test_the_toolbox_mode_treats_all_bands_alike() -> None:
    assert isinstance(MethodRequest("gsa").prepared(demo_scene(), "toolbox").method, Gsa)
    for request in (
        MethodRequest("gsa", outside="exp"),
        MethodRequest("gsa", reference_bands=("red",)),
    ):
        with pytest.raises(OptionError, match="--compat toolbox treats all bands alike"):
            request.prepared(demo_scene(), "toolbox")


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (MethodRequest(reference_bands=("swir1",)), "--reference-bands swir1: no such band"),
        (MethodRequest(outside="warp"), "'warp' must be one of regression, exp, skip"),  # type: ignore[arg-type]
    ],
)
def test_mistakes_are_told(request_: MethodRequest, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        request_.prepared(demo_scene())


def test_the_near_infrared_is_nearer_to_the_truth_than_with_pan_put_into_it() -> None:
    scene = demo_scene(120, 140)
    alike = MethodRequest("brovey", reference_bands=BANDS).prepared(scene).method
    apart = MethodRequest("brovey").prepared(scene).method
    rows = evaluate.wald(scene, {"alike": alike, "apart": apart, "exp": Exp()}, RunOptions())
    nir = {row.method: row.indices.per_band["rmse"][3] for row in rows}
    assert nir["apart"] is not None
    assert nir["alike"] is not None
    assert nir["exp"] is not None
    assert nir["apart"] < 0.9 * nir["alike"]
    assert nir["apart"] < nir["exp"]


@pytest.fixture(scope="module")
def crop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("crop")
    pan = demo_source(PAN, Window(199, 240, 100, 120))
    ms = demo_source(MS, Window(100, 120, 50, 60))
    return (
        write_geotiff(folder / "pan.tif", pan.values, pan.grid.transform, nodata=0),
        write_geotiff(folder / "ms.tif", ms.values, ms.grid.transform, nodata=0, names=BANDS),
    )


def bands_of(crop: tuple[Path, Path], output: Path, *options: str) -> dict[str, np.ndarray]:
    done = pansharpkit(
        "fuse", *crop, "-o", output, "-m", "gsa", "--sensor", "landsat8_oli", "--no-report",
        "--dtype", "float32", *options,
    )  # fmt: skip
    assert done.code == 0, done.stderr
    with rasterio.open(output) as dataset:
        return dict(zip(dataset.descriptions, dataset.read(), strict=True))


def test_both_spellings_on_the_command_line(crop: tuple[Path, Path], tmp_path: Path) -> None:
    plain = bands_of(crop, tmp_path / "plain.tif")
    one = bands_of(crop, tmp_path / "one.tif", "--outside-pan", "exp")
    other = bands_of(crop, tmp_path / "other.tif", "--sharpen", "outside=exp")
    left = bands_of(crop, tmp_path / "left.tif", "--sharpen", "outside=skip")
    all_ = bands_of(crop, tmp_path / "all.tif", "--reference-bands", "blue,green,red,nir")
    np.testing.assert_array_equal(one["B5"], other["B5"])
    assert list(left) == ["B2", "B3", "B4"]
    for name in left:
        np.testing.assert_array_equal(left[name], plain[name])
        np.testing.assert_array_equal(one[name], plain[name])
    assert not np.allclose(one["B5"], plain["B5"], rtol=1e-3)
    assert not np.allclose(all_["B5"], plain["B5"], rtol=1e-3)
    with rasterio.open(tmp_path / "left.tif") as dataset:
        options = json.loads(dataset.tags()["PANSHARPKIT_OPTIONS"])
    assert options["outside_pan"] == {"B5": "skip"}


def test_the_report_says_which_band_was_treated_how(
    crop: tuple[Path, Path], tmp_path: Path
) -> None:
    output = tmp_path / "fused.tif"
    done = pansharpkit(
        "fuse", *crop, "-o", output, "-m", "brovey", "--sensor", "landsat8_oli", "--json"
    )
    assert done.code == 0, done.stderr
    report = json.loads(output.with_suffix(".report.json").read_text())
    assert report["method"]["options"]["outside_pan"] == {"B5": "regression"}
    assert len(report["method"]["fit"]["weights"]) == 3
    (gain,) = report["method"]["fit"]["outside_pan"]["gains"]
    assert 0 <= gain < 2
    assert "B5 regression" in output.with_suffix(".report.html").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--outside-pan", "warp"], "--outside-pan 'warp' must be regression, exp or skip"),
        (["--sharpen", "inside=exp"], "--sharpen inside=...: only outside=NAME"),
        (["--sharpen", "outside"], "must look like NAME=VALUE"),
        (["--sharpen", "outside=exp", "--outside-pan", "skip"], "differ; give one of them"),
        (["--reference-bands", "B9"], "--reference-bands B9: no such band"),
        (["--outside-pan", "exp", "--compat", "toolbox"], "treats all bands alike"),
    ],
)
def test_wrong_options_are_usage_errors(
    crop: tuple[Path, Path], tmp_path: Path, options: list[str], message: str
) -> None:
    done = pansharpkit(
        "fuse", *crop, "-o", tmp_path / "x.tif", "--sensor", "landsat8_oli", *options
    )
    assert done.code == 2
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_evaluate_takes_the_same_options(crop: tuple[Path, Path]) -> None:
    found = {}
    for outside in ("regression", "exp", "skip"):
        done = pansharpkit(
            "evaluate", *crop, "-m", "brovey,exp", "--sensor", "landsat8_oli", "--json",
            "--outside-pan", outside,
        )  # fmt: skip
        assert done.code == 0, done.stderr
        found[outside] = {row["method"]: row["ergas"] for row in done.json}
    assert found["regression"]["exp"] == found["exp"]["exp"] != found["skip"]["exp"]
    assert found["regression"]["brovey"] != found["exp"]["brovey"]
