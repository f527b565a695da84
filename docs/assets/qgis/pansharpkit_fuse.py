"""A QGIS Processing algorithm that sharpens rasters by calling the `pansharpkit` command.

The command runs in a process and, as a rule, an environment of its own: nothing has to be installed
into the Python of QGIS. In QGIS: Processing Toolbox, Python scripts, Add Script to Toolbox.
"""

from __future__ import annotations

import os
import queue
import shlex
import shutil
import subprocess
import threading

from qgis.core import (
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingException,
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)

DEFAULT = "default"
METHODS = (
    DEFAULT, "auto", "exp", "brovey", "ihs", "pca", "gs", "gsa", "bt-h", "bdsd", "bdsd-pc", "pracs",
    "sfim", "awlp", "mtf-glp", "mtf-glp-fs", "mtf-glp-hpm", "mtf-glp-hpm-r", "mtf-glp-hpm-h", "tv",
    "sirf", "scenenet", "gdd", "dip", "deep-decoder",
)  # fmt: skip
FOREIGN = ("PYTHONHOME", "PYTHONPATH", "GDAL_DATA", "GDAL_DRIVER_PATH", "PROJ_DATA", "PROJ_LIB")
"""Variables with which QGIS finds its own libraries, and another Python the wrong ones."""
POLL_S = 0.2
KEPT = []
"""What QGIS calls after a run without counting as its user."""


class PansharpkitFuse(QgsProcessingAlgorithm):
    """Sharpen an MS raster with the PAN of the same ground."""

    def createInstance(self):  # noqa: N802
        """Return a new algorithm."""
        return PansharpkitFuse()

    def name(self):
        """Return the id."""
        return "pansharpkit_fuse"

    def displayName(self):  # noqa: N802
        """Return the name in the toolbox."""
        return "Pansharpen (pansharpkit)"

    def group(self):
        """Return the group in the toolbox."""
        return "pansharpkit"

    def groupId(self):  # noqa: N802
        """Return the id of the group."""
        return "pansharpkit"

    def shortHelpString(self):  # noqa: N802
        """Return what the dialog says beside the parameters."""
        return (
            "Fuses a PAN with the MS of the same ground into a GeoTIFF on the PAN's pixels. Beside "
            "it are a quality report and a style. The pansharpkit command must be installed; give "
            "its full path if it is not in the PATH of QGIS. Further options are those of "
            "'pansharpkit fuse --help', for instance --bounds or --correct-shift."
        )

    def initAlgorithm(self, config=None):  # noqa: N802
        """Declare the parameters."""
        del config
        raster = QgsProcessing.TypeRaster
        for parameter in (
            QgsProcessingParameterRasterLayer("PAN", "PAN"),
            QgsProcessingParameterMultipleLayers("MS", "MS: one raster, or one per band", raster),
            QgsProcessingParameterEnum(
                "METHOD", "Method", list(METHODS), defaultValue=DEFAULT, usesStaticStrings=True
            ),
            QgsProcessingParameterString("SENSOR", "Sensor preset", optional=True),
            QgsProcessingParameterString("OPTIONS", "Further options", optional=True),
            QgsProcessingParameterFile(
                "PROGRAM",
                "The pansharpkit command, if QGIS does not find it",
                optional=True,
                fileFilter="All files (*)",  # the default, *.*, refuses a name without a dot
            ),
            QgsProcessingParameterRasterDestination("OUTPUT", "Fused"),
        ):
            self.addParameter(parameter)

    def processAlgorithm(self, parameters, context, feedback):  # noqa: N802
        """Run the command and return the raster's path."""
        output = self.parameterAsOutputLayer(parameters, "OUTPUT", context)
        words = command(
            program(self.parameterAsString(parameters, "PROGRAM", context)),
            self.parameterAsRasterLayer(parameters, "PAN", context).source(),
            [layer.source() for layer in self.parameterAsLayerList(parameters, "MS", context)],
            output,
            self.parameterAsString(parameters, "METHOD", context),
            self.parameterAsString(parameters, "SENSOR", context),
            self.parameterAsString(parameters, "OPTIONS", context),
        )
        feedback.pushCommandInfo(shlex.join(words))
        run(words, feedback)
        if context.willLoadLayerOnCompletion(output):
            KEPT.append(Styled())
            context.layerToLoadOnCompletionDetails(output).setPostProcessor(KEPT[-1])
        return {"OUTPUT": output}


class Styled(QgsProcessingLayerPostProcessorInterface):
    """Gives the layer the style beside its file, without which Processing opens it."""

    def postProcessLayer(self, layer, context, feedback):  # noqa: N802
        """Load the style."""
        del context, feedback
        layer.loadDefaultStyle()


def program(given):
    """Return the path of the command: the one given, else the one in the path."""
    found = shutil.which(given or "pansharpkit")
    if found is None:
        raise QgsProcessingException(
            f"{given or 'pansharpkit'} is not a command that QGIS finds; install pansharpkit, and "
            "give the path of its command"
        )
    return found


def command(path, pan, ms, output, method="", sensor="", options=""):
    """Return the command line as words."""
    words = [path, "fuse", pan, *ms, "-o", output, "--qml", "--overwrite"]
    if method and method != DEFAULT:
        words += ["-m", method]
    if sensor:
        words += ["--sensor", sensor]
    try:
        return words + shlex.split(options or "")
    except ValueError as wrong:
        raise QgsProcessingException(f"further options, {options}: {wrong}") from wrong


def run(words, feedback):
    """Run a command, passing on its lines; end it if the user cancels."""
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env={**environment, "PYTHONUTF8": "1", "NO_COLOR": "1"},
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    lines = queue.Queue()
    reader = threading.Thread(target=_read, args=(process.stdout, lines), daemon=True)
    reader.start()
    said = []
    while reader.is_alive() or not lines.empty():
        if feedback.isCanceled():
            process.terminate()  # it leaves no unfinished file behind
        try:
            line = lines.get(timeout=POLL_S)
        except queue.Empty:
            continue
        said.append(line)
        feedback.pushInfo(line)
    code = process.wait()
    if feedback.isCanceled():
        raise QgsProcessingException("cancelled")
    if code:
        errors = [line for line in said if line.startswith("error")] or said[-1:]
        raise QgsProcessingException("\n".join(errors) or f"pansharpkit ended with code {code}")


def _read(stream, lines):
    with stream:
        for line in stream:
            lines.put(line.decode("utf-8", "replace").rstrip())
