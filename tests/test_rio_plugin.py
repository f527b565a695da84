"""`rio pansharpkit`: the same program, through rasterio's command line."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from command_line import ROOT, Outcome, environment
from rasters import Pair, make_pair

pytest.importorskip("click")
RIO = """
from rasterio.rio.main import main_group
from pansharpkit_cli.rio import plugin
main_group.add_command(plugin)
main_group(prog_name="rio")
"""


def rio(*words: object) -> Outcome:
    """Run rasterio's command line with the plugin, installed or not."""
    done = subprocess.run(
        [sys.executable, "-c", RIO, *map(str, words)],
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("pair"))


def test_it_fuses(pair: Pair, tmp_path: Path) -> None:
    output = tmp_path / "fused.tif"
    done = rio("-v", "pansharpkit", "fuse", pair.pan, pair.ms, "-o", output, "-m", "exp",
               "--no-report", "--json")  # fmt: skip
    assert done.code == 0, done.stderr
    assert done.json["output"] == str(output)
    assert output.exists()


def test_options_help_and_exit_codes_pass_through(tmp_path: Path) -> None:
    assert "Usage: pansharpkit fuse" in rio("pansharpkit", "fuse", "--help").stdout
    missing = rio("pansharpkit", "fuse", tmp_path / "a.tif", tmp_path / "b.tif", "-o", "c.tif")
    assert missing.code == 4
    assert len(missing.lines) == 1
    assert rio("pansharpkit", "fuse", "--nonsense").code == 2


def test_rio_lists_it() -> None:
    assert "Pansharpening and image fusion." in rio("--help").stdout


def test_the_entry_point_is_this_command() -> None:
    file = ROOT / "pyproject.toml"
    if not file.exists():
        pytest.skip("the settings of the project are not part of the package")
    points = tomllib.loads(file.read_text(encoding="utf-8"))["project"]["entry-points"]
    module, _, name = points["rasterio.rio_plugins"]["pansharpkit"].partition(":")
    assert getattr(import_module(module), name).name == "pansharpkit"
