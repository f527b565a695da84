"""Images that cannot be blended or restored, through the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from command_line import Outcome, pansharpkit
from rasters import ORIGIN, write_geotiff
from same_images import smooth, write_picture

A, B = smooth(seed=1), smooth(seed=2)
RGB = np.stack([smooth(seed=seed) for seed in (3, 4, 5)])
Fault = tuple[int, tuple[str, ...], Callable[[Path], Sequence[object]]]


def tif(
    folder: Path, name: str, values: np.ndarray = A, *where: Affine | None, **how: object
) -> Path:
    return write_geotiff(folder / name, values, *where, **how)  # type: ignore[arg-type]


def png(folder: Path, name: str, values: np.ndarray = A) -> Path:
    return write_picture(folder / name, values)


def cut(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-200])
    return path


def text(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content)
    return path


def holes(values: np.ndarray, where: slice) -> np.ndarray:
    found = values.astype(np.float32)
    found[:, where] = np.nan
    return found


FAULTS: dict[str, Fault] = {
    "one image": (2, ("at least two",), lambda p: (png(p, "a.png"),)),
    "other sizes": (
        4, ("a.png", "b.png", "64 x 48", "32 x 48", "one size"),
        lambda p: (png(p, "a.png"), png(p, "b.png", B[:, :32])),
    ),
    "other sizes, aligned": (
        4, ("without a georeference must be of one size",),
        lambda p: (png(p, "a.png"), png(p, "b.png", B[:, :32]), "--align"),
    ),
    "another grid": (
        4, ("b.tif", "pixels apart", "--align"),
        lambda p: (tif(p, "a.tif"), tif(p, "b.tif", B, ORIGIN @ Affine.translation(0.5, 0))),
    ),
    "another CRS": (
        4, ("different CRS", "--align"),
        lambda p: (tif(p, "a.tif"), tif(p, "b.tif", B, ORIGIN, crs="EPSG:32631")),
    ),
    "no CRS": (
        4, ("b.tif", "declares no CRS", "--assume-crs"),
        lambda p: (tif(p, "a.tif"), tif(p, "b.tif", B, ORIGIN, crs=None)),
    ),
    "one without a georeference": (
        4, ("b.png does not say where it lies", "a.tif"),
        lambda p: (tif(p, "a.tif"), png(p, "b.png", B)),
    ),
    "apart": (
        4, ("b.tif does not overlap a.tif",),
        lambda p: (tif(p, "a.tif"), tif(p, "b.tif", B, ORIGIN @ Affine.translation(99, 0)),
                   "--align"),
    ),
    "no CRS to be aligned in": (
        4, ("no CRS", "--assume-crs"),
        lambda p: (tif(p, "a.tif", crs=None),
                   tif(p, "b.tif", B, ORIGIN @ Affine.translation(9, 0), crs=None), "--align"),
    ),
    "numbers of bands": (
        2, ("a.tif has 4, b.tif has 1", "--bands"),
        lambda p: (tif(p, "a.tif", np.stack([A, B, A, B])), tif(p, "b.tif")),
    ),
    "a band that is not there": (
        2, ("--bands 9",), lambda p: (png(p, "a.png", RGB), png(p, "b.png", RGB), "--bands", "9"),
    ),
    "more lists of bands than images": (
        2, ("--bands was given 3 times for 2 images",),
        lambda p: (png(p, "a.png", RGB), png(p, "b.png", RGB), *("--bands", "1") * 3),
    ),
    "colour of grey": (
        2, ("--colour-from B", "b.png has one band"),
        lambda p: (png(p, "a.png", RGB), png(p, "b.png"), "--colour-from", "B"),
    ),
    "colour of nobody": (
        2, ("--colour-from Q", "A, B, or none"),
        lambda p: (png(p, "a.png", RGB), png(p, "b.png"), "--colour-from", "Q"),
    ),
    "unknown match": (
        2, ("--match 'half'",), lambda p: (png(p, "a.png"), png(p, "b.png"), "--match", "half"),
    ),
    "method of another task": (
        2, ("gsa is a method of `pansharpkit fuse`",),
        lambda p: (png(p, "a.png"), png(p, "b.png"), "-m", "gsa"),
    ),
    "unknown method": (2, ("'blur'",), lambda p: (png(p, "a.png"), png(p, "b.png"), "-m", "blur")),
    "all nodata": (
        4, ("b.tif", "holds no data"),
        lambda p: (tif(p, "a.tif"), tif(p, "b.tif", np.full_like(A, 7), nodata=7)),
    ),
    "nothing valid in both": (
        4, ("no pixel is valid in both",),
        lambda p: (tif(p, "a.tif", holes(A, slice(0, 40))),
                   tif(p, "b.tif", holes(B, slice(30, 64)))),
    ),
    "all transparent": (
        4, ("no pixel is valid in both",),
        lambda p: (png(p, "a.png"), png(p, "b.png", np.stack([B, np.zeros_like(B)]))),
    ),
    "palette in a TIFF": (
        4, ("b.tif", "palette"),
        lambda p: (png(p, "a.png"), write_picture(p / "b.tif", B, colours={1: (1, 2, 3, 255)})),
    ),
    "complex": (
        4, ("b.tif", "complex64"), lambda p: (tif(p, "a.tif"), tif(p, "b.tif", B.astype("c8"))),
    ),
    "truncated PNG": (
        4, ("b.png", "truncated"), lambda p: (png(p, "a.png"), cut(png(p, "b.png"))),
    ),
    "truncated TIFF": (
        4, ("b.tif", "truncated"), lambda p: (tif(p, "a.tif"), cut(tif(p, "b.tif", B))),
    ),
    "HTML called PNG": (
        4, ("b.png", "HTML"),
        lambda p: (png(p, "a.png"), text(p, "b.png", "<!doctype html><title>Sign in</title>")),
    ),
    "VRT called PNG": (
        4, ("b.png", "virtual raster"),
        lambda p: (png(p, "a.png"), text(p, "b.png", "<VRTDataset/>")),
    ),
    "GIF": (4, ("b.gif", "suffix"), lambda p: (png(p, "a.png"), text(p, "b.gif", "GIF89a"))),
    "not there": (4, ("b.png", "No such file"), lambda p: (png(p, "a.png"), p / "b.png")),
    "a URL": (4, ("--allow-remote",), lambda p: (png(p, "a.png"), "https://example.invalid/b.png")),
    "too many pixels": (
        4, ("at most 99",), lambda p: (png(p, "a.png"), png(p, "b.png"), "--max-pixels", "99"),
    ),
    "bounds elsewhere": (
        2, ("--bounds",), lambda p: (tif(p, "a.tif"), tif(p, "b.tif", B), "--bounds", "0,0,1,1"),
    ),
    "type without a number": (
        2, ("--dtype",), lambda p: (png(p, "a.png"), png(p, "b.png"), "--dtype", "complex64"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_fault(tmp_path: Path, name: str) -> None:
    code, said, inputs = FAULTS[name]
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    given = inputs(tmp_path / "in")
    method = () if "-m" in given else ("-m", "mean")
    done = pansharpkit("blend", *given, *method, "-o", tmp_path / "out" / "o.tif", "--no-report")
    assert_refused(done, code, said)
    assert list((tmp_path / "out").iterdir()) == []


def assert_refused(done: Outcome, code: int, said: Sequence[str]) -> None:
    errors = [line for line in done.lines if line.startswith("error")]
    assert done.code == code, done.stderr
    assert len(errors) == 1
    assert "bug" not in errors[0]
    for part in said:
        assert part in errors[0]


OUTPUTS: dict[str, Fault] = {
    "output is an input": (2, ("is the input",), lambda p: (p / "in" / "a.png", "--overwrite")),
    "output exists": (2, ("exists", "--overwrite"), lambda p: (png(p / "out", "o.png"),)),
    "folder is missing": (1, ("does not exist",), lambda p: (p / "nowhere" / "o.png",)),
    "format unknown": (2, (".gif", ".tif", ".png"), lambda p: (p / "out" / "o.gif",)),
    "floats in a PNG": (
        2, ("PNG", "float32", "--dtype"), lambda p: (p / "out" / "o.png", "--dtype", "float32"),
    ),
    "16 bits in a JPEG": (
        2, ("JPEG", "uint16"), lambda p: (p / "out" / "o.jpg", "--dtype", "uint16"),
    ),
    "creation option of another driver": (
        2, ("COMPRESS",), lambda p: (p / "out" / "o.png", "--co", "COMPRESS=LZW"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OUTPUTS)
def test_output_fault(tmp_path: Path, name: str) -> None:
    code, said, outputs = OUTPUTS[name]
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    a, b = png(tmp_path / "in", "a.png"), png(tmp_path / "in", "b.png", B)
    before = a.read_bytes()
    output, *more = outputs(tmp_path)
    listed = sorted(tmp_path.rglob("*"))
    done = pansharpkit("blend", a, b, "-m", "mean", "-o", output, "--no-report", *more)
    assert_refused(done, code, said)
    assert sorted(tmp_path.rglob("*")) == listed
    assert a.read_bytes() == before
