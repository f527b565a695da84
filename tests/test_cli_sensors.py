from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pansharpkit.errors import OptionError, OutputError, SensorError
from pansharpkit_cli.sensors import app

runner = CliRunner()


@pytest.fixture(autouse=True)
def empty_user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANSHARPKIT_SENSORS", str(tmp_path / "user"))


def test_list_as_json_is_nothing_but_json() -> None:
    result = runner.invoke(app, ["list", "--json"])
    assert result.exit_code == 0
    rows = json.loads(result.stdout)
    assert len(rows) == 47
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    assert {"id", "name", "aliases", "path"} == rows[0].keys()


def test_list_as_table() -> None:
    result = runner.invoke(app, ["list"])
    assert result.exit_code == 0
    assert "landsat8_oli" in result.stdout


def test_show_as_json() -> None:
    result = runner.invoke(app, ["show", "LC08", "--json"])
    assert result.exit_code == 0
    shown = json.loads(result.stdout)
    assert shown["id"] == "landsat8_oli"
    assert shown["pan"]["name"] == "B8"
    assert [band["name"] for band in shown["bands"]][:3] == ["B1", "B2", "B3"]
    assert shown["bands"][1]["mtf"] == 0.55
    assert shown["srf"]["B8"]["equivalent_width_nm"] == pytest.approx(161, abs=0.2)
    assert "mtf" in shown["unverified"]


def test_show_marks_defaults_and_what_nobody_checked() -> None:
    text = runner.invoke(app, ["show", "LC08"]).stdout
    assert "0.3*" in text
    assert "unverified" in text


def test_show_shortens_long_band_lists() -> None:
    text = runner.invoke(app, ["show", "hyperion"]).stdout
    assert "242 bands" in text
    assert "…" in text
    assert "│ 100 " not in text


def test_unknown_sensor() -> None:
    result = runner.invoke(app, ["show", "nothing"])
    assert isinstance(result.exception, SensorError)
    assert result.stdout == ""


def test_plot(tmp_path: Path) -> None:
    from matplotlib.image import imread

    target = tmp_path / "wv3.png"
    result = runner.invoke(app, ["plot", "WV3", "-o", str(target)])
    assert result.exit_code == 0, result.output
    picture = np.asarray(imread(target))[..., :3]
    height, width = picture.shape[:2]
    assert (height, width) == (750, 1650)
    colours = {tuple(np.rint(255 * rgb).astype(int)) for rgb in picture.reshape(-1, 3)[::7]}
    assert (0xE3, 0x1A, 0x1C) in colours  # the red band's line
    assert (0xD9, 0xD9, 0xD9) in colours  # PAN in grey


def test_plot_refuses_to_overwrite(tmp_path: Path) -> None:
    target = tmp_path / "l8.png"
    target.write_bytes(b"mine")
    result = runner.invoke(app, ["plot", "L8", "-o", str(target)])
    assert isinstance(result.exception, OptionError)
    assert target.read_bytes() == b"mine"
    assert runner.invoke(app, ["plot", "L8", "-o", str(target), "--overwrite"]).exit_code == 0
    assert target.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["missing/l8.png", "l8.xyz"])
def test_plot_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    result = runner.invoke(app, ["plot", "L8", "-o", str(tmp_path / name)])
    assert isinstance(result.exception, OutputError)
    assert not list(tmp_path.rglob("l8.*"))


def test_plot_without_responses(tmp_path: Path) -> None:
    result = runner.invoke(app, ["plot", "hyperion", "-o", str(tmp_path / "h.png")])
    assert isinstance(result.exception, SensorError)
    assert not (tmp_path / "h.png").exists()


def test_importing_the_commands_is_light() -> None:
    code = (
        "import sys, pansharpkit_cli.sensors\n"
        "heavy = {'torch', 'matplotlib', 'numpy', 'pydantic', 'rasterio'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    paths = os.pathsep.join(path for path in sys.path if path)
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": paths}
    )
