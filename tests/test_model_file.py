"""Models written and read, and files that are none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pansharpkit.errors import (
    FileReadError,
    MetadataError,
    OptionError,
    OutputError,
    SensorError,
)
from pansharpkit.model import ObservationModel, Psf
from pansharpkit.model_file import ModelFile, read_model, write_model

ROWS = ((0.5, 0.25, 0.25), (0.0, 0.1, 0.9))
MODEL = ModelFile(
    ObservationModel(ROWS, Psf(((0.25, 0.25), (0.25, 0.25)), (0.1, -0.2))),
    ("green", "red"),
    ("1", "2", "3"),
    (550.0, 560.0, None),
    (4.0, 4.0),
    "filters",
    (0.01, 0.02),
    ((0.0, 0.0, 0.1), (0.0, 0.0, 0.0)),
    {"inputs": ["guide.tif", "cube.hdr"]},
)


def _written(folder: Path, **changes: object) -> Path:
    path = folder / "model.json"
    write_model(path, MODEL)
    document = json.loads(path.read_text())
    for key, value in changes.items():
        if value is None:
            del document[key]
        else:
            document[key] = value
    path.write_text(json.dumps(document))
    return path


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    write_model(path, MODEL)
    assert read_model(path) == MODEL
    assert list(tmp_path.iterdir()) == [path]
    gaussian = replace(MODEL, model=ObservationModel(ROWS))
    write_model(path, gaussian, overwrite=True)
    assert read_model(path).model.psf is None


def test_what_exists_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text("mine")
    with pytest.raises(OptionError, match=r"model\.json exists; pass --overwrite"):
        write_model(path, MODEL)
    assert path.read_text() == "mine"
    with pytest.raises(OutputError, match="cannot be written"):
        write_model(tmp_path / "nowhere" / "model.json", MODEL)


def test_bands_of_a_scene_by_name() -> None:
    found = MODEL.for_bands(("red",), ("3", "1"))
    assert found.srf == ((0.9, 0.0),)
    assert found.psf == MODEL.model.psf
    with pytest.raises(SensorError, match="no guide band nir: it was made for green, red"):
        MODEL.for_bands(("nir",), ("1",))
    with pytest.raises(SensorError, match="no band 7, 8: it was made for 1, 2, 3"):
        MODEL.for_bands(("red",), ("1", "7", "8"))


def test_missing_broken_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(FileReadError, match=r"nowhere\.json: there is no such model"):
        read_model(tmp_path / "nowhere.json")
    with pytest.raises(FileReadError, match="not a file"):
        read_model(tmp_path)
    path = tmp_path / "model.json"
    for text in ("{", "", "[" * 100_000):
        path.write_text(text)
        with pytest.raises(FileReadError, match="cannot be read as JSON"):
            read_model(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileReadError, match="cannot be read as JSON"):
        read_model(path)
    for text in ("3", "{}", '{"schema": "other"}'):
        path.write_text(text)
        with pytest.raises(MetadataError, match="not a model written by `pansharpkit estimate`"):
            read_model(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "version 2 of the model, this release reads 1"),
        ({"srf": None}, "srf: Field required"),
        ({"extra": 1}, "extra: Extra inputs"),
        ({"srf": [[0.1, 0.2, 0.3], [0.1, "x", 0.3]]}, r"srf\.1\.1: "),
        ({"srf": [[0.1, 0.2, 0.3], [0.1, 0.3]]}, "must be a table"),
        ({"srf": [[0.1, 0.2, 0.3]]}, "1 x 3 values of the SRF for 2 guide bands and 3 bands"),
        ({"bands": ["1", "2"]}, "2 x 3 values of the SRF for 2 guide bands and 2 bands"),
        ({"centers_nm": [1.0]}, "wavelengths or residuals do not go"),
        ({"centers_nm": [550.0, -1.0, None]}, r"centers_nm\.1: "),
        ({"ratio": [1.0, 4.0]}, r"ratio\.0: .*greater than 1"),
        ({"srf": [[0.1, 0.2, 0.3], [0, 0, 0]]}, "the SRF of .* is zero everywhere"),
        ({"srf": [[1e300, 0.2, 0.3], [0.1, 0, 0]]}, r"srf\.0\.0: "),
        ({"psf": {"values": [[0.2]], "shift": [0, 0]}}, "sum of 1"),
        ({"psf": {"values": [[1.0]], "shift": [1e6, 0]}}, r"psf\.shift\.0: "),
        ({"psf": {"values": [[1.0, 0.0]], "shift": [0, 0]}}, "square"),
    ],
)
def test_bad_figures_are_named(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(MetadataError, match=rf"model\.json: {message}|{message}") as caught:
        read_model(_written(tmp_path, **changes))
    assert "\n" not in str(caught.value)


def test_infinite_figures(tmp_path: Path) -> None:
    path = _written(tmp_path)
    path.write_text(path.read_text().replace("0.25, 0.25]", "NaN, 0.25]", 1))
    with pytest.raises(MetadataError, match="finite"):
        read_model(path)


def test_parts_that_do_not_fit() -> None:
    with pytest.raises(OptionError, match="2 x 3 values of the SRF for 1 guide bands"):
        replace(MODEL, guide_bands=("green",))
