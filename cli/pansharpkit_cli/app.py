"""The `pansharpkit` command: groups, global behaviour, exit codes."""

from __future__ import annotations

import logging
import os
import signal
import sys
import warnings
from types import FrameType
from typing import Any

import typer

from pansharpkit.errors import PansharpkitError, explained
from pansharpkit_cli import console
from pansharpkit_cli.assess import assess
from pansharpkit_cli.assess_blend import assess_blend
from pansharpkit_cli.batch import app as batch
from pansharpkit_cli.benchmark import benchmark
from pansharpkit_cli.blend import blend
from pansharpkit_cli.demo import demo
from pansharpkit_cli.denoise import denoise
from pansharpkit_cli.doctor import doctor
from pansharpkit_cli.estimate import estimate
from pansharpkit_cli.evaluate import evaluate
from pansharpkit_cli.fuse import fuse
from pansharpkit_cli.helping import Command, Group
from pansharpkit_cli.info import info
from pansharpkit_cli.methods import methods
from pansharpkit_cli.sensors import app as sensors

INTERRUPTED = 130

# Newer typers bring a click of their own: this base class is what all of them share.
_UsageError: Any = typer.BadParameter.__base__

app = typer.Typer(
    name="pansharpkit",
    cls=Group,
    help="Pansharpening and image fusion: real products in, georeferenced rasters and quality "
    "reports out.",
    no_args_is_help=True,
    add_completion=True,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "PANSHARPKIT"},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog="Exit codes: 0 done, 1 run-time failure, 2 usage, 3 batch ended with failures, "
    "4 bad or unsupported input, 5 quality gate failed, 130 interrupted.",
)
app.command("fuse", cls=Command)(fuse)
app.command("blend", cls=Command)(blend)
app.command("denoise", cls=Command)(denoise)
app.command("evaluate", cls=Command)(evaluate)
app.command("assess", cls=Command)(assess)
app.command("assess-blend", cls=Command)(assess_blend)
app.command("estimate", cls=Command)(estimate)
app.command("benchmark", cls=Command)(benchmark)
app.command("info", cls=Command)(info)
app.command("methods", cls=Command)(methods)
app.command("demo", cls=Command)(demo)
app.command("doctor", cls=Command)(doctor)
app.add_typer(batch, name="batch")
app.add_typer(sensors, name="sensors")


def _version(show: bool) -> None:
    if show:
        from importlib.metadata import version

        typer.echo(f"pansharpkit {version('pansharpkit')}")
        raise typer.Exit


def _versions(show: bool) -> None:
    if show:
        from pansharpkit.provenance import versions

        for name, number in versions().items():
            typer.echo(f"{name} {number}")
        raise typer.Exit


@app.callback()
def main_options(
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Log what happens, on stderr."),
    debug: bool = typer.Option(False, "--debug", help="Show tracebacks."),
    version: bool = typer.Option(
        False,
        "--version",
        callback=_version,
        is_eager=True,
        allow_from_autoenv=False,
        help="Print the version.",
    ),
    show_versions: bool = typer.Option(
        False,
        "--show-versions",
        callback=_versions,
        is_eager=True,
        allow_from_autoenv=False,
        help="Print the versions of everything that matters to a result.",
    ),
) -> None:
    """Options of every command."""
    del debug, version, show_versions  # read by main() and by the callbacks
    if verbose:
        form = "%(levelname)s %(name)s: %(message)s"
        logging.basicConfig(level=logging.INFO, format=form, stream=sys.stderr)
    else:  # what a user must read goes through console
        logging.basicConfig(handlers=[logging.NullHandler()])


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line and exit with the documented codes."""
    os.environ.setdefault("GDAL_CACHEMAX", "256")  # MB; GDAL's own default is 5 % of the machine
    os.environ.setdefault("GDAL_NUM_THREADS", "1")  # parallelism is ours to arrange
    # Threads that spin while they wait make a training ten times slower where cores are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    signal.signal(signal.SIGTERM, _interrupt)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # other packages' advice to programmers
    sys.argv[1:] = _debug_first(sys.argv[1:])
    debug = sys.argv[1:2] == ["--debug"] or os.environ.get("PANSHARPKIT_DEBUG", "") not in ("", "0")
    sys.exit(_run(debug))


def _debug_first(arguments: list[str]) -> list[str]:
    """Let `--debug` stand anywhere: who reads of it has typed the rest already.

    >>> _debug_first(["fuse", "a.tif", "--debug"]), _debug_first(["fuse", "--", "--debug"])
    (['--debug', 'fuse', 'a.tif'], ['fuse', '--', '--debug'])
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    if "--debug" not in arguments[:end]:
        return arguments
    rest = [text for text in arguments[:end] if text != "--debug"]
    return ["--debug", *rest, *arguments[end:]]


def _run(debug: bool) -> int:
    try:
        result = app(prog_name="pansharpkit", standalone_mode=False)
    except _UsageError as error:
        return _misused(error)
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except Exception as error:
        if debug:
            raise
        return _failed(error)
    if result == INTERRUPTED:  # typer's answer to the first Ctrl-C
        return _interrupted()
    return result if isinstance(result, int) else 0


def _failed(error: Exception) -> int:
    """Say on one line what went wrong, and return the exit code for it."""
    if isinstance(error, BrokenPipeError):  # the reader of our output has seen enough
        sys.stderr.close()
        return 1
    console.fail(explained(error))
    return error.exit_code if isinstance(error, PansharpkitError) else 1


def _misused(error: Any) -> int:
    """Say on one line what is wrong with the arguments; the help of a bare command says it all."""
    text = error.format_message()
    if text:
        command = error.ctx.command_path if error.ctx is not None else "pansharpkit"
        end = " See" if text.endswith("?") else "; see"
        console.fail(f"{text.rstrip('.')}{end} {command} --help")
    return int(error.exit_code)


def _interrupted() -> int:
    console.fail("interrupted; no unfinished file was left under a final name")
    return INTERRUPTED


if __name__ == "__main__":
    main()
