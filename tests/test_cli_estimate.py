"""`pansharpkit estimate`: a model from two files, its picture, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from command_line import pansharpkit
from hs_pairs import CENTRES, GUIDE, ground, guide_srf, pair_of
from hs_products import listed, write_envi
from rasters import write_geotiff

from pansharpkit.model_file import read_model
from pansharpkit.sampling import Sampling

FINE = Affine(7.5, 0, 605_000, 0, -7.5, 4_745_000)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("pair")
    pair = pair_of(Sampling.edge_aligned(4), ground())
    guide = write_geotiff(folder / "guide.tif", _counts(pair.guide), FINE, names=GUIDE)
    entries = {"wavelength": listed(CENTRES)}
    return guide, write_envi(folder / "cube.img", _counts(pair.target), entries=entries)


def _counts(values: object) -> np.ndarray:
    return np.rint(10_000 * np.asarray(values)).astype(np.uint16)


def test_model_picture_and_summary(files: tuple[Path, Path], tmp_path: Path) -> None:
    output, plot = tmp_path / "model.json", tmp_path / "model.png"
    done = pansharpkit("estimate", *files, "-o", output, "--plot", plot, "--json")
    assert done.code == 0, done.stderr
    assert max(map(abs, done.json["psf centre (rows, cols), guide px"])) < 0.1
    assert max(done.json["residual"].values()) < 5e-3
    assert plot.read_bytes()[:4] == b"\x89PNG"
    found = read_model(output)
    assert found.guide_bands == GUIDE
    assert found.centers_nm == CENTRES
    assert found.ratio == (4.0, 4.0)
    assert found.provenance["inputs"] == [str(path) for path in files]
    rows, truth = np.array(found.model.srf), guide_srf().numpy()
    cosine = (rows * truth).sum(axis=1) / np.linalg.norm(rows, axis=1)
    assert (cosine / np.linalg.norm(truth, axis=1) > 0.97).all()


def test_cube_first(files: tuple[Path, Path], tmp_path: Path) -> None:
    for name, order in (("a.json", files), ("b.json", files[::-1])):
        assert pansharpkit("estimate", *order, "-o", tmp_path / name).code == 0
    assert read_model(tmp_path / "a.json") == read_model(tmp_path / "b.json")


def test_table_on_the_terminal(files: tuple[Path, Path], tmp_path: Path) -> None:
    done = pansharpkit("estimate", *files, "-o", tmp_path / "m.json", "--guide-sensor", "wv2")
    assert done.code == 0, done.stderr
    assert "residual" in done.stdout
    assert f"wrote {tmp_path / 'm.json'}" in done.stderr.replace("\n", "")


def test_nothing_is_replaced_unasked(files: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / "model.json"
    output.write_text("mine")
    done = pansharpkit("estimate", *files, "-o", output)
    assert done.code == 2
    assert "exists" in done.stderr
    away = pansharpkit("estimate", *files, "-o", tmp_path / "no" / "model.json")
    assert (away.code, "does not exist; create it first" in away.stderr) == (1, True)
    assert output.read_text() == "mine"
    assert pansharpkit("estimate", *files, "-o", output, "--overwrite").code == 0
    assert len(read_model(output).bands) == 48


def test_ways_are_listed(files: tuple[Path, Path], tmp_path: Path) -> None:
    done = pansharpkit("estimate", *files, "-o", tmp_path / "m.json", "-m", "magic")
    assert done.code == 2
    assert "there are filters" in done.stderr


def test_a_pair_too_small(tmp_path: Path) -> None:
    pair = pair_of(Sampling.edge_aligned(4), ground(side=20))
    guide = write_geotiff(tmp_path / "guide.tif", _counts(pair.guide), FINE, names=GUIDE)
    cube = write_envi(tmp_path / "cube.img", _counts(pair.target))
    done = pansharpkit("estimate", guide, cube, "-o", tmp_path / "m.json")
    assert done.code == 1
    assert "only 9 target pixels have valid surroundings" in done.stderr.replace("\n", " ")
    assert not (tmp_path / "m.json").exists()


def test_a_missing_file(files: tuple[Path, Path], tmp_path: Path) -> None:
    done = pansharpkit("estimate", files[0], tmp_path / "none.hdr", "-o", tmp_path / "m.json")
    assert done.code == 4
    assert "none.hdr" in done.stderr


@pytest.mark.parametrize(
    ("output", "plot", "code", "said"),
    [
        ("cube.img", None, 2, "ends in .json"),
        ("m.json", "x.foo", 2, "--plot x.foo: the name must end in .png"),
        ("m.json", "away/x.png", 1, "does not exist; create it first"),
    ],
)
def test_what_cannot_be_written_is_said_before_anything_is(
    files: tuple[Path, Path], output: str, plot: str | None, code: int, said: str
) -> None:
    folder = files[0].parent
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    more = () if plot is None else ("--plot", folder / plot)
    done = pansharpkit("estimate", *files, "-o", folder / output, *more, "--overwrite")
    assert done.code == code
    assert said in done.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
