"""What QGIS gets: the style beside a raster, and the Processing script."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any, cast

import defusedxml.ElementTree as ElementTree
import numpy as np
import pytest
import rasterio
from affine import Affine
from command_line import ROOT, environment, pansharpkit
from rasters import Pair, make_pair, write_geotiff

from pansharpkit.archive import qml
from pansharpkit.methods import REGISTRY, method_names
from pansharpkit.requested import AUTO

SCRIPT = ROOT / "docs" / "assets" / "qgis" / "pansharpkit_fuse.py"
needs_script = pytest.mark.skipif(not SCRIPT.exists(), reason="the docs are not in the package")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("pair"))


def fuse(pair: Pair, output: Path, *options: object) -> Any:
    return pansharpkit("fuse", pair.pan, pair.ms, "-o", output, "-m", "exp", "--no-report",
                       "--qml", *options)  # fmt: skip


def parsed(path: Path) -> Any:
    return ElementTree.parse(path, forbid_dtd=False).getroot()


# --- the style


def test_natural_colours_with_the_stretch_of_the_result(pair: Pair, tmp_path: Path) -> None:
    done = fuse(pair, tmp_path / "a.b.tif", "--band-names", "blue,green,red,nir", "--json")
    assert done.code == 0, done.stderr
    assert done.json["qml"] == str(tmp_path / "a.b.qml")  # where QGIS looks for it
    renderer = parsed(tmp_path / "a.b.qml").find("pipe/rasterrenderer")
    assert renderer.get("type") == "multibandcolor"
    assert [renderer.get(f"{c}Band") for c in ("red", "green", "blue")] == ["3", "2", "1"]
    assert renderer.findtext("minMaxOrigin/limits") == "None"
    with rasterio.open(tmp_path / "a.b.tif") as made:
        values = made.read(masked=True)
    for colour, band in (("red", 3), ("green", 2), ("blue", 1)):
        ends = renderer.find(f"{colour}ContrastEnhancement")
        found = [float(ends.findtext(name)) for name in ("minValue", "maxValue")]
        expected = np.percentile(values[band - 1].compressed(), [2, 98])
        spread = expected[1] - expected[0]
        np.testing.assert_allclose(found, expected, atol=0.02 * spread)


def test_one_band_is_grey_and_missing_pixels_do_not_count(tmp_path: Path) -> None:
    values = np.full((1, 64, 64), 0, np.uint16)
    values[0, 8:] = np.linspace(1000, 2000, 56 * 64).reshape(56, 64)
    path = write_geotiff(tmp_path / "a.tif", values, Affine.scale(2.0, -2.0), nodata=0)
    assert qml.write_style(path) == tmp_path / "a.qml"
    renderer = parsed(tmp_path / "a.qml").find("pipe/rasterrenderer")
    assert (renderer.get("type"), renderer.get("grayBand")) == ("singlebandgray", "1")
    ends = renderer.find("contrastEnhancement")
    assert float(ends.findtext("minValue")) == pytest.approx(1020, abs=2)
    assert float(ends.findtext("maxValue")) == pytest.approx(1980, abs=2)


def test_a_style_is_not_replaced_without_leave_nor_written_in_vain(
    pair: Pair, tmp_path: Path
) -> None:
    (tmp_path / "a.qml").write_text("mine")
    done = fuse(pair, tmp_path / "a.tif")
    assert (done.code, len(done.lines)) == (2, 1)
    assert "a.qml exists" in done.stderr
    assert not (tmp_path / "a.tif").exists()
    assert fuse(pair, tmp_path / "a.tif", "--overwrite").code == 0
    assert parsed(tmp_path / "a.qml").tag == "qgis"
    assert fuse(pair, tmp_path / "a.img").code == 2
    assert fuse(pair, tmp_path / "b.tif", "--dry-run").code == 0
    assert not (tmp_path / "b.qml").exists()


# --- the Processing script


class Stub:
    """A class of QGIS that takes anything."""

    TypeRaster = 3

    def __init__(self, *values: object, **named: object) -> None:
        self.values, self.named = values, named


class Algorithm:
    """What the script uses of QgsProcessingAlgorithm: parameters are what the test gave."""

    def __init__(self) -> None:
        self.added: list[Stub] = []

    def addParameter(self, parameter: Stub) -> None:  # noqa: N802
        self.added.append(parameter)

    def _given(self, parameters: dict[str, Any], name: str, context: object) -> Any:
        return parameters.get(name, "")

    parameterAsOutputLayer = parameterAsString = _given  # noqa: N815
    parameterAsRasterLayer = parameterAsLayerList = _given  # noqa: N815


class RefusedError(Exception):
    """QgsProcessingException."""


class Layer:
    def __init__(self, path: object) -> None:
        self._path = str(path)

    def source(self) -> str:
        return self._path


class Context:
    """What the script uses of QgsProcessingContext: one layer is opened after the run, or none."""

    def __init__(self, opened: str = "") -> None:
        self.opened, self.processor = opened, cast("Any", None)

    def willLoadLayerOnCompletion(self, layer: str) -> bool:  # noqa: N802
        return layer == self.opened

    def layerToLoadOnCompletionDetails(self, layer: str) -> Context:  # noqa: N802
        assert layer == self.opened
        return self

    def setPostProcessor(self, processor: Any) -> None:  # noqa: N802
        self.processor = processor


class Feedback:
    def __init__(self, cancelled: bool = False) -> None:
        self.cancelled, self.commands, self.lines = cancelled, [], []  # type: ignore[var-annotated]

    def isCanceled(self) -> bool:  # noqa: N802
        return self.cancelled

    def pushInfo(self, text: str) -> None:  # noqa: N802
        self.lines.append(text)

    def pushCommandInfo(self, text: str) -> None:  # noqa: N802
        self.commands.append(text)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script, as QGIS would import it."""
    core: Any = types.ModuleType("qgis.core")
    core.__getattr__ = lambda name: Stub
    core.QgsProcessingAlgorithm, core.QgsProcessingException = Algorithm, RefusedError
    monkeypatch.setitem(sys.modules, "qgis", types.ModuleType("qgis"))
    monkeypatch.setitem(sys.modules, "qgis.core", core)
    spec = importlib.util.spec_from_file_location("pansharpkit_fuse", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def a_program(folder: Path, text: str) -> Path:
    """Return a command made of shell."""
    path = folder / "pansharpkit"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@needs_script
def test_the_script_offers_the_methods_beside_pan_and_all_parameters(script: Any) -> None:
    beside_pan = [name for name in method_names("sharpen") if REGISTRY[name].guide == "pan"]
    assert set(beside_pan) <= set(script.METHODS)
    assert set(script.METHODS) - {script.DEFAULT, AUTO} <= set(method_names("sharpen"))
    algorithm = script.PansharpkitFuse().createInstance()
    algorithm.initAlgorithm()
    names = [parameter.values[0] for parameter in algorithm.added]
    assert names == ["PAN", "MS", "METHOD", "SENSOR", "OPTIONS", "PROGRAM", "OUTPUT"]
    by_name = {parameter.values[0]: parameter.named for parameter in algorithm.added}
    assert "(*)" in by_name["PROGRAM"]["fileFilter"]  # of QGIS: a file with a dot in its name
    assert "quality report" in algorithm.shortHelpString()


@needs_script
def test_the_script_fuses(
    script: Any, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = a_program(tmp_path, f'exec {sys.executable} -m pansharpkit_cli.app "$@"')
    output = tmp_path / "with blank.tif"
    given = {
        "PAN": Layer(pair.pan), "MS": [Layer(pair.ms)], "OUTPUT": str(output),
        "METHOD": "exp", "OPTIONS": "--no-report --bands '1, 2,3'", "PROGRAM": str(program),
    }  # fmt: skip
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(script, "FOREIGN", ("PROJ_LIB",))  # a checkout is found by PYTHONPATH
    feedback = Feedback()
    context = Context()
    found = script.PansharpkitFuse().processAlgorithm(given, context, feedback)
    assert found == {"OUTPUT": str(output)}
    assert context.processor is None
    with rasterio.open(output) as made:
        assert made.count == 3
    assert (tmp_path / "with blank.qml").exists()
    assert "--qml" in feedback.commands[0]
    given["MS"] = [Layer(tmp_path / "none.tif")]
    with pytest.raises(RefusedError, match=r"^error .*none\.tif"):
        script.PansharpkitFuse().processAlgorithm(given, context, feedback)


@needs_script
def test_a_layer_that_is_opened_gets_its_style(script: Any, tmp_path: Path) -> None:
    program = a_program(tmp_path, "true")
    given = {"PAN": Layer("p"), "MS": [Layer("m")], "OUTPUT": "o.tif", "PROGRAM": str(program)}
    context, styled = Context("o.tif"), []
    script.PansharpkitFuse().processAlgorithm(given, context, Feedback())
    layer = types.SimpleNamespace(loadDefaultStyle=lambda: styled.append(True))
    context.processor.postProcessLayer(layer, context, Feedback())
    assert styled == [True]
    assert context.processor in script.KEPT


@needs_script
def test_the_command_line_of_the_script(script: Any) -> None:
    words = script.command("p", "pan.tif", ["b.tif", "g.tif"], "out.tif")
    assert words == [
        "p",
        "fuse",
        "pan.tif",
        "b.tif",
        "g.tif",
        "-o",
        "out.tif",
        "--qml",
        "--overwrite",
    ]
    words = script.command("p", "a", ["b"], "c", "gsa", "wv2", '--bounds "1 2 3 4"')
    assert words[8:] == ["-m", "gsa", "--sensor", "wv2", "--bounds", "1 2 3 4"]
    with pytest.raises(RefusedError, match="further options, --bounds '1: No closing quotation"):
        script.command("p", "a", ["b"], "c", options="--bounds '1")


@needs_script
def test_the_script_leaves_the_libraries_of_qgis_out_and_can_be_cancelled(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", "/of/qgis")
    program = str(a_program(tmp_path, 'echo "home ${PYTHONHOME:-none}"; exit 3'))
    output = str(tmp_path / "o.tif")
    feedback = Feedback()
    with pytest.raises(RefusedError, match="home none"):
        script.run([program, "-o", output], feedback)
    assert feedback.lines == ["home none"]
    program = str(a_program(tmp_path, "exec sleep 60"))
    with pytest.raises(RefusedError, match="cancelled"):
        script.run([program, "-o", output], Feedback(cancelled=True))
    with pytest.raises(RefusedError, match="give the path"):
        script.program(str(tmp_path / "nowhere"))
    assert script.program(program) == program


@needs_script
def test_the_script_compiles_on_the_python_of_old_qgis(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "py_compile", str(SCRIPT)],
        env={**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 9))
