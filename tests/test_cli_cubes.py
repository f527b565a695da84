"""Hyperspectral scenes from files to a fused cube and its report, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from command_line import pansharpkit
from cube_pairs import CENTRES, FINE, MS, RATIO, UTM33, CubePair, coarse_of, cube_pair, write
from numpy.typing import NDArray
from scipy.io import savemat
from scipy.ndimage import zoom

S2 = ("--guide-sensor", "sentinel2a_msi")
ALI = ("--guide-sensor", "eo1_ali")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> CubePair:
    return cube_pair(tmp_path_factory.mktemp("pair"))


def read(path: Path) -> NDArray[np.float64]:
    with rasterio.open(path) as dataset:
        return dataset.read().astype(float)


def error(found: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    """Return the RMSE away from the edge."""
    inner = (slice(None), slice(8, -8), slice(8, -8))
    return float(np.sqrt(np.square(found[inner] - expected[inner]).mean()))


def interpolated(pair: CubePair) -> NDArray[np.float64]:
    return np.stack([zoom(band, RATIO, order=1, grid_mode=True, mode="nearest")
                     for band in coarse_of(pair.truth)])  # fmt: skip


def test_a_cube_and_ms_become_a_georeferenced_cube_with_its_report(
    pair: CubePair, tmp_path: Path
) -> None:
    out = tmp_path / "fused.tif"
    done = pansharpkit("fuse", pair.ms, pair.cube, *S2, "-o", out, "--json")
    assert done.code == 0, done.stderr
    found = done.json
    assert found["method"] == "fuse"
    assert found["indices"]["detail_correlation"] > 0.98
    assert found["indices"]["consistency_error_percent"] < 2
    assert "response of ms.tif comes from presets" in done.stderr
    assert error(read(out), pair.truth) < 0.35 * error(interpolated(pair), pair.truth)
    with rasterio.open(out) as dataset:
        assert (dataset.crs, dataset.transform) == (UTM33, FINE)
        assert dataset.count == len(CENTRES)
        assert dataset.nodata == -32768
        assert dataset.descriptions[2] == "band 3 (458 nm)"
        assert dataset.tags(3)["WAVELENGTH"] == "458"
        assert dataset.tags(3)["FWHM"] == "15"
        assert dataset.tags(3, ns="IMAGERY")["CENTRAL_WAVELENGTH_UM"] == "0.458"
        assert dataset.tags(3, ns="IMAGERY")["FWHM_UM"] == "0.015"
    report = json.loads((tmp_path / "fused.report.json").read_text())
    assert len(report["per_band"]) == len(CENTRES)
    assert report["scene"]["guide"]["bands"] == list(MS)
    assert report["wavelengths_nm"] == list(CENTRES)
    spots = report["spectra"]
    assert len(spots) == 5
    for spot in spots:
        at = read(out)[:, spot["row"], spot["col"]]
        assert spot["fused"] == at.tolist()
        assert len(spot["target"]) == len(CENTRES)
    page = (tmp_path / "fused.report.html").read_text()
    assert "wavelength, nm" in page
    assert "Guide, mean of its bands" in page


@pytest.mark.parametrize("name", ["fused.img", "fused.bil", "fused.hdr"])
def test_the_same_numbers_as_an_envi_image(pair: CubePair, tmp_path: Path, name: str) -> None:
    done = pansharpkit("fuse", pair.ms, pair.cube, *S2, "-m", "gsa-hs", "-o", tmp_path / name,
                       "--json")  # fmt: skip
    assert done.code == 0, done.stderr
    path = Path(done.json["output"])
    pansharpkit("fuse", pair.ms, pair.cube, *S2, "-m", "gsa-hs", "-o", tmp_path / "same.tif",
                "--no-report")  # fmt: skip
    np.testing.assert_array_equal(read(path), read(tmp_path / "same.tif"))
    assert (tmp_path / "fused.report.html").exists()
    # what was fused can be read as the cube of a further run
    again = pansharpkit("info", pair.pan, tmp_path / "fused.hdr", "--json")
    assert again.code == 4
    assert "swapped" in again.stderr  # of one size


def test_methods_for_pan_take_cubes_and_leave_alone_what_pan_does_not_see(
    pair: CubePair, tmp_path: Path
) -> None:
    out = tmp_path / "fused.tif"
    done = pansharpkit("fuse", pair.pan, pair.cube, *ALI, "-o", out, "--json")
    assert done.code == 0, done.stderr
    assert done.json["method"] == "mtf-glp-fs"
    report = json.loads((tmp_path / "fused.report.json").read_text())
    apart = report["method"]["options"]["outside_pan"]
    assert "band 40 (976 nm)" in apart
    assert "band 12 (584 nm)" not in apart
    seen = [i for i, c in enumerate(CENTRES) if 500 < c < 670]
    fused, before = read(out), interpolated(pair)
    assert error(fused[seen], pair.truth[seen]) < 0.5 * error(before[seen], pair.truth[seen])


def test_bands_outside_pan_can_be_left_out(pair: CubePair, tmp_path: Path) -> None:
    out = tmp_path / "fused.tif"
    done = pansharpkit("fuse", pair.pan, pair.cube, *ALI, "-o", out, "--outside-pan", "skip",
                       "-m", "gsa", "--no-report", "--json")  # fmt: skip
    assert done.code == 0, done.stderr
    with rasterio.open(out) as dataset:
        nm = [float(dataset.tags(i)["WAVELENGTH"]) for i in dataset.indexes]
    assert min(nm) > 450
    assert max(nm) < 720


def test_an_unknown_pan_is_said_to_see_every_band(pair: CubePair, tmp_path: Path) -> None:
    done = pansharpkit("fuse", pair.pan, pair.cube, "-o", tmp_path / "f.tif", "--no-report")
    assert done.code == 0
    assert "which bands of cube.tif PAN sees is not known" in " ".join(done.stderr.split())


def test_a_pan_that_sees_no_band_is_said(pair: CubePair, tmp_path: Path) -> None:
    beyond = tuple(nm + 1500 for nm in CENTRES)
    names = tuple(f"b{i}" for i in range(len(CENTRES)))
    cube = write(tmp_path / "swir.tif", read(pair.cube), names, FINE @ Affine.scale(4), beyond)
    args = ("fuse", pair.pan, cube, *ALI, "-m", "gsa", "--no-report", "-o", tmp_path / "f.tif")
    done = pansharpkit(*args)
    assert done.code == 0, done.stderr
    said = " ".join(done.stderr.split())
    assert "no overlap of spectral ranges: the PAN of eo1_ali sees none of the bands of" in said
    assert "(1930-2476 nm)" in said
    none = pansharpkit(*args, "--overwrite", "--outside-pan", "skip")
    assert none.code == 2
    assert "b0, b1, b2, b3, b4, b5 and 34 more; choose" in " ".join(none.stderr.split())
    other = pansharpkit("info", pair.pan, pair.cube, "--guide-sensor", "sentinel2a_msi", "--json")
    assert "sentinel2a_msi has none; name the preset of the PAN" in other.stdout


def test_without_presets_the_pair_itself_is_asked(pair: CubePair, tmp_path: Path) -> None:
    out = tmp_path / "fused.tif"
    done = pansharpkit("fuse", pair.ms, pair.cube, "-o", out, "--no-report", "--json")
    assert done.code == 0, done.stderr
    assert "are estimated from the pair" in " ".join(done.stderr.split())
    assert error(read(out), pair.truth) < 0.5 * error(interpolated(pair), pair.truth)


def test_a_guide_in_other_units_is_fitted(pair: CubePair, tmp_path: Path) -> None:
    write(tmp_path / "radiance.tif", read(pair.ms) * 0.31, MS, FINE)
    out = tmp_path / "fused.tif"
    done = pansharpkit("fuse", tmp_path / "radiance.tif", pair.cube, *S2, "-o", out, "--json")
    assert done.code == 0, done.stderr
    assert "times 0.31 (B02)" in " ".join(done.stderr.split())
    assert error(read(out), pair.truth) < 0.35 * error(interpolated(pair), pair.truth)


def test_methods_are_compared_one_scale_down(pair: CubePair) -> None:
    done = pansharpkit("evaluate", pair.ms, pair.cube, *S2, "-m", "gsa-hs,fuse", "--json")
    assert done.code == 0, done.stderr
    assert [row["method"] for row in done.json] == ["gsa-hs", "fuse"]
    assert all(row["sam_deg"] < 8 and row["psnr_db"] > 20 for row in done.json)


def test_a_fused_cube_is_judged_by_its_truth_and_by_its_pair(
    pair: CubePair, tmp_path: Path
) -> None:
    out = tmp_path / "fused.img"
    pansharpkit("fuse", pair.ms, pair.cube, *S2, "-o", out, "--no-report")
    against = ("evaluate", "--reference", pair.reference, "--fused", out, "--ratio", "4")
    done = pansharpkit(*against, "--plot", tmp_path / "bands.png", "--json")
    assert done.code == 0, done.stderr
    assert (tmp_path / "bands.png").read_bytes()[:4] == b"\x89PNG"
    assert done.json["sam_deg"] < 3
    bands = done.json["per_band"]
    assert len(bands) == len(CENTRES)
    assert set(bands["band 1 (430 nm)"]) == {"rmse", "psnr_db", "q", "ssim"}
    for name, code in (("bands.png", 2), ("bands.gif", 2)):  # one is there, one is no picture
        assert pansharpkit(*against, "--plot", tmp_path / name).code == code
    done = pansharpkit("assess", "--fused", out, "--guide", pair.ms, "--cube", pair.cube, *S2,
                       "--json")  # fmt: skip
    assert done.code == 0, done.stderr
    assert done.json["guide_correlation"] > 0.99


def test_the_protocol_draws_a_curve_for_each_method(pair: CubePair, tmp_path: Path) -> None:
    plot = tmp_path / "bands.svg"
    done = pansharpkit("evaluate", pair.ms, pair.cube, *S2, "-m", "fuse,gsa-hs", "--plot", plot,
                       "--json")  # fmt: skip
    assert done.code == 0, done.stderr
    assert [len(row["per_band"]) for row in done.json] == [len(CENTRES)] * 2
    drawn = plot.read_text()
    for words in ("wavelength, nm", "RMSE", "gsa-hs"):
        assert f"<!-- {words}" in drawn


def test_info_calls_the_sides_of_a_cube_guide_and_target(pair: CubePair) -> None:
    found = pansharpkit("info", pair.ms, pair.cube, *S2, "--json").json
    assert (found["guide"], found["target"]) == ("ms.tif", "cube.tif")
    assert (found["guide_size"], found["target_size"]) == ([80, 96], [20, 24])
    assert found["guide_bands"] == list(MS)
    assert not {"pan", "ms", "pan_size", "ms_size"} & set(found)
    assert set(found["nodata"]) == {"guide", "target"}


def test_files_that_do_not_say_where_they_lie_share_their_corners(
    pair: CubePair, tmp_path: Path
) -> None:
    coarse = coarse_of(pair.truth)
    savemat(tmp_path / "cube.mat", {"HS": coarse.transpose(1, 2, 0)})
    savemat(tmp_path / "guide.mat", {"MS": read(pair.ms).transpose(1, 2, 0)})
    out = tmp_path / "fused.tif"
    done = pansharpkit("fuse", tmp_path / "guide.mat", tmp_path / "cube.mat", "-o", out,
                       "-m", "gsa-hs", "--json")  # fmt: skip
    assert done.code == 0, done.stderr
    assert "share their corners" in " ".join(done.stderr.split())
    assert (tmp_path / "fused.report.html").exists()
    with rasterio.open(out) as dataset:
        assert dataset.crs is None
        assert (dataset.count, dataset.height, dataset.width) == pair.truth.shape
    against = pansharpkit("evaluate", "--reference", pair.reference, "--fused", out, "--ratio", "4",
                          "--json")  # fmt: skip
    assert against.json["sam_deg"] < 10


NAMES = tuple(f"b{i}" for i in range(len(CENTRES)))
COARSE = FINE @ Affine.scale(RATIO)


def other(pair: CubePair, path: Path, **made: object) -> Path:
    """Write another cube, different from the pair's in what is given."""
    values = {"values": coarse_of(pair.truth), "names": NAMES, "transform": COARSE,
              "centres": CENTRES}  # fmt: skip
    return write(path, **{**values, **made})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def bad(pair: CubePair, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bad")
    dark = tuple(1500.0 + 20 * i for i in range(40))
    made: dict[str, dict[str, object]] = {
        "dead": {"values": np.full((40, 24, 20), -32768.0)},
        "infrared": {"centres": dark},
        "elsewhere": {"transform": COARSE @ Affine.translation(900, 0)},
        "nameless": {"centres": None},
    }
    found = {name: other(pair, folder / f"{name}.tif", **what) for name, what in made.items()}
    return {**found, "ms": pair.ms, "pan": pair.pan, "cube": pair.cube, "truth": pair.reference}


FAULTS: dict[str, tuple[int, tuple[str, ...], tuple[str, ...]]] = {
    "swapped": (4, ("cube", "ms"), ("cube.tif", "swapped")),
    "ratio 1": (4, ("ms", "truth"), ("truth.tif", "swapped")),
    "all dead": (4, ("ms", "dead"), ("dead.tif",)),
    "ranges apart": (4, ("ms", "infrared", *S2), ("no overlap of spectral ranges", "B02")),
    "ground apart": (4, ("ms", "elsewhere"), ("elsewhere.tif", "do not overlap")),
    "no wavelengths": (
        4, ("ms", "nameless", "--sensor", "sentinel2a_msi"), ("nameless.tif", "40 bands", "13"),
    ),
    "guide's preset": (4, ("ms", "cube", "--guide-sensor", "nikon_d700_cave"), ("ms.tif", "nikon")),
    "no method": (2, ("ms", "cube", "-m", "fuze"), ("fuze",)),
    "method for PAN": (2, ("ms", "cube", "-m", "brovey"), ("brovey", "4 bands", "gsa-hs")),
    "auto": (2, ("ms", "cube", "-m", "auto"), ("auto", "4 bands", "gsa-hs")),
    "guide band": (2, ("ms", "cube", "--guide-bands", "B99"), ("--guide-bands B99",)),
    "guide of PAN and MS": (2, ("pan", "ms", *ALI), ("--guide-sensor",)),
    "no model": (4, ("ms", "cube", "--model", "missing.json"), ("missing.json",)),
    "size": (2, ("ms", "cube", "--mat-size", "12"), ("--mat-size '12'",)),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_input_is_refused_in_one_line(bad: dict[str, Path], tmp_path: Path, fault: str) -> None:
    code, args, said = FAULTS[fault]
    done = pansharpkit("fuse", *(bad.get(arg, arg) for arg in args), "-o", tmp_path / "f.tif")
    lines = [line for line in done.lines if not line.startswith("warning")]
    assert (done.code, len(lines)) == (code, 1), done.stderr
    assert "bug" not in lines[0]
    for words in said:
        assert words in lines[0]
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_other_bands_is_refused(pair: CubePair, tmp_path: Path) -> None:
    model = tmp_path / "model.json"
    done = pansharpkit("estimate", pair.ms, pair.cube, "-o", model, "-m", "ridge", "--json")
    assert done.code == 0, done.stderr
    out = tmp_path / "fused.tif"
    good = pansharpkit("fuse", pair.ms, pair.cube, "--model", model, "-o", out, "--no-report")
    assert good.code == 0, good.stderr
    renamed = other(pair, tmp_path / "other.tif")
    bad = pansharpkit("fuse", pair.ms, renamed, "--model", model, "-o", tmp_path / "no.tif")
    assert bad.code == 4
    assert "the model knows no band b0" in bad.stderr
