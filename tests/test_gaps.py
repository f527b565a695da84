"""Frames of zeros that no file declares, and numbers that the output cannot hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from command_line import pansharpkit
from fault_place import Place

from pansharpkit.runs import RunOptions, RunResult, clipping


def framed(place: Place, *, nodata: float | None = None) -> tuple[object, object]:
    pixels = place.ground.ms.copy()
    pixels[:, :6] = 0
    return place.pan(), place.ms(values=pixels, nodata=nodata)


def test_a_frame_of_zeros_is_told(place: Place) -> None:
    pan, ms = framed(place)
    done = place.fuse(pan, ms)
    assert done.code == 0
    assert "ms.tif: 25% of the pixels are 0 in every band" in done.stderr
    assert "pan.tif" not in done.stderr
    assert "--nodata 0" in str(pansharpkit("info", pan, ms, "--json").json["notices"])


def test_a_frame_that_is_declared_is_not(place: Place) -> None:
    for options in ({"nodata": 0}, {}):
        done = place.fuse(
            *framed(place, **options), options=() if options else ("--nodata", "0", "--overwrite")
        )
        assert (done.code, done.stderr) == (0, "")


def test_clipping_says_where_and_what_keeps_it() -> None:
    found = RunResult({}, "cpu", 1, 100, 100, (0, 4), (1, 0), {}, ())
    (text,) = clipping(found, RunOptions(dtype="uint16"))
    assert "up to 4% of a band's pixels lie below what uint16 holds" in text
    assert "--dtype float32" in text
    assert clipping(replace(found, low=(0, 1)), RunOptions(dtype="uint16")) == ()


def test_few_zeros_are_measurements(place: Place) -> None:
    pixels = place.ground.ms.copy()
    pixels[:, 3, :7] = 0
    assert place.fuse(place.pan(), place.ms(values=pixels)).stderr == ""


@pytest.mark.parametrize(("dtype", "told"), [("uint16", True), ("float64", False)])
def test_rounding_of_reflectance_is_told(place: Place, dtype: str, told: bool) -> None:
    pair = place.pan(), place.ms(values=(place.ground.ms / 10_000).astype(np.float32))
    done = place.fuse(*pair, options=("--dtype", dtype))
    assert done.code == 0
    assert ("rounded to whole numbers" in done.stderr) is told
