"""What people type by mistake: the line says what they may have meant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from command_line import pansharpkit
from fault_place import Fault, Place, assert_fails


def bands(place: Place, *names: str) -> list[Path]:
    pixels = place.ground.ms
    return [place.ms(f"{n}.tif", pixels[i : i + 1]) for i, n in enumerate(names)]


MISUSE: dict[str, Fault] = {
    "method almost right": (
        2, ("'mtf_glp_fs': did you mean mtf-glp-fs", "`pansharpkit methods`"),
        lambda p: (p.pan(), p.ms(), "-m", "mtf_glp_fs"),
    ),
    "method of no resemblance": (
        2, ("'zzz': `pansharpkit methods` lists all",), lambda p: (p.pan(), p.ms(), "-m", "zzz"),
    ),
    "option almost right": (
        2, ("no option iteration; did you mean iterations",),
        lambda p: (p.pan(), p.ms(), "-m", "gdd", "--option", "iteration=5"),
    ),
    "list with blanks": (
        2, ("3 is no file", "--bands 4,3,2"),
        lambda p: (p.pan(), p.ms(), "--bands", "4", "3"),
    ),
    "empty variable": (2, ("an input is empty",), lambda p: ("", p.ms())),
    "damping of nothing": (
        2, ("--damping goes with --back-projection",),
        lambda p: (p.pan(), p.ms(), "--damping", ".5"),
    ),
    "preset that is not there": (
        4, ("nope.toml: there is no such preset",),
        lambda p: (p.pan(), p.ms(), "--sensor", "./nope.toml"),
    ),
    "model that is not there": (
        4, ("nope.json: there is no such model", "estimate"),
        lambda p: (p.pan(), p.ms(), "--model", "nope.json"),
    ),
    "index almost right": (
        2, ("--min hqrn", "did you mean hqnr"), lambda p: (p.pan(), p.ms(), "--min", "hqrn=.9"),
    ),
    "band 0": (
        2, ("--bands 0: no such band", "numbered from 1"),
        lambda p: (p.pan(), p.ms(), "--bands", "0,1"),
    ),
    "colour of several bands": (
        2, ("--bands red: means several bands",),
        lambda p: (p.pan(), p.ms(names=("a red", "b red", "c", "d")), "--bands", "red,c"),
    ),
    "band file twice": (
        2, ("blue.tif is given twice",),
        lambda p: (p.pan(), *bands(p, "blue", "green"), p.inputs / "blue.tif"),
    ),
    "PAN among the bands": (
        2, ("pan.tif is given twice",),
        lambda p: (p.pan(), *bands(p, "blue", "green"), p.inputs / "pan.tif"),
    ),
    "PAN saved in colours": (
        4, ("rgb.tif", "gdal_translate -b 1"),
        lambda p: (p.pan("rgb.tif", np.repeat(p.ground.pan, 3, 0)), p.ms()),
    ),
    "degrees on a map in metres": (
        2, ("--bounds-crs EPSG:4326",), lambda p: (p.pan(), p.ms(), "--bounds", "-1.7,42,-1.6,43"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("misuse", MISUSE.values(), ids=MISUSE)
def test_misuse(misuse: Fault, place: Place) -> None:
    code, expected, prepare = misuse
    given: Sequence[object] = prepare(place)
    before = place.listing()
    options = [] if "-m" in given else ["-m", "exp"]
    report = [] if "--min" in given else ["--no-report"]
    outcome = pansharpkit("fuse", *given, "-o", place.output, *options, *report)
    assert_fails(outcome, code, *expected)
    assert place.listing() == before


def test_a_file_in_the_place_of_a_command() -> None:
    done = pansharpkit("pan.tif", "ms.tif", "-o", "x.tif")
    assert_fails(done, 2, "did you mean pansharpkit fuse pan.tif ms.tif -o x.tif?")


def test_a_file_in_the_place_of_a_folder(place: Place) -> None:
    taken = place.file("taken.tif", "mine")
    assert_fails(pansharpkit("demo", "--quick", "-o", taken), 2, "is a file; give a folder")


def test_a_question_ends_the_sentence() -> None:
    assert pansharpkit("fuze").stderr.endswith("'fuse'? See pansharpkit --help\n")


def test_a_sensor_of_another_ratio_is_doubted(place: Place) -> None:
    names = ("Blue", "Green", "Red", "NIR")
    pair = place.pan(), place.ms(names=names)
    doubted = place.fuse(*pair, options=("--sensor", "landsat8_oli"))
    assert "2 times" in doubted.stderr
    assert "this pair 4 times: is --sensor right?" in doubted.stderr
    right = place.fuse(*pair, options=("--sensor", "quickbird2", "--overwrite"))
    assert (right.code, "--sensor right?" in right.stderr) == (0, False)


def test_colours_in_the_names_of_files_are_the_bands_of_a_sensor(place: Place) -> None:
    files = bands(place, "rotterdam_blue", "rotterdam_red", "rotterdam_nir")
    done = place.fuse(place.pan(), *files, options=("--sensor", "worldview2", "--bands", "nir,red"))
    assert (done.code, done.stderr) == (0, "")
