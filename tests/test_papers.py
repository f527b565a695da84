"""The papers' protocols, on small files in the layout of their datasets."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
import scipy.io
import torch
from command_line import pansharpkit
from numpy.typing import NDArray

from pansharpkit.errors import FileReadError, InputError, OptionError
from pansharpkit.papers import DATASETS, PaperRun, benchmark, figures, observed, truths

RATIO = 8


def cube(bands: int, rows: int, cols: int, seed: int = 0) -> NDArray[np.float64]:
    """Return [rows, cols, bands] of three materials in smooth shares."""
    draws = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :cols]
    shares = np.exp([np.sin(y / a) + np.cos(x / b) for a, b in draws.uniform(3, 9, (3, 2))])
    shares /= shares.sum(axis=0)
    waves = np.linspace(0, 3, bands)
    spectra = [1 + np.sin(waves * k + k) / 2 for k in (1, 2, 3)]
    return np.einsum("mb,mrc->rcb", spectra, shares)


def write_cave(root: Path, scene: str, bands: int = 31, nested: bool = True) -> None:
    folder = root / f"{scene}_ms" / (f"{scene}_ms" if nested else "")
    folder.mkdir(parents=True)
    values = (cube(31, 40, 48) / 2 * 65535).astype(np.uint16)
    for number in range(1, bands + 1):
        path = folder / f"{scene}_ms_{number:02d}.png"
        profile = {"driver": "PNG", "height": 40, "width": 48, "count": 1, "dtype": "uint16"}
        with pytest.warns(), rasterio.open(path, "w", **profile) as dataset:
            dataset.write(values[:, :, number - 1], 1)
    (folder / f"{scene}_RGB.bmp").write_bytes(b"BM")


@pytest.fixture
def cave(tmp_path: Path) -> Path:
    write_cave(tmp_path, "balloons")
    write_cave(tmp_path, "beads", nested=False)
    return tmp_path


@pytest.fixture
def pavia(tmp_path: Path) -> Path:
    values = (cube(103, 44, 36) * 3000).astype(np.uint16)
    scipy.io.savemat(tmp_path / "PaviaU.mat", {"paviaU": values})
    return tmp_path


@pytest.fixture
def chikusei(tmp_path: Path) -> Path:
    values = (cube(128, 40, 48) * 3000).astype(np.int16)
    with h5py.File(tmp_path / "HyperspecVNIR_Chikusei_20140729.mat", "w") as file:
        file.attrs["MATLAB_class"] = b"struct"
        stored = file.create_dataset("chikusei", data=values.transpose(2, 1, 0))
        stored.attrs["MATLAB_class"] = np.bytes_("int16")
    return tmp_path


def test_cave_is_read_as_published(cave: Path) -> None:
    found = list(truths(DATASETS["cave"], cave, PaperRun(RATIO)))
    assert [truth.name for truth in found] == ["balloons", "beads"]
    assert found[0].values.shape == (31, 40, 48)
    assert np.abs(found[0].values - cube(31, 40, 48).transpose(2, 0, 1) / 2).max() < 2e-5
    assert found[0].centers_nm[::30] == (400, 700)


def test_pavia_is_read_and_cut_to_whole_blocks(pavia: Path) -> None:
    (found,) = truths(DATASETS["pavia"], pavia, PaperRun(RATIO))
    assert found.name == "PaviaU"
    assert found.values.shape == (103, 40, 32)
    wanted = (cube(103, 44, 36) * 3000).astype(np.uint16)[:40, :32].transpose(2, 0, 1)
    assert np.allclose(found.values, wanted / wanted.max())


def test_chikusei_is_read_from_a_window(chikusei: Path) -> None:
    run_ = PaperRun(RATIO, window=(8, 16, 17, 24))
    (found,) = truths(DATASETS["chikusei"], chikusei, run_)
    wanted = (cube(128, 40, 48) * 3000).astype(np.int16)[8:24, 16:40].transpose(2, 0, 1)
    assert np.allclose(found.values, wanted / wanted.max())
    assert None not in found.centers_nm


def test_the_pair_is_block_means_and_what_the_camera_sees(pavia: Path) -> None:
    (truth,) = truths(DATASETS["pavia"], pavia, PaperRun(RATIO))
    seen = observed(DATASETS["pavia"], truth, PaperRun(RATIO))
    means = truth.values.reshape(103, 5, RATIO, 4, RATIO).mean(axis=(2, 4))
    assert np.allclose(seen.target, means, atol=1e-5)
    assert seen.guide.shape == (4, 40, 32)
    assert seen.optics.model is not None
    srf = np.array(seen.optics.model.srf)
    assert np.allclose(srf.sum(axis=1), 1)
    assert np.allclose(seen.guide, np.einsum("gc,crw->grw", srf, truth.values), atol=1e-4)


def test_indices_are_those_of_the_8_bit_range() -> None:
    truth = torch.rand(5, 32, 32, generator=torch.Generator().manual_seed(0))
    fused = (truth * 0.8 + 0.1).double()
    found = figures(truth, fused, 32)
    error = (fused - truth) * 255
    assert found["rmse"] == pytest.approx(float(error.square().mean().sqrt()))
    per_band = 10 * torch.log10(255**2 / error.square().mean(dim=(1, 2)))
    assert found["psnr_db"] == pytest.approx(float(per_band.mean()))


def test_methods_are_compared_on_every_scene(cave: Path) -> None:
    rows = list(benchmark("cave", cave, ["exp", "fuse"], PaperRun(4)))
    assert [(row.scene, row.method) for row in rows] == [
        ("balloons", "exp"), ("balloons", "fuse"), ("beads", "exp"), ("beads", "fuse"),
        ("mean", "exp"), ("mean", "fuse"),
    ]  # fmt: skip
    assert rows[5].values["psnr_db"] > rows[4].values["psnr_db"]  # type: ignore[operator]
    assert rows[4].values["sam_deg"] == pytest.approx(
        (rows[0].values["sam_deg"] + rows[2].values["sam_deg"]) / 2  # type: ignore[operator]
    )


def test_nothing_is_given_away_to_the_blind(cave: Path) -> None:
    run = PaperRun(4, scenes=("beads",), window=(0, 0, 40, 40), blind=True)
    (truth,) = truths(DATASETS["cave"], cave, run)
    known = observed(DATASETS["cave"], truth, PaperRun(4))
    found = observed(DATASETS["cave"], truth, run)
    assert found.optics.model is not None
    assert found.optics.model != known.optics.model
    assert torch.equal(found.guide, known.guide)


def test_command_prints_a_table_and_json(pavia: Path) -> None:
    words = ["benchmark", "pavia", "--root", str(pavia), "-m", "exp,cnmf", "--ratio", "8", "-q"]
    shown = pansharpkit(*words)
    assert shown.code == 0
    assert "cnmf" in shown.stdout
    rows = pansharpkit(*words, "--json").json
    assert [row["method"] for row in rows] == ["exp", "cnmf"]
    assert set(rows[0]) == {
        "scene", "method", "psnr_db", "sam_deg", "ergas", "ssim", "rmse", "seconds",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("cave", "_ms_01.png"),
        ("chikusei", "HyperspecVNIR_Chikusei_20140729.mat"),
        ("pavia", "PaviaU.mat"),
    ],
)
def test_missing_files_are_told_with_what_was_expected(
    tmp_path: Path, name: str, told: str
) -> None:
    with pytest.raises(FileReadError, match=told):
        next(benchmark(name, tmp_path, ["exp"]))
    with pytest.raises(FileReadError, match="is no folder"):
        next(benchmark(name, tmp_path / "nowhere", ["exp"]))


def test_mistakes_are_told(pavia: Path, tmp_path: Path) -> None:
    def ask(*methods: str, **asked: object) -> None:
        list(benchmark("pavia", pavia, methods, PaperRun(**{"ratio": RATIO, **asked})))  # type: ignore[arg-type]

    with pytest.raises(OptionError, match="no scene Rome"):
        ask("exp", scenes=("Rome",))
    with pytest.raises(OptionError, match="does not fit"):
        ask("exp", window=(40, 0, 32, 32))
    with pytest.raises(OptionError, match="not one block"):
        ask("exp", ratio=64)
    with pytest.raises(OptionError, match="does not take a guide of 4"):
        ask("brovey")
    with pytest.raises(OptionError, match="different methods"):
        ask("exp", "exp")
    with pytest.raises(OptionError, match="no dataset"):
        next(benchmark("rome", tmp_path, ["exp"]))


def test_a_cube_with_other_bands_is_refused(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "PaviaU.mat", {"paviaU": cube(12, 40, 40)})
    with pytest.raises(InputError, match="12 live bands"):
        next(benchmark("pavia", tmp_path, ["exp"], PaperRun(RATIO)))


def test_missing_bands_of_cave_are_told(tmp_path: Path) -> None:
    write_cave(tmp_path, "toys", bands=30)
    with pytest.raises(FileReadError, match="toys_ms_31"):
        next(benchmark("cave", tmp_path, ["exp"], PaperRun(RATIO)))
    (tmp_path / "toys_ms" / "toys_ms" / "toys_ms_31.png").write_bytes(b"no picture")
    with pytest.raises(FileReadError, match="is damaged or no PNG"):
        next(benchmark("cave", tmp_path, ["exp"], PaperRun(RATIO)))
